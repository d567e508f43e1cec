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
//! of its shards, of which there are some for each processor.
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
//! # Locks
//!
//! A shard's lock, taken with bottom halves off, protects: every chain whose bucket number has the
//! shard's number in its low bits, in all arrays; the wheel slots of the shard; and for an object
//! whose first hash belongs to the shard its [`WheelLinks`]. Only one shard is locked at a time.
//!
//! There are [`SHARDS_PER_CPU`] shards for each possible CPU, each on cache lines of its own. A
//! shard counts its objects under its lock. The count of the whole table is updated only every
//! [`TOLD_AT`] changes of a shard, so that no cache line is written by all CPUs for each object.
//!
//! The lock of an object follows from its first hash, which is read before the lock is taken. That
//! is sound because the hashes are written only by the owner of an object that is in no chain:
//! [`Table::insert`] stores both before it publishes the object, and they do not change later.
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

/// Bounds of the number of shards, minimum and maximum. Both are powers of two.
const SHARDS: (usize, usize) = (sizes::either(16, 2), sizes::either(256, 2));
/// Number of shards per possible CPU: enough to make contention for one shard's lock rare.
const SHARDS_PER_CPU: usize = 4;
/// Change of a shard's object count after which the table's total is updated.
///
/// Larger values mean fewer writes to the shared total and a less accurate [`Table::about`].
const TOLD_AT: usize = sizes::either(32, 2);

// The low bits of a bucket's number select its shard in every array. That needs at least as many
// buckets as shards, or one chain would belong to several shards.
const _: () = assert!(SHARDS.1 <= 1 << MIN_BITS);

/// A lock and the data that it protects, aligned to a cache line so that shards used by different
/// CPUs do not share one.
#[repr(align(64))]
struct Shard {
    /// Taken with bottom halves off: packets take it in softirq context.
    lock: Opaque<bindings::spinlock_t>,
    /// Number of `LINKED` objects whose first hash is of this shard. Written with the lock held.
    len: Word<usize>,
    /// Part of `len` that [`Table::about`] already includes. Written with the lock held.
    told: Word<usize>,
    /// Heads of the wheel's lists; the last is the list of due objects.
    slots: UnsafeCell<KVec<usize>>,
}

/// A locked shard. Dropping it unlocks the shard and enables bottom halves.
///
/// # Invariants
///
/// The lock of the shard is held by this value.
struct ShardGuard<'a>(&'a Shard);

impl ShardGuard<'_> {
    /// Returns the head of a slot's list, or of the due list if there is no such slot.
    fn slot(&self, slot: usize) -> *mut usize {
        // SAFETY: By the type invariant the lock is held, so no other reference to the vector
        // exists. Its length never changes.
        let slots = unsafe { &mut *self.0.slots.get() };
        let last = slots.len().saturating_sub(1);
        // SAFETY: Every shard is created with at least one head, so `last` is in bounds, and
        // `min()` bounds the offset by it.
        unsafe { slots.as_mut_ptr().add(slot.min(last)) }
    }

    /// Returns the head of the list that `entry` belongs to now, by [`TableEntry::slot`].
    fn slot_of<T: TableEntry>(&self, entry: &T) -> *mut usize {
        self.slot(entry.slot().into())
    }

    /// Adds `step`, 1 or -1, to the object count of the shard, and updates the table's total if the
    /// difference has reached [`TOLD_AT`].
    fn count(&self, about: &Atomic<usize>, step: isize) {
        let shard = self.0;
        let len = shard.len.load().wrapping_add_signed(step);
        shard.len.store(len);
        let untold = len.wrapping_sub(shard.told.load());
        // `|untold| >= TOLD_AT`, in one comparison: the addition maps the range of small
        // differences to `0..=2 * (TOLD_AT - 1)`.
        if untold.wrapping_add(TOLD_AT - 1) > 2 * (TOLD_AT - 1) {
            about.add(untold, Relaxed);
            shard.told.store(len);
        }
    }

    /// Updates the table's total to include all objects of the shard.
    fn tell(&self, about: &Atomic<usize>) {
        let (shard, len) = (self.0, self.0.len.load());
        about.add(len.wrapping_sub(shard.told.load()), Relaxed);
        shard.told.store(len);
    }

    /// Returns the head of the due list: objects whose slot was reached and that wait for a
    /// verdict.
    fn due(&self) -> *mut usize {
        self.slot(usize::MAX)
    }

    /// Returns `true` if all lists are empty.
    fn is_empty(&self) -> bool {
        // SAFETY: By the type invariant the lock is held, so the vector is not borrowed mutably.
        let slots = unsafe { &*self.0.slots.get() };
        slots.iter().all(|head| *head == 0)
    }
}

