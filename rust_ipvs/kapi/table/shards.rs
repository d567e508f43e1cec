// SPDX-License-Identifier: GPL-2.0

//! Shards of a table: their locks and what these protect.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)

use super::{
    entry::TableEntry,
    sizes, //
};
use crate::{
    bindings,
    kapi::once::Word, //
};
use core::{
    cell::UnsafeCell,
    ops::Deref, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque,
};

/// Change of a shard's object count after which the table's total is updated.
///
/// Larger values mean fewer writes to the shared total and a less accurate
/// [`Table::about`](super::Table::about).
pub(super) const TOLD_AT: usize = sizes::either(32, 2);

/// A lock and the data that it protects, aligned to a cache line so that shards used by different
/// CPUs do not share one.
#[repr(align(64))]
pub(super) struct Shard {
    /// Taken with bottom halves off: packets take it in softirq context.
    lock: Opaque<bindings::spinlock_t>,
    /// Number of `LINKED` objects whose home is this shard. Written with the lock held.
    pub(super) len: Word<usize>,
    /// Part of `len` that [`Table::about`](super::Table::about) already includes. Written with the
    /// lock held.
    reported: Word<usize>,
    /// Heads of the wheel's lists; the last is the list of due objects.
    slots: UnsafeCell<KVec<usize>>,
}

impl Shard {
    /// Creates a shard with empty lists. [`Shard::init`] must initialise its lock. Process context.
    /// Fails with `ENOMEM`.
    pub(super) fn new(heads: usize) -> Result<Self> {
        Ok(Self {
            lock: Opaque::uninit(),
            len: Word::new(0),
            reported: Word::new(0),
            slots: UnsafeCell::new(KVec::from_elem(0usize, heads, GFP_KERNEL)?),
        })
    }

    /// Initialises the lock.
    ///
    /// # Safety
    ///
    /// The shard must not move any more, as a spinlock in use must not, and nobody else may have
    /// access to it yet.
    pub(super) unsafe fn init(&self) {
        // SAFETY: `lock` is valid for writes. By the contract of this function it does not move and
        // is not in use.
        unsafe { bindings::rust_ipvs_helper_spin_lock_init(self.lock.get()) };
    }
}

/// A locked shard, borrowed from a guard that unlocks it.
///
/// # Invariants
///
/// The lock of the shard is held for as long as this value is borrowed.
pub(super) struct Locked<'a>(&'a Shard);

impl Locked<'_> {
    /// Returns the head of a slot's list, or of the due list if there is no such slot.
    pub(super) fn slot(&self, slot: usize) -> *mut usize {
        // SAFETY: By the type invariant the lock is held, so no other reference to the vector
        // exists. Its length never changes.
        let slots = unsafe { &mut *self.0.slots.get() };
        let last = slots.len().saturating_sub(1);
        // SAFETY: Every shard is created with at least one head, so `last` is in bounds, and
        // `min()` bounds the offset by it.
        unsafe { slots.as_mut_ptr().add(slot.min(last)) }
    }

    /// Returns the head of the list that `entry` belongs to now, by [`TableEntry::slot`].
    pub(super) fn slot_of<T: TableEntry>(&self, entry: &T) -> *mut usize {
        self.slot(entry.slot().into())
    }

    /// Adds `step`, 1 or -1, to the object count of the shard, and updates the table's total if the
    /// difference has reached [`TOLD_AT`].
    pub(super) fn count(&self, about: &Atomic<usize>, step: isize) {
        let shard = self.0;
        let len = shard.len.load().wrapping_add_signed(step);
        shard.len.store(len);
        let unreported = len.wrapping_sub(shard.reported.load());
        // `|unreported| >= TOLD_AT`, in one comparison: the addition maps the range of small
        // differences to `0..=2 * (TOLD_AT - 1)`.
        if unreported.wrapping_add(TOLD_AT - 1) > 2 * (TOLD_AT - 1) {
            about.add(unreported, Relaxed);
            shard.reported.store(len);
        }
    }

    /// Updates the table's total to include all objects of the shard.
    pub(super) fn report_len(&self, about: &Atomic<usize>) {
        let (shard, len) = (self.0, self.0.len.load());
        about.add(len.wrapping_sub(shard.reported.load()), Relaxed);
        shard.reported.store(len);
    }

    /// Returns the head of the due list: objects whose slot was reached and that wait for a
    /// verdict.
    pub(super) fn due(&self) -> *mut usize {
        self.slot(usize::MAX)
    }

    /// Returns `true` if all lists are empty.
    pub(super) fn is_empty(&self) -> bool {
        // SAFETY: By the type invariant the lock is held, so the vector is not borrowed mutably.
        let slots = unsafe { &*self.0.slots.get() };
        slots.iter().all(|head| *head == 0)
    }
}

