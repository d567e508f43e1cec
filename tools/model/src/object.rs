// SPDX-License-Identifier: GPL-2.0

//! Objects that the models put in a table.

use crate::{
    impl_entry,
    kapi::{
        once::Word,
        rcu::{
            self,
            Rcu, //
        },
        slab::SlabBox,
        table::{
            ControlRef,
            Directions,
            ExpireVerdict,
            Hashed,
            Links,
            Table, //
            WheelLinks,
        },
        work::Process,
    },
    shared::{
        give_back,
        shared, //
    },
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};
use std::marker::PhantomData;

/// Bound of the type parameter in `impl_entry!`.
pub(crate) trait Marker: Send + Sync + 'static {}

pub(crate) struct Plain;
impl Marker for Plain {}

/// Object with the fields of a connection that the table uses.
#[repr(C)]
pub(crate) struct Node<M: Marker> {
    links: Links,
    pub(crate) key: u32,
    hashes: [u32; 2],
    wheel: WheelLinks,
    control: ControlRef<Node<M>>,
    slot: Word<u16>,
    removed: Atomic<u32>,
    _marker: PhantomData<M>,
}

impl_entry! {
    impl<M: Marker> TableEntry for Node<M> {
        key: u32,
        hash: Node::<M>::hash,
        slot: Node::<M>::slot,
        removed: Node::<M>::removed,
    }
}

pub(crate) type Object = Node<Plain>;

/// Key of an object, and its hashes with the first key of a table, 0.
#[derive(Clone, Copy)]
pub(crate) struct Key(pub(crate) u32, pub(crate) u32, pub(crate) Option<u32>);

/// Returns the hash with `key` of an object that has `hash` with key 0.
fn by_key(hash: u32, key: u32) -> u32 {
    hash ^ key
}

impl<M: Marker> Node<M> {
    fn hash(&self, direction: usize, key: &u32) -> u32 {
        by_key(self.hashes[direction], *key)
    }

    fn slot(&self) -> u16 {
        self.slot.load()
    }

    fn removed(&self) {
        let before = self.removed.fetch_add(1, Relaxed);
        assert_eq!(before, 0, "an object is removed twice");
        self.control.release();
    }

    /// Returns the key, an access that checks that the object is alive.
    pub(crate) fn key(&self) -> u32 {
        engine::look(&raw const self.key as usize);
        self.key
    }

    /// Returns the key of the object that this one holds a reference to.
    pub(crate) fn control_key(&self, rcu: Rcu<'_>) -> Option<u32> {
        self.control.get(rcu).map(Self::key)
    }

    pub(crate) fn wheel(&self) -> &WheelLinks {
        &self.wheel
    }

    /// Returns the words of the wheel links; no thread may change the object.
    fn wheel_words(&self) -> [usize; 2] {
        // SAFETY: They are the first field of a `repr(C)` structure, and all threads have ended.
        unsafe { (&raw const self.wheel).cast::<[usize; 2]>().read() }
    }
}

/// Makes an object that is in no table.
pub(crate) fn object(key: Key, slot: u16, control: ControlRef<Object>) -> SlabBox<Object> {
    SlabBox::new(Node {
        links: Links::new(),
        key: key.0,
        hashes: [key.1, key.2.unwrap_or(0)],
        wheel: WheelLinks::new(),
        control,
        slot: Word::new(slot),
        removed: Atomic::new(0),
        _marker: PhantomData,
    })
}

