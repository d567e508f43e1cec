// SPDX-License-Identifier: GPL-2.0

//! Resizable hash table of objects with expiry times, read under RCU.
//!
//! C headers: [`include/linux/rculist.h`](srctree/include/linux/rculist.h),
//! [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h)
//!
//! # Overview
//!
//! Each object is in the table under one key or two, called its *directions*, and in one *slot* of
//! a timer wheel. The user computes the slot. Readers look objects up and use them without locks,
//! reference counts or stores to shared memory. Writers take one of several spinlocks.
//!
//! # Chains
//!
//! A bucket is a singly linked chain. A link is the address of an object with the direction in
//! bit 0, so an object that is in two chains needs two words and no pointer back to itself.
//!
//! # Resizing
//!
//! New objects go to the new bucket array. Old chains are emptied from their tails. A tail has no
//! successor, so a reader that is at the tail when it is moved skips nothing: it continues in a
//! chain of the new array and ends there. A reader that finds nothing in the old array continues in
//! the new one, which the old array's `future` points to for as long as the old array is reachable.
//! An object is linked in the new array before it is unlinked from the old one, so a reader always
//! finds it. `table/resize.rs` describes how that takes linear time and holds each lock briefly;
//! [`Buckets::future`] has the argument by the kernel's memory model.
//!
//! # Keys
//!
//! The hashes of objects depend on a random key. It is stored in the bucket array, so a reader that
//! has the address of an array has the key of the objects in it. [`Table::rekey`] gives the table
//! another key if the length of a chain suggests that a client knows the present one.
//! `table/rekey.rs` describes how, and why no reader misses an object.
//!
//! # Locks
//!
//! A shard's lock, taken with bottom halves off, protects: every chain whose bucket number has the
//! shard's number in its low bits, in all arrays; the wheel slots of the shard; and the
//! [`WheelLinks`] of each object whose *home* is the shard. Only one shard is locked at a time,
//! except while the key changes; then up to three are, in the order of their numbers.
//!
//! There are [`SHARDS_PER_CPU`] shards for each possible CPU, each on cache lines of its own. A
//! shard counts its objects under its lock. The count of the whole table is updated only every
//! [`TOLD_AT`] changes of a shard, so that no cache line is written by all CPUs for each object.
//!
//! The home of an object is the shard of the first hash that it was inserted with. That hash is
//! stored before the object is published in either chain and does not change later, so it may be
//! read before the lock is taken. Unless the key has changed, the home's lock is also that of the
//! first chain.
//!
//! The lock of a chain follows from the hash that is stored in its objects. That word changes only
//! when an object moves to an array with another key, and then with the locks of both shards held,
//! that of the old hash and that of the new one. So a writer that unlinks an object reads the word,
//! takes the lock, and reads the word again ([`Table::unchain`]).
//!
//! # Order of insertion and removal
//!
//! [`Table::insert`] links an object in its second chain; then, with its first shard locked, in the
//! wheel and in its first chain. Between the two a reader can find it in its second direction only.
//! The object is not `LINKED` then, so [`Table::remove`] and [`Table::rearm`], which check that
//! under the same lock, refuse it. The reader's change of the expiry time is not lost, because
//! [`TableEntry::slot`] is evaluated with the lock held: if `rearm` took the lock first, `insert`
//! sees what the reader changed before; if `rearm` takes it later, the object is `LINKED`.
//!
//! Removal reverses the order: out of the wheel and the first chain, then out of the second chain.
//! If the key has changed, the first chain may belong to another shard than the home; then its lock
//! is taken after that of the home.
//!
//! # Objects of other tables
//!
//! The state word of an object holds the serial number of its table. `remove` and `rearm` compare
//! it under the lock, so they refuse an object of another table or of none. Such an object may
//! select the lock of any shard, but only its hash and state, which are whole words, are read.

mod buckets;
mod control_ref;
mod entry;
mod expire;
mod insert;
mod locks;
mod ordered;
mod rekey;
mod resize;
mod scan;
mod shards;
mod sizes;
mod slot_list;
mod walk;

pub(crate) use buckets::{
    MAX_BITS,
    MIN_BITS, //
};
pub(crate) use control_ref::ControlRef;
pub(crate) use entry::{
    Links, //
    TableEntry,
    WheelLinks,
};
pub(crate) use expire::ExpireVerdict;
pub(crate) use insert::Directions;
pub(crate) use ordered::{
    PageCursor, //
    PageResult,
};
pub(crate) use scan::Cursor;