/// A locked shard. Dropping it unlocks the shard and enables bottom halves if it has turned them
/// off.
///
/// Bottom halves are off anyway in a softirq, in which most packets are processed: none can
/// interrupt this CPU until the softirq ends, and that does not end while the lock is held.
///
/// # Invariants
///
/// The lock of the shard is held by this value, and bottom halves are off. The field `bh` is true
/// if taking the lock has turned them off.
pub(super) struct ShardGuard<'a> {
    locked: Locked<'a>,
    bh: bool,
}

impl<'a> ShardGuard<'a> {
    /// Locks a shard, and turns bottom halves off if they are on. The caller must hold no shard's
    /// lock.
    #[inline(always)]
    pub(super) fn new(shard: &'a Shard) -> Self {
        // SAFETY: The lock was initialised when its table was created and has not moved since. No
        // caller holds a shard's lock already, so this cannot deadlock.
        let bh = unsafe { bindings::rust_ipvs_helper_spin_lock_softirq(shard.lock.get()) };
        // INVARIANT: Locked just above.
        let locked = Locked(shard);
        Self { locked, bh }
    }
}

impl<'a> Deref for ShardGuard<'a> {
    type Target = Locked<'a>;

    #[inline(always)]
    fn deref(&self) -> &Locked<'a> {
        &self.locked
    }
}

impl Drop for ShardGuard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let shard = self.locked.0;
        // SAFETY: By the type invariant the lock is held, and `bh` is what taking it returned, on
        // this CPU.
        unsafe { bindings::rust_ipvs_helper_spin_unlock_softirq(shard.lock.get(), self.bh) }
    }
}

/// A shard that was locked while another one was. Dropping it unlocks the shard.
///
/// # Invariants
///
/// The lock of the shard is held by this value, and bottom halves are off.
pub(super) struct NestedGuard<'a>(&'a Shard);

impl<'a> NestedGuard<'a> {
    /// Locks a shard. The caller must hold the locks of `nesting` others, of lower numbers, and
    /// have bottom halves off. `nesting` is the lockdep subclass.
    pub(super) fn new(shard: &'a Shard, nesting: i32) -> Self {
        // SAFETY: The lock was initialised when its table was created and has not moved since. The
        // order of the numbers excludes a deadlock.
        unsafe { bindings::rust_ipvs_helper_spin_lock_nested(shard.lock.get(), nesting) };
        // INVARIANT: Locked just above.
        Self(shard)
    }
}

impl Drop for NestedGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the lock is held. It was taken by `spin_lock_nested()` on
        // this CPU.
        unsafe { bindings::rust_ipvs_helper_spin_unlock(self.0.lock.get()) }
    }
}

/// Up to three locked shards. Dropping it unlocks them and enables bottom halves.
pub(super) struct Guards<'a> {
    // Dropped in this order: the last unlock enables bottom halves.
    _third: Option<NestedGuard<'a>>,
    _second: Option<NestedGuard<'a>>,
    _first: ShardGuard<'a>,
    home: &'a Shard,
}

impl<'a> Guards<'a> {
    /// Takes over up to three guards, in the order in which they were locked. `home` must be the
    /// shard of one of them.
    pub(super) fn new(
        first: ShardGuard<'a>,
        second: Option<NestedGuard<'a>>,
        third: Option<NestedGuard<'a>>,
        home: &'a Shard,
    ) -> Self {
        Self {
            _third: third,
            _second: second,
            _first: first,
            home,
        }
    }

    /// Returns the shard of the first hash that was given to
    /// [`Table::lock_all`](super::Table::lock_all).
    pub(super) fn home(&self) -> Locked<'_> {
        // INVARIANT: It is one of the three shards, whose locks are held while `self` is borrowed.
        Locked(self.home)
    }
}
