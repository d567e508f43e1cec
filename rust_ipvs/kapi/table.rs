// SPDX-License-Identifier: GPL-2.0

//! A hash table of ageing objects, read under RCU, that is resized while it is read.
//!
//! C headers: [`include/linux/rculist.h`](srctree/include/linux/rculist.h),
//! [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h)
//!
//! # What it is
//!
//! Each object is in the table under one key or under two (its two *directions*), and in one
//! *slot* of an expiry wheel whose arithmetic is the user's. Readers look up, use and leave
//! objects without a lock, a reference count or a store. Writers lock one of the locks
//! of its shards, of which there are some for each processor.
//!
//! # Chains
//!
//! A bucket is a singly linked chain. A link is the address of an object with the direction in
//! bit 0, so an object that is in two chains needs two words and no pointer back to itself.
//!
//! # Resizing
//!
//! New objects go to the new bucket array; old chains are emptied from their tails. As a tail has
//! nothing behind it, a reader that stands on it when it moves loses nothing: it wanders into a
//! chain of the new array, and ends there. A reader that finds nothing in the old array goes on to
//! the new one, which is published in the old one for as long as anybody can see the old one. An
//! object is linked in the new array before it is unlinked in the old, so it cannot be missed.
//! `table/resize.rs` says how that is done without quadratic work and without a lock held for long;
//! [`Buckets::future`] has the argument by the kernel's memory model.
//!
//! # Locks
//!
//! A shard's lock, taken with bottom halves off, protects: every chain whose bucket number has the
//! shard's number in its low bits, in all arrays; the wheel slots of the shard; and for an object
//! whose first hash belongs to the shard its [`WheelLinks`]. Only one shard is locked at a time.
//!
//! There are some shards for each processor that there may be, each on cache lines of its own. A
//! shard counts its objects, as it is locked then anyway; the count of the whole table is told
//! now and then, so that no word is written by all processors with each object.
//!
//! The lock of an object thus follows from its first hash, which is read before the lock is taken.
//! That is sound as nobody but the owner of an object that is in no chain writes its hashes:
//! [`Table::insert`] stores both before it publishes the object in either chain, and they stay.
//!
//! # Order of insertion and removal
//!
//! [`Table::insert`] links an object in its second chain, then, with its first shard locked, in the
//! wheel and in its first chain. Between the two a reader can find it, in its second direction
//! only. It is not `LINKED` then, so that [`Table::remove`] and [`Table::rearm`], which ask under
//! the same lock, refuse it. What the reader wanted is not lost: the slot is asked of the object
//! ([`TableEntry::slot`]) with the lock held. If the reader's `rearm` had the lock first, then what
//! it changed before is seen by `insert`; if it has it later, the object is `LINKED`.
//!
//! Removal goes the other way round: out of the wheel and the first chain, then out of the second.
//!
//! # Objects of other tables
//!
//! The state of an object that is in a table has the serial number of the table. `remove` and
//! `rearm` compare it under the lock, so an object of another table, or of none, is refused.
//! Such an object may lead to the lock of any shard, but nothing of it is read or written then
//! except its hash and state, which are whole words.

mod buckets;
mod control_ref;
mod entry;
mod expire;
mod resize;
mod scan;
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
    cell::UnsafeCell,
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
    types::Opaque,
};

/// The fewest and the most parts into which locks and wheel slots are divided. Powers of two.
const SHARDS: (usize, usize) = (sizes::either(16, 2), sizes::either(256, 2));
/// Shards for each processor that there may be: as many as make it rare that two want the same.
const SHARDS_PER_CPU: usize = 4;
/// Number of objects that come to or leave a shard before the table's own count is told.
const TOLD_AT: usize = sizes::either(32, 2);

// The low bits of a bucket's number are those of a shard's.
const _: () = assert!(SHARDS.1 <= 1 << MIN_BITS);

/// A lock and what it protects, on cache lines of their own: the next shard is another CPU's.
#[repr(align(64))]
struct Shard {
    lock: Opaque<bindings::spinlock_t>,
    /// Number of `LINKED` objects whose first hash is of this shard. Written with the lock held.
    len: Word<usize>,
    /// Number of them that [`Table::about`] knows of. Written with the lock held.
    told: Word<usize>,
    /// Heads of the wheel's lists; the last is the list of those whose slot has come.
    slots: UnsafeCell<KVec<usize>>,
}

/// A locked shard; unlocked when dropped.
struct ShardGuard<'a>(&'a Shard);