use super::{
    cpus,
    once::Word,
    rcu::{
        self,
        Rcu, //
    },
    serial,
    slab::SlabBox,
};
use crate::bindings;
use buckets::Buckets;
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use entry::{
    step,
    words,
    DIRECTION,
    LINKED,
    SECOND,
    SERIAL,
    SERIAL_UNIT, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};
use shards::{
    Locked,
    Shard,
    TOLD_AT, //
};

/// Bounds of the number of shards, minimum and maximum. Both are powers of two.
const SHARDS: (usize, usize) = (sizes::either(16, 2), sizes::either(256, 2));
/// Number of shards per possible CPU: enough to make contention for one shard's lock rare.
const SHARDS_PER_CPU: usize = 4;

// The low bits of a bucket's number select its shard in every array. That needs at least as many
// buckets as shards, or one chain would belong to several shards.
const _: () = assert!(SHARDS.1 <= 1 << MIN_BITS);

/// Words that all CPUs write, though seldom. On their own cache line, apart from the fields that
/// CPUs read for each packet.
#[repr(align(64))]
struct About {
    /// Approximate number of objects.
    len: Atomic<usize>,
    /// State of requests for a new key (`table/rekey.rs`).
    asks: Word<u32>,
}

/// First hash of an object, with the number of the key that it was computed with.
#[derive(Clone, Copy)]
pub(crate) struct Hashed {
    hash: u32,
    key_number: u32,
}

impl Hashed {
    /// No hash: [`Table::insert`] computes it. No key has number 0 before the numbers wrap around.
    pub(crate) const UNKNOWN: Self = Self {
        hash: 0,
        key_number: 0,
    };
}

/// A hash table. See the module's documentation.
///
/// # Invariants
///
/// - `buckets` is the address of a `Buckets` from `KBox::into_raw`, freed through RCU.
/// - `shards` has `shard_mask + 1` elements, a power of two.
/// - Every link is the address of a live `T` from `SlabBox::into_raw` with a direction in bit 0,
///   and that object's `LINKED` is set or was when the reader's section began.
pub(crate) struct Table<T: TableEntry> {
    /// Address of the oldest array in use; readers start there. Replaced by `resize` alone.
    buckets: Word<usize>,
    /// `shard_mask + 1` shards. Their locks do not move once the table is built.
    shards: KVec<Shard>,
    shard_mask: usize,
    /// State of an object that is in this table: the serial number of the table with `LINKED`.
    linked: u32,
    about: About,
    /// 1 while a resize is running, which excludes others; else 0.
    resizing: Atomic<i32>,
    _owns: PhantomData<T>,
}

// SAFETY: The table owns its objects, and `TableEntry` requires `Send`: they may be dropped on any
// CPU.
unsafe impl<T: TableEntry> Send for Table<T> {}
// SAFETY: Readers get `&T` under RCU and `TableEntry` requires `Sync`. Writers hold a shard's lock.
unsafe impl<T: TableEntry> Sync for Table<T> {}