impl Drop for ShardGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the lock is held. It was taken by `spin_lock_bh()` on this
        // CPU.
        unsafe { bindings::rust_ipvs_helper_spin_unlock_bh(self.0.lock.get()) }
    }
}

/// Total count of objects, which all CPUs write. On its own cache line, apart from the fields that
/// CPUs read for each packet.
#[repr(align(64))]
struct About(Atomic<usize>);

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
    /// `slots` slots.
    ///
    /// Process context: allocates with `GFP_KERNEL`. Fails with `ENOMEM`, or `ENOSPC` if the serial
    /// numbers of tables are used up.
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
            // SAFETY: `lock` is valid for writes. The vector is full, so its elements do not move
            // any more, as a spinlock that is in use must not.
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
        (self.about.0.load(Relaxed) as isize, slack as isize)
    }

    /// Makes [`Table::about`] exact, apart from concurrent changes. Takes the lock of each shard in
    /// turn.
    pub(crate) fn tell(&self) {
        for shard in 0..self.shards.len() {
            self.lock(shard as u32).tell(&self.about.0);
        }
    }

    /// Returns the number of buckets of the current array. Any context.
    pub(crate) fn size(&self) -> usize {
        rcu::read(|rcu| self.current(rcu).heads.len())
    }

    /// Returns the oldest array in use, from which a search starts.
    #[inline(always)]
    fn current<'g>(&'g self, _rcu: Rcu<'g>) -> &'g Buckets {
        // SAFETY: By the type invariant the word is the address of a `Buckets`. The array is freed
        // a grace period after it was replaced, and `'g` lies in a read-side critical section.
        unsafe { &*(self.buckets.load() as *const Buckets) }
    }

    /// Locks the shard of a hash, and turns bottom halves off.
    fn lock(&self, hash: u32) -> ShardGuard<'_> {
        // SAFETY: By the type invariant there are `shard_mask + 1` elements, so the masked number
        // is in bounds.
        let shard = unsafe { self.shards.get_unchecked(hash as usize & self.shard_mask) };
        // SAFETY: The lock was initialised in `new` and has not moved since. No caller holds a
        // shard's lock already, so this cannot deadlock.
        unsafe { bindings::rust_ipvs_helper_spin_lock_bh(shard.lock.get()) };
        // INVARIANT: Locked just above.
        ShardGuard(shard)
    }

    /// Returns the first object whose hash is `hash` and for which `matches` returns `true`, with
    /// the direction, 0 or 1, in which it was found.
    ///
    /// `matches` gets the object and the direction. Takes no lock; the result is valid until the
    /// read-side critical section ends, though another CPU may remove the object meanwhile.
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

    /// Inserts `entry` under `hashes.0`, and under `hashes.1` in its second direction if there is
    /// one.
    ///
    /// Fails with the duplicate, and drops `entry`, if the table has an object in the first
    /// direction for which `same` returns `true`. A reader may find `entry` in its second direction
    /// before this function returns, even if it fails.
    ///
    /// Any context but hard interrupts. Takes up to two shards' locks, one after the other, and
    /// calls `same` and [`TableEntry::slot`] with the last one held.
    pub(crate) fn insert<'g>(
        &'g self,
        rcu: Rcu<'g>,
        entry: SlabBox<T>,
        hashes: (u32, Option<u32>),
        same: impl Fn(&T) -> bool,
    ) -> Result<&'g T, &'g T> {
        let raw = entry.into_raw();
        // SAFETY: `raw` is a valid object that this call owns until it is linked. From then on it
        // is freed through RCU only, so it lives for `'g`.
        let entry: &'g T = unsafe { &*raw.as_ptr().cast_const() };
        let (first, second) = hashes;
        // Before the object is published: whoever finds it derives the lock from its first hash.
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
            // SAFETY: `entry` is in no chain any more. It was never `LINKED`, so `remove` and
            // `expire` on other CPUs refuse it and do not free it.
            unsafe { self.free_later(entry) };
            return Err(duplicate);
        }
        let state = self.linked | if second.is_some() { SECOND } else { 0 };
        guard.count(&self.about.0, 1);
        // SAFETY: `guard` holds the lock of the object's shard and the head is one of its lists.
        // The object was in no table, hence in no list.
        unsafe { slot_list::link(guard.slot_of(entry), entry) };
        entry.wheel().state.store(state);
        entry.wheel().n_control.store(0, Relaxed);
        self.push(rcu, &guard, entry, first, 0);
        drop(guard);
        Ok(entry)
    }

    /// Links `entry` at the head of its chain in the newest array. Its hashes must have been
    /// stored.
    ///
    /// `_guard` must hold the lock of the shard of `hash`.
    fn push(&self, rcu: Rcu<'_>, _guard: &ShardGuard<'_>, entry: &T, hash: u32, direction: usize) {
        let mut buckets = self.current(rcu);
        while let Some(future) = buckets.future(rcu) {
            buckets = future;
        }
        let bucket = buckets.bucket(hash);
        words(entry, direction).0.store(bucket.load());
        bucket.publish(ptr::from_ref(entry) as usize | direction);
    }

    /// Unlinks `entry` from its chain, in whichever array it is. `_guard` must hold the lock of the
    /// shard of `hash`.
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

    /// Returns `true` if `entry` is in this table. The result is valid while `_guard`, which must
    /// hold the lock of the object's shard, exists.
    fn is_linked(&self, _guard: &ShardGuard<'_>, entry: &T) -> bool {
        entry.wheel().state.load() & (SERIAL | LINKED) == self.linked
    }

    /// Removes `entry` from the table and frees it after a grace period.
    ///
    /// Returns `false`, and changes nothing, if the object has a [`ControlRef`], has left the
    /// table, is not fully inserted, or belongs to another table. Any context but hard interrupts;
    /// takes up to two shards' locks, one after the other.
    pub(crate) fn remove(&self, rcu: Rcu<'_>, entry: &T) -> bool {
        let hash = entry.links().hash_of(0);
        let guard = self.lock(hash);
        if !self.is_linked(&guard, entry) || !control_ref::freeze(entry) {
            return false;
        }
        self.detach(rcu, &guard, entry, hash);
        drop(guard);
        // SAFETY: This call detached `entry`: it cleared `LINKED` under the lock, which one call
        // alone can do.
        unsafe { self.finish(rcu, entry) };
        true
    }

    /// Unlinks `entry`, whose count is frozen, from the wheel and from its first chain. `guard`
    /// must hold the lock of its shard.
    fn detach(&self, rcu: Rcu<'_>, guard: &ShardGuard<'_>, entry: &T, hash: u32) {
        let wheel = entry.wheel();
        wheel.state.store(wheel.state.load() & !LINKED);
        guard.count(&self.about.0, -1);
        // SAFETY: `guard` holds the lock, and an object that was `LINKED` is in a list.
        unsafe { slot_list::unlink(entry) };
        self.unchain(rcu, guard, entry, hash, 0);
    }

    /// Completes a removal after `detach`: unlinks the second chain, calls [`TableEntry::removed`]
    /// and queues the object for freeing. Called without a shard's lock.
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
        let guard = self.lock(entry.links().hash_of(0));
        if self.is_linked(&guard, entry) {
            // SAFETY: `guard` holds the lock of the object's shard, and a linked object is in one
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
        let buckets = self.buckets.load() as *mut Buckets;
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