impl ShardGuard<'_> {
    /// The head of a slot's list, or of the last where there is no such slot.
    fn slot(&self, slot: usize) -> *mut usize {
        // SAFETY: The lock is held, so nobody else borrows the vector; its length never changes.
        let slots = unsafe { &mut *self.0.slots.get() };
        let last = slots.len().saturating_sub(1);
        // SAFETY: Every shard is created with at least one head.
        unsafe { slots.as_mut_ptr().add(slot.min(last)) }
    }

    /// The head of the list where `entry` belongs now.
    fn slot_of<T: TableEntry>(&self, entry: &T) -> *mut usize {
        self.slot(entry.slot().into())
    }

    /// Counts an object of the shard that comes, 1, or leaves, -1.
    fn count(&self, about: &Atomic<usize>, step: isize) {
        let shard = self.0;
        let len = shard.len.load().wrapping_add_signed(step);
        shard.len.store(len);
        let untold = len.wrapping_sub(shard.told.load());
        // Less than `TOLD_AT` either way, in one comparison.
        if untold.wrapping_add(TOLD_AT - 1) > 2 * (TOLD_AT - 1) {
            about.add(untold, Relaxed);
            shard.told.store(len);
        }
    }

    /// Has the table's own count know of all objects of the shard.
    fn tell(&self, about: &Atomic<usize>) {
        let (shard, len) = (self.0, self.0.len.load());
        about.add(len.wrapping_sub(shard.told.load()), Relaxed);
        shard.told.store(len);
    }

    fn due(&self) -> *mut usize {
        self.slot(usize::MAX)
    }

    /// Returns whether there is nothing in any list.
    fn is_empty(&self) -> bool {
        // SAFETY: As in `slot`.
        let slots = unsafe { &*self.0.slots.get() };
        slots.iter().all(|head| *head == 0)
    }
}

impl Drop for ShardGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: Locked when the guard was made.
        unsafe { bindings::rust_ipvs_helper_spin_unlock_bh(self.0.lock.get()) }
    }
}

/// Counters that all CPUs write now and then, apart from the fields that they read with each
/// packet.
#[repr(align(64))]
struct About(Atomic<usize>);

/// The table. See the module's documentation.
///
/// # Invariants
///
/// - `buckets` is the address of a `Buckets` from `KBox::into_raw`, freed through RCU.
/// - `shards` has `shard_mask + 1` elements, a power of two.
/// - Every link is the address of a live `T` from `SlabBox::into_raw` with a direction in bit 0,
///   and that object's `LINKED` is set or was when the reader's section began.
pub(crate) struct Table<T: TableEntry> {
    buckets: Word<usize>,
    /// As many as `shard_mask` has low bits set, and one.
    shards: KVec<Shard>,
    shard_mask: usize,
    /// The state of objects that are in this table: the serial number of the table, and `LINKED`.
    linked: u32,
    about: About,
    resizing: Atomic<i32>,
    _owns: PhantomData<T>,
}

// SAFETY: All sharing goes through RCU and the shards' locks.
unsafe impl<T: TableEntry> Send for Table<T> {}
// SAFETY: All sharing goes through RCU and the shards' locks.
unsafe impl<T: TableEntry> Sync for Table<T> {}