impl<T: TableEntry> Table<T> {
    /// Creates a table of `1 << bits` buckets, clamped to the supported range, and a wheel of
    /// `slots` slots. `key` must be random and secret.
    ///
    /// Process context: allocates with `GFP_KERNEL`. Fails with `ENOMEM`, or `ENOSPC` if the serial
    /// numbers of tables are used up.
    pub(crate) fn new(bits: u32, slots: u16, key: T::Key) -> Result<Self> {
        let serial = serial::next(SERIAL / SERIAL_UNIT).ok_or(ENOSPC)?;
        let count = cpus::count().saturating_mul(SHARDS_PER_CPU);
        let count = count.next_power_of_two().clamp(SHARDS.0, SHARDS.1);
        let mut shards = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            shards.push(
                Shard::new(usize::from(slots).saturating_add(1))?,
                GFP_KERNEL,
            )?;
        }
        for shard in shards.iter() {
            // SAFETY: The vector is full, so its elements do not move any more, and nobody else has
            // access to them yet.
            unsafe { shard.init() };
        }
        // INVARIANT: A fresh array has no links, and `count` is a power of two.
        Ok(Self {
            buckets: Word::new(KBox::into_raw(Buckets::new(bits, (1, 1), key)?) as usize),
            shards,
            shard_mask: count.wrapping_sub(1),
            linked: serial.wrapping_mul(SERIAL_UNIT) | LINKED,
            about: About {
                len: Atomic::new(0),
                asks: Word::new(0),
            },
            resizing: Atomic::new(0),
            _owns: PhantomData,
        })
    }

    /// Returns the number of objects, by adding up the counts of the shards. Any context; too slow
    /// to call for each packet.
    ///
    /// Objects that are inserted or removed during the call may be counted or not. Objects that
    /// stay in the table for the whole call are counted.
    pub(crate) fn exact_len(&self) -> usize {
        let lens = self.shards.iter().map(|shard| shard.len.load());
        lens.fold(0, usize::wrapping_add)
    }

    /// Returns an estimate of the number of objects, and the bound of its error. The estimate can
    /// be negative.
    ///
    /// Any context. Reads one word that is seldom written, so it is cheap enough for each new
    /// object.
    #[inline(always)]
    pub(crate) fn about(&self) -> (isize, isize) {
        let slack = self.shards.len().wrapping_mul(TOLD_AT);
        (self.about.len.load(Relaxed) as isize, slack as isize)
    }

    /// Makes [`Table::about`] exact, apart from concurrent changes. Takes the lock of each shard in
    /// turn.
    pub(crate) fn report_len(&self) {
        for shard in 0..self.shards.len() {
            self.lock(shard as u32).report_len(&self.about.len);
        }
    }

    /// Returns the number of buckets of the current array. Any context.
    pub(crate) fn size(&self) -> usize {
        rcu::read(|rcu| self.current(rcu).heads.len())
    }

    /// Returns the oldest array in use, from which a search starts.
    #[inline(always)]
    fn current<'g>(&'g self, _rcu: Rcu<'g>) -> &'g Buckets<T::Key> {
        // SAFETY: By the type invariant the word is the address of a `Buckets`. The array is freed
        // a grace period after it was replaced, and `'g` lies in a read-side critical section.
        unsafe { &*(self.buckets.load() as *const Buckets<T::Key>) }
    }

    /// Returns the first object that has the hash which `hash` computes with the table's key and
    /// for which `matches` returns `true`, with the direction, 0 or 1, in which it was found.
    ///
    /// `matches` gets the object and the direction. It must be `true` for the wanted object only,
    /// whatever hash is stored in it, and may be called more than once for an object. Takes no
    /// lock; the result is valid until the read-side critical section ends, though another CPU may
    /// remove the object meanwhile.
    #[inline(always)]
    pub(crate) fn find<'g>(
        &'g self,
        rcu: Rcu<'g>,
        hash: impl Fn(&T::Key) -> u32 + Copy,
        matches: impl Fn(&'g T, usize) -> bool + Copy,
    ) -> Option<(&'g T, usize)> {
        let judge = |entry, direction| matches(entry, direction).then_some(direction);
        self.look_up(rcu, hash, judge).ok()
    }

    /// Returns the first object for which `judge` returns a value, with that value. Else as
    /// [`Table::find`]. Without a result the error is the hash, for [`Table::insert`].
    ///
    /// `hash` and `judge` are copied if the table has two arrays. Closures that own what they
    /// capture can thus stay in registers.
    #[inline(always)]
    pub(crate) fn look_up<'g, R>(
        &'g self,
        rcu: Rcu<'g>,
        hash: impl Fn(&T::Key) -> u32 + Copy,
        judge: impl Fn(&'g T, usize) -> Option<R> + Copy,
    ) -> Result<(&'g T, R), Hashed> {
        let array = self.current(rcu);
        let sought = hash(&array.key);
        if let Some(found) = self.search(rcu, array, sought, false, &judge) {
            return Ok(found);
        }
        let found = match array.future(rcu) {
            None => None,
            Some(_) => self.look_further(rcu, array, hash, judge),
        };
        found.ok_or(Hashed {
            hash: sought,
            key_number: array.key_number,
        })
    }

    /// Searches the chain of a hash in one array. Calls `judge` for the objects with that hash, or
    /// for all objects if `asks_all` is `true`.
    #[inline(always)]
    fn search<'g, R>(
        &'g self,
        _rcu: Rcu<'g>,
        array: &'g Buckets<T::Key>,
        sought: u32,
        asks_all: bool,
        judge: &impl Fn(&'g T, usize) -> Option<R>,
    ) -> Option<(&'g T, R)> {
        let mut link = array.bucket(sought).load();
        while link != 0 {
            // SAFETY: By the type invariant, links lead to objects that live at least for the
            // rest of this read-side critical section.
            let entry = unsafe { &*((link & !DIRECTION) as *const T) };
            let direction = link & DIRECTION;
            let (next, own) = step(entry, direction);
            if own == sought || asks_all {
                if let Some(found) = judge(entry, direction) {
                    return Some((entry, found));
                }
            }
            link = next;
        }
        None
    }

    /// Searches for an object that was not found in the array `first`, which is being replaced.
    #[cold]
    #[inline(never)]
    fn look_further<'g, R>(
        &'g self,
        rcu: Rcu<'g>,
        first: &'g Buckets<T::Key>,
        hash: impl Fn(&T::Key) -> u32,
        judge: impl Fn(&'g T, usize) -> Option<R>,
    ) -> Option<(&'g T, R)> {
        let sought = hash(&first.key);
        let mut array = first;
        loop {
            array = array.future(rcu)?;
            if array.key_number != first.key_number {
                break;
            }
            if let Some(found) = self.search(rcu, array, sought, false, &judge) {
                return Some(found);
            }
        }
        // Again from the beginning, for all objects: an object that is moved is in two chains, and
        // its stored hash matches one of them only (`table/rekey.rs`).
        array = first;
        loop {
            let found = self.search(rcu, array, hash(&array.key), true, &judge);
            if found.is_some() {
                return found;
            }
            array = array.future(rcu)?;
        }
    }

    /// Unlinks `entry` from its chain in a direction. Takes the chain's lock.
    fn unchain(&self, rcu: Rcu<'_>, entry: &T, direction: usize) {
        loop {
            let hash = entry.links().hash_of(direction);
            let guard = self.lock(hash);
            // If the hash has changed, the object was moved to a chain with another lock.
            if entry.links().hash_of(direction) == hash {
                self.unchain_locked(rcu, &guard, (entry, direction), hash);
                return;
            }
        }
    }

    /// Unlinks `entry` from its chain, in whichever array it is. `_locked` must be the shard of
    /// `hash`, which must be the hash that is stored in the object.
    fn unchain_locked(
        &self,
        rcu: Rcu<'_>,
        _locked: &Locked<'_>,
        (entry, direction): (&T, usize),
        hash: u32,
    ) {
        let wanted = ptr::from_ref(entry) as usize | direction;
        let mut buckets = Some(self.current(rcu));
        while let Some(array) = buckets {
            let mut word = array.bucket(hash);
            loop {
                let link = word.load();
                if link == wanted {
                    word.store(words(entry, direction).0.load());
                    return;
                }
                if link == 0 {
                    break;
                }
                // SAFETY: By the type invariant links lead to live objects, and the lock of this
                // chain is held, so none is unlinked meanwhile.
                let other = unsafe { &*((link & !DIRECTION) as *const T) };
                word = words(other, link & DIRECTION).0;
            }
            buckets = array.future(rcu);
        }
        debug_assert!(
            false,
            "an object must be in its chain until it is unchained"
        );
    }

    /// Returns `true` if `entry` is in this table. The result is valid while `_home`, which must be
    /// the home of the object, is locked.
    fn is_linked(&self, _home: &Locked<'_>, entry: &T) -> bool {
        entry.wheel().state.load() & (SERIAL | LINKED) == self.linked
    }

    /// Removes `entry` from the table and frees it after a grace period.
    ///
    /// Returns `false`, and changes nothing, if the object has a [`ControlRef`], has left the
    /// table, is not fully inserted, or belongs to another table. Any context but hard interrupts;
    /// takes up to three shards' locks, one after the other.
    pub(crate) fn remove(&self, rcu: Rcu<'_>, entry: &T) -> bool {
        let guard = self.lock(entry.wheel().home());
        if !self.is_linked(&guard, entry) || !control_ref::freeze(entry) {
            return false;
        }
        let is_unchained = self.detach(rcu, &guard, entry);
        drop(guard);
        // SAFETY: This call detached `entry`: it cleared `LINKED` under the lock, which one call
        // alone can do.
        unsafe { self.finish(rcu, entry, is_unchained) };
        true
    }

    /// Unlinks `entry`, whose count is frozen, from the wheel, and from its first chain if that
    /// belongs to `home` too, which must be its home. Returns `false` if the chain belongs to
    /// another shard because the key has changed.
    fn detach(&self, rcu: Rcu<'_>, home: &Locked<'_>, entry: &T) -> bool {
        let wheel = entry.wheel();
        wheel.state.store(wheel.state.load() & !LINKED);
        home.count(&self.about.len, -1);
        // SAFETY: `home` is locked, and an object that was `LINKED` is in a list.
        unsafe { slot_list::unlink(entry) };
        let hash = entry.links().hash_of(0);
        let is_here = self.is_same_shard(hash, wheel.home());
        if is_here {
            // The stored hash does not change, because the lock of its shard is held.
            self.unchain_locked(rcu, home, (entry, 0), hash);
        }
        is_here
    }

    /// Completes a removal after `detach`, which returned `is_unchained`: unlinks the remaining
    /// chains, calls [`TableEntry::removed`] and queues the object for freeing. Called without a
    /// shard's lock.
    ///
    /// # Safety
    ///
    /// The caller must be the one that detached `entry`.
    unsafe fn finish(&self, rcu: Rcu<'_>, entry: &T, is_unchained: bool) {
        if !is_unchained {
            self.unchain(rcu, entry, 0);
        }
        if entry.wheel().state.load() & SECOND != 0 {
            self.unchain(rcu, entry, 1);
        }
        entry.removed();
        // SAFETY: `entry` is in no chain and no list any more. By the contract of this function no
        // other call gets here with it.
        unsafe { self.free_later(entry) };
    }

    /// Queues `entry` to be freed after a grace period, when no reader can see it any more.
    ///
    /// # Safety
    ///
    /// `entry` must be in no chain and no list, and be freed once.
    unsafe fn free_later(&self, entry: &T) {
        // SAFETY: By the contract of this function the object is in no list, so its wheel words are
        // unused. They have the size of an RCU head, and `free` matches the type of the object.
        unsafe {
            bindings::call_rcu(
                entry.wheel().words.get().cast::<bindings::callback_head>(),
                Some(free::<T>),
            )
        };
    }

    /// Moves `entry` to the slot that it belongs to now, by [`TableEntry::slot`], which is called
    /// under the lock.
    ///
    /// Does nothing if the object is not in the table: either it has been removed, or
    /// [`Table::insert`] has not linked it yet and will evaluate the slot itself. Takes the lock of
    /// one shard.
    pub(crate) fn rearm(&self, entry: &T) {
        let guard = self.lock(entry.wheel().home());
        if self.is_linked(&guard, entry) {
            // SAFETY: `guard` holds the lock of the object's home, and a linked object is in one
            // of its lists.
            unsafe {
                slot_list::unlink(entry);
                slot_list::link(guard.slot_of(entry), entry);
            }
        }
    }
}