/// Table shared between the threads of a model.
#[derive(Clone, Copy)]
pub(crate) struct Shared(&'static Table<Object>);

/// Number of slots of the wheel.
pub(crate) const SLOTS: u16 = 3;

impl Shared {
    /// Makes a table of `1 << bits` buckets.
    pub(crate) fn new(bits: u32) -> Self {
        let table = Table::new(bits, SLOTS, 0).expect("memory");
        Self(shared(table))
    }

    /// Inserts an object with a key. Returns false if one was there already.
    pub(crate) fn insert(self, key: Key, slot: u16) -> bool {
        self.insert_controlled(key, slot, ControlRef::none())
    }

    /// As `insert`, for an object that holds a reference to another.
    pub(crate) fn insert_controlled(
        self,
        key: Key,
        slot: u16,
        control: ControlRef<Object>,
    ) -> bool {
        let object = object(key, slot, control);
        let directions = match key.2 {
            Some(_) => Directions::Both,
            None => Directions::One,
        };
        rcu::read(|rcu| {
            let same = |_: &Object, other: &Object| other.key() == key.0;
            let result = self
                .0
                .insert(rcu, object, Hashed::UNKNOWN, directions, same);
            match result {
                Ok(object) | Err(object) => assert_eq!(object.key(), key.0),
            }
            result.is_ok()
        })
    }

    /// Calls `f` on an object that is found in a direction.
    pub(crate) fn with<R>(
        self,
        key: Key,
        direction: usize,
        f: impl FnOnce(Rcu<'_>, &Object) -> R,
    ) -> Option<R> {
        rcu::read(|rcu| {
            let hash = if direction == 0 { Some(key.1) } else { key.2 };
            let hash = hash?;
            let found = self.0.find(
                rcu,
                |key| by_key(hash, *key),
                |object, way| object.key() == key.0 && way == direction,
            );
            found.map(|(object, _)| f(rcu, object))
        })
    }

    pub(crate) fn has(self, key: Key, direction: usize) -> bool {
        self.with(key, direction, |_, _| ()).is_some()
    }

    /// Removes an object found by its first hash. Returns true if this call removed it.
    pub(crate) fn remove(self, key: Key) -> bool {
        self.with(key, 0, |rcu, object| self.0.remove(rcu, object)) == Some(true)
    }

    pub(crate) fn remove_found(self, rcu: Rcu<'_>, object: &Object) -> bool {
        self.0.remove(rcu, object)
    }

    /// Moves an object to another slot.
    pub(crate) fn rearm(self, object: &Object, slot: u16) {
        object.slot.store(slot);
        self.0.rearm(object);
    }

    /// Expires the objects of a slot without references. Returns their keys.
    pub(crate) fn expire(self, slot: u16) -> Vec<u32> {
        let mut ended = Vec::new();
        let verdict = |object: &Object| match object.wheel().n_control() {
            0 => ExpireVerdict::Remove,
            _ => ExpireVerdict::Keep,
        };
        self.expire_each(slot, verdict, |object| ended.push(object.key()));
        ended
    }

    /// Applies `verdict` to the objects of a slot, in all shards.
    fn expire_each(
        self,
        slot: u16,
        mut verdict: impl FnMut(&Object) -> ExpireVerdict,
        mut gone: impl FnMut(&Object),
    ) {
        for shard in 0..self.0.shards() {
            let (mut slots, mut budget) = ([slot].into_iter(), u32::MAX);
            let gone = |_: Rcu<'_>, object: &Object| gone(object);
            let is_done =
                self.0
                    .expire(&Process, shard, &mut slots, &mut budget, &mut verdict, gone);
            assert!(is_done);
        }
    }

    pub(crate) fn resize(self, bits: u32) {
        self.0.resize(bits).expect("memory");
    }

    /// Gives the table another key, and `1 << bits` buckets.
    pub(crate) fn rekey(self, bits: u32, key: u32) {
        self.0.rekey(bits, key).expect("memory");
    }

    /// Returns the keys of all objects by slot, in the order of the wheel.
    fn slots(self) -> Vec<Vec<u32>> {
        (0..SLOTS)
            .map(|slot| {
                let mut keys = Vec::new();
                let verdict = |object: &Object| {
                    keys.push(object.key());
                    assert_eq!(
                        object.slot(),
                        slot,
                        "an object is in another slot than it is to be"
                    );
                    let [next, back] = object.wheel_words();
                    let here = std::ptr::from_ref(object) as usize;
                    let words = &raw const object.wheel as usize;
                    // SAFETY: All threads have ended, and every object in a list is alive.
                    unsafe {
                        assert_eq!(
                            *(back as *const usize),
                            here,
                            "a wheel list has lost its way back"
                        );
                        if let Some(next) = (next as *const Object).as_ref() {
                            assert_eq!(next.wheel_words()[1], words, "a wheel list is not one");
                        }
                    }
                    ExpireVerdict::Keep
                };
                self.expire_each(slot, verdict, |_| ());
                keys.sort();
                keys
            })
            .collect()
    }

    /// Checks that the table contains exactly these objects, each in its chains and slot.
    pub(crate) fn check(self, keys: &[Key]) {
        let mut expected: Vec<u32> = keys.iter().map(|key| key.0).collect();
        expected.sort();
        let mut linked: Vec<u32> = self.slots().concat();
        linked.sort();
        assert_eq!(
            linked, expected,
            "the wheel's lists and what is in the table differ"
        );
        let len = self.0.exact_len();
        assert_eq!(len, keys.len(), "the count of objects is wrong");
        let (about, slack) = self.0.about();
        assert!(
            about.abs_diff(len as isize) <= slack as usize,
            "the count of objects is about {about}"
        );
        for &key in keys {
            assert!(self.has(key, 0), "{} is not found by its first hash", key.0);
            if key.2.is_some() {
                assert!(
                    self.has(key, 1),
                    "{} is not found by its second hash",
                    key.0
                );
            }
        }
        let mut visited = Vec::new();
        self.0.visit_all(|_, object| visited.push(object.key()));
        visited.sort();
        assert_eq!(
            visited, expected,
            "the chains and what is in the table differ"
        );
    }

    /// Returns the slot of an object.
    pub(crate) fn slot_of(self, key: Key) -> Option<usize> {
        self.slots().iter().position(|slot| slot.contains(&key.0))
    }

    /// Frees the table.
    pub(crate) fn drop_table(self) {
        give_back(self.0);
    }
}