impl<T: TableEntry> Table<T> {
    /// Creates a table of `1 << bits` buckets and a wheel of `slots` slots.
    pub(crate) fn new(bits: u32, slots: u16) -> Result<Self> {
        let serial = serial::next(SERIAL / SERIAL_UNIT).ok_or(ENOSPC)?;
        let count = cpus::count().saturating_mul(SHARDS_PER_CPU);
        let count = count.next_power_of_two().clamp(SHARDS.0, SHARDS.1);
        let mut shards = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            let heads = KVec::from_elem(0usize, usize::from(slots).saturating_add(1), GFP_KERNEL)?;
            shards.push(
                Shard {
                    lock: Opaque::uninit(),
                    len: Word::new(0),
                    told: Word::new(0),
                    slots: UnsafeCell::new(heads),
                },
                GFP_KERNEL,
            )?;
        }
        for shard in shards.iter() {
            // SAFETY: The vector is full, so its elements do not move any more.
            unsafe { bindings::rust_ipvs_helper_spin_lock_init(shard.lock.get()) };
        }
        // INVARIANT: A fresh array has no links, and `count` is a power of two.
        Ok(Self {
            buckets: Word::new(KBox::into_raw(Buckets::new(bits, 1)?) as usize),
            shards,
            shard_mask: count.wrapping_sub(1),
            linked: serial.wrapping_mul(SERIAL_UNIT) | LINKED,
            about: About(Atomic::new(0)),
            resizing: Atomic::new(0),
            _owns: PhantomData,
        })
    }

    /// Returns how many objects are in the table, which asks each shard: not for each packet.
    ///
    /// What comes and goes meanwhile may be counted or not; what is there all the time is counted.
    pub(crate) fn exact_len(&self) -> usize {
        let lens = self.shards.iter().map(|shard| shard.len.load());
        lens.fold(0, usize::wrapping_add)
    }

    /// Returns about how many objects are in the table, and by how many that may be wrong. The
    /// first may thus be negative.
    ///
    /// One word, which CPUs seldom write, so that each new object may ask for it.
    #[inline(always)]
    pub(crate) fn about(&self) -> (isize, isize) {
        let slack = self.shards.len().wrapping_mul(TOLD_AT);
        (self.about.0.load(Relaxed) as isize, slack as isize)
    }

    /// Makes [`Table::about`] right for a moment. Takes the lock of each shard, one after the
    /// other.
    pub(crate) fn tell(&self) {
        for shard in 0..self.shards.len() {
            self.lock(shard as u32).tell(&self.about.0);
        }
    }

    /// Returns how many buckets the table has.
    pub(crate) fn size(&self) -> usize {
        rcu::read(|rcu| self.current(rcu).heads.len())
    }

    #[inline(always)]
    fn current<'g>(&'g self, _rcu: Rcu<'g>) -> &'g Buckets {
        // SAFETY: By the type invariant; the array is freed a grace period after it was replaced.
        unsafe { &*(self.buckets.load() as *const Buckets) }
    }

    fn lock(&self, hash: u32) -> ShardGuard<'_> {
        // SAFETY: The masked number is below that of the elements, by the type invariant.
        let shard = unsafe { self.shards.get_unchecked(hash as usize & self.shard_mask) };
        // SAFETY: The lock was initialised in `new` and has not moved.
        unsafe { bindings::rust_ipvs_helper_spin_lock_bh(shard.lock.get()) };
        ShardGuard(shard)
    }

    /// Finds an object by a hash and by what `matches` says of it and of the direction, 0 or 1,
    /// in which the hash is its own.
    #[inline(always)]
    pub(crate) fn find<'g>(
        &'g self,
        rcu: Rcu<'g>,
        hash: u32,
        mut matches: impl FnMut(&'g T, usize) -> bool,
    ) -> Option<(&'g T, usize)> {
        let mut buckets = self.current(rcu);
        loop {
            let mut link = buckets.bucket(hash).load();
            while link != 0 {
                // SAFETY: By the type invariant, links lead to objects that live at least for the
                // rest of this read-side critical section.
                let entry = unsafe { &*((link & !DIRECTION) as *const T) };
                let direction = link & DIRECTION;
                let (next, own) = step(entry, direction);
                if own == hash && matches(entry, direction) {
                    return Some((entry, direction));
                }
                link = next;
            }
            buckets = buckets.future(rcu)?;
        }
    }

    /// Puts `entry` in the table: under `hashes.0`, and under `hashes.1` for the second direction.
    ///
    /// If an object that is the `same` is there already, in the first direction, it is returned
    /// as the error and `entry` is dropped. `entry` is in the second chain before it is in the
    /// first, so a reader may see it there before this function returns.
    ///
    /// Takes up to two shards' locks, one after the other, and asks [`TableEntry::slot`] under the
    /// last.
    pub(crate) fn insert<'g>(
        &'g self,
        rcu: Rcu<'g>,
        entry: SlabBox<T>,
        hashes: (u32, Option<u32>),
        same: impl Fn(&T) -> bool,
    ) -> Result<&'g T, &'g T> {
        let raw = entry.into_raw();
        // SAFETY: `raw` is an object that we own until it is linked, and RCU keeps afterwards.
        let entry: &'g T = unsafe { &*raw.as_ptr().cast_const() };
        let (first, second) = hashes;
        // Now, while nobody else can see it: who finds it asks its hash for the lock.
        entry.links().set_hashes(first, second.unwrap_or(0));
        if let Some(second) = second {
            let guard = self.lock(second);
            self.push(rcu, &guard, entry, second, 1);
        }
        let guard = self.lock(first);
        let duplicate = self.find(rcu, first, |other, direction| direction == 0 && same(other));
        if let Some((duplicate, _)) = duplicate {
            drop(guard);
            if let Some(second) = second {
                let guard = self.lock(second);
                self.unchain(rcu, &guard, entry, second, 1);
            }
            entry.removed();
            // SAFETY: Not in any chain any more, and never `LINKED`, so nobody else frees it.
            unsafe { self.free_later(entry) };
            return Err(duplicate);
        }
        let state = self.linked | if second.is_some() { SECOND } else { 0 };
        guard.count(&self.about.0, 1);
        // SAFETY: The lock of the object's shard is held, and it is in no list.
        unsafe { slot_list::link(guard.slot_of(entry), entry) };
        entry.wheel().state.store(state);
        entry.wheel().n_control.store(0, Relaxed);
        self.push(rcu, &guard, entry, first, 0);
        drop(guard);
        Ok(entry)
    }

    /// Puts `entry`, whose hashes are stored, at the head of its chain in the newest array.
    fn push(&self, rcu: Rcu<'_>, _guard: &ShardGuard<'_>, entry: &T, hash: u32, direction: usize) {
        let mut buckets = self.current(rcu);
        while let Some(future) = buckets.future(rcu) {
            buckets = future;
        }
        let bucket = buckets.bucket(hash);
        words(entry, direction).0.store(bucket.load());
        bucket.publish(ptr::from_ref(entry) as usize | direction);
    }

    /// Takes `entry` out of its chain, in whichever array it is.
    fn unchain(
        &self,
        rcu: Rcu<'_>,
        _guard: &ShardGuard<'_>,
        entry: &T,
        hash: u32,
        direction: usize,
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
                // SAFETY: Links lead to live objects, and the lock of this chain is held.
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

    /// Returns whether `entry` is in this table.
    ///
    /// The answer holds for as long as `_guard`, which must be that of the object's shard.
    fn is_linked(&self, _guard: &ShardGuard<'_>, entry: &T) -> bool {
        entry.wheel().state.load() & (SERIAL | LINKED) == self.linked
    }

    /// Takes `entry` out of the table and frees it after a grace period.
    ///
    /// Returns whether this call did so: an object that is held, that has left the table or is
    /// not in it yet, or that is another table's, stays as it is. Takes up to two shards' locks,
    /// one after the other.
    pub(crate) fn remove(&self, rcu: Rcu<'_>, entry: &T) -> bool {
        let hash = entry.links().hash_of(0);
        let guard = self.lock(hash);
        if !self.is_linked(&guard, entry) || !control_ref::freeze(entry) {
            return false;
        }
        self.detach(rcu, &guard, entry, hash);
        drop(guard);
        // SAFETY: This call cleared `LINKED`, under the lock.
        unsafe { self.finish(rcu, entry) };
        true
    }

    /// Takes `entry`, which is frozen, out of what the first shard's lock protects.
    fn detach(&self, rcu: Rcu<'_>, guard: &ShardGuard<'_>, entry: &T, hash: u32) {
        let wheel = entry.wheel();
        wheel.state.store(wheel.state.load() & !LINKED);
        guard.count(&self.about.0, -1);
        // SAFETY: The lock is held and the object was in a list, being `LINKED`.
        unsafe { slot_list::unlink(entry) };
        self.unchain(rcu, guard, entry, hash, 0);
    }

    /// Does what is left after `detach`, without its lock.
    ///
    /// # Safety
    ///
    /// The caller must be the one that detached `entry`.
    unsafe fn finish(&self, rcu: Rcu<'_>, entry: &T) {
        if entry.wheel().state.load() & SECOND != 0 {
            let hash = entry.links().hash_of(1);
            let guard = self.lock(hash);
            self.unchain(rcu, &guard, entry, hash, 1);
        }
        entry.removed();
        // SAFETY: In no chain and no list any more; the caller is the only one to get here.
        unsafe { self.free_later(entry) };
    }

    /// Frees `entry` when no reader can see it any more.
    ///
    /// # Safety
    ///
    /// `entry` must be in no chain and no list, and be freed once.
    unsafe fn free_later(&self, entry: &T) {
        // SAFETY: The wheel does not use the words any more; they are as large as an RCU head.
        unsafe {
            bindings::call_rcu(
                entry.wheel().words.get().cast::<bindings::callback_head>(),
                Some(free::<T>),
            )
        };
    }

    /// Moves `entry` to the slot where it belongs now ([`TableEntry::slot`], asked under the lock).
    ///
    /// Nothing happens if it is not in the table: it has left, or [`Table::insert`], which has not
    /// linked it yet, is going to ask for the slot. Takes the lock of one shard.
    pub(crate) fn rearm(&self, entry: &T) {
        let guard = self.lock(entry.links().hash_of(0));
        if self.is_linked(&guard, entry) {
            // SAFETY: The lock is held, and a linked object is in a list.
            unsafe {
                slot_list::unlink(entry);
                slot_list::link(guard.slot_of(entry), entry);
            }
        }
    }
}

impl<T: TableEntry> Drop for Table<T> {
    fn drop(&mut self) {
        // What somebody outside still holds stays in memory, where it is safe, for good.
        self.clear();
        let buckets = self.buckets.load() as *mut Buckets;
        // SAFETY: `&mut self`: no reader, no writer and no resize can be under way.
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
    // SAFETY: By the contract of this function, and of `TableEntry` for the offset.
    let entry = unsafe { NonNull::new_unchecked(entry) };
    // SAFETY: The object came from `SlabBox::into_raw` and nobody can reach it any more.
    drop(unsafe { SlabBox::from_raw(entry) });
}