impl<T: TableEntry> Drop for Table<T> {
    fn drop(&mut self) {
        // Objects that are still referenced from outside the table are not removed. They are
        // leaked, which keeps the references valid.
        self.clear();
        let buckets = self.buckets.load() as *mut Buckets<T::Key>;
        // SAFETY: `&mut self` excludes readers, writers and resizes. By the type invariant the
        // address came from `KBox::into_raw`.
        drop(unsafe { KBox::from_raw(buckets) });
    }
}

/// Frees an object whose grace period has passed.
///
/// # Safety
///
/// `head` must be the words of the [`WheelLinks`] of a `T` that left its table.
unsafe extern "C" fn free<T: TableEntry>(head: *mut bindings::callback_head) {
    let words_offset = core::mem::offset_of!(WheelLinks, words);
    let entry = head
        .cast::<u8>()
        .wrapping_sub(T::WHEEL_OFFSET)
        .wrapping_sub(words_offset)
        .cast::<T>();
    // SAFETY: By the contract of this function `head` lies in a `T`, and by that of `TableEntry` at
    // this offset, so the result is the address of that object and not null.
    let entry = unsafe { NonNull::new_unchecked(entry) };
    // SAFETY: By the type invariant of `Table` the object came from `SlabBox::into_raw`. Its grace
    // period has passed, so there is no reader left.
    drop(unsafe { SlabBox::from_raw(entry) });
}
