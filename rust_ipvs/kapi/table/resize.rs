// SPDX-License-Identifier: GPL-2.0

//! Changing the number of buckets while readers use the table.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h). Its tables are
//! resized by a work item, one object at a time, each chain from its tail as well.
//!
//! C IPVS resizes `ip_vs_conn_tab` in the same way, in the background and under RCU. The work is
//! done in process context, by the caller of [`Table::resize`]; packets are delayed by no more than
//! the time that a shard's lock is held.
//!
//! The chains of the old array are moved one after the other, each from its tail, which readers
//! rely on (see the table's module). A chain is singly linked, so its tail is found by walking. To
//! walk it once for each object moved would take quadratic time. So a walk records the last [`RUN`]
//! links, and these are moved together.
//!
//! # Order of the steps
//!
//! 1. The new array is allocated, empty, with its generation.
//! 2. It is published in `future` of the old array. From here on insertions go to the new array,
//!    and readers that find nothing in the old one continue in the new one.
//! 3. The chains of the old array are moved, shard by shard. The buckets of one shard in the old
//!    array map to buckets of the same shard in the new one, so one lock covers both ends of a
//!    move.
//! 4. The new array is published as the current one. Readers that still have the old one find its
//!    chains empty and continue by `future`.
//! 5. The old array is freed after a grace period.
//!
//! The order holds for growing and for shrinking. Nothing has to be undone on a failure, because
//! only the first step can fail.
//!
//! # Work under a lock
//!
//! Short chains, of up to [`RUN`] links, are walked and moved with the shard locked; one lock
//! covers as many chains as make [`BUDGET`] links. A longer chain is walked without its lock, under
//! RCU, in three steps:
//!
//! 1. From its head, recording a link every [`RUN`] or more links as a *mark*.
//! 2. From the last mark to the end, recording the last [`RUN`] links.
//! 3. With the shard locked: the recorded links are compared with the chain, and moved.
//!
//! Whatever the length of a chain, a lock is held for a few hundred links at most, and each object
//! is walked over a few times (more only in chains beyond 64 thousand). Between two locks the chain
//! is partly moved. Readers and writers cope with that anyway: writers search both arrays under the
//! same lock, and new objects are not linked in the old one.
//!
//! # What was seen without the lock
//!
//! Under RCU the objects that were seen stay in memory, but may have left the chain by the time the
//! lock is taken. So three things are checked with the lock held: that the mark is in the chain;
//! that the object before the run is; and that from there on the recorded links follow each other
//! to the chain's end. An object that is `LINKED` is in the chain in which it was found, in either
//! direction, as long as the lock of that chain is held:
//!
//! - In its first direction, `LINKED` was set with the lock of that chain held.
//! - In its second direction, `LINKED` was set after it was linked in the chain.
//! - In both, whoever clears it holds this lock too, or needs it afterwards to unlink the object.
//!
//! Only this module moves objects between arrays, so the chain is still the old array's. That the
//! mark is in the chain shows that the walk from it met no object that had been moved: the stale
//! link of a mark that was removed could lead to objects which have moved since. An object that is
//! not `LINKED` yet (`Table::insert` is between its chains) is not used as a mark or as the object
//! before a run.
//!
//! If the comparison fails [`PATIENCE`] times because objects come and go, the chain is walked with
//! the lock held, once, for the next run.

use super::{
    buckets::{
        free_buckets,
        Buckets,
        MAX_BITS,
        MIN_BITS, //
    },
    entry::{
        words,
        TableEntry,
        DIRECTION, //
    },
    shards::Locked,
    sizes,
    Table, //
};
use crate::{
    bindings,
    kapi::{
        once::Word,
        rcu::{
            self,
            Rcu, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Release, //
    },
};

/// Maximum number of links that are moved together, under one lock.
///
/// Larger runs mean fewer walks and longer times under the lock.
const RUN: usize = sizes::either(64, 2);
/// Number of chains, plus links of chains with more than two, that are processed under one lock.
/// The last run may exceed it.
const BUDGET: usize = sizes::either(128, 3);
/// Maximum number of marks of a chain. With a [`RUN`] of 64, chains of up to 64 thousand links have
/// a mark for each run.
const MARKS: usize = sizes::either(1024, 2);
/// Maximum number of runs that are moved in one read-side critical section, so that resizing does
/// not delay grace periods.
pub(super) const RUNS_AT_ONCE: usize = sizes::either(64, 6);
/// Number of failed comparisons after which a chain is walked with its lock held.
pub(super) const PATIENCE: u32 = sizes::either(3, 1) as u32;

/// Returns the word that holds the successor of a link.
///
/// The word may be written by holders of the chain's lock at any time. It is read once, so that a
/// caller works with one value.
pub(super) fn after<'g, T: TableEntry>(_rcu: Rcu<'g>, link: usize) -> &'g Word<usize> {
    // SAFETY: By the type invariant of `Table`, links lead to objects that live at least for the
    // rest of the read-side critical section that `_rcu` proves.
    let entry: &'g T = unsafe { &*((link & !DIRECTION) as *const T) };
    words(entry, link & DIRECTION).0
}

/// Iterates over the links of a chain, from the one in `word` to the end.
///
/// Without the lock of the chain, other CPUs may change it during the walk. The walk ends even so:
/// a chain of either array ends in 0.
pub(super) fn links<'g, T: TableEntry>(
    rcu: Rcu<'g>,
    word: &Word<usize>,
) -> impl Iterator<Item = usize> + 'g {
    // `successors` ends at the first `None`, which stands for the end of the chain.
    let some = |link: usize| (link != 0).then_some(link);
    core::iter::successors(some(word.load()), move |link| {
        some(after::<T>(rcu, *link).load())
    })
}

/// Consecutive links of a chain, up to its end.
///
/// A record made without the lock is a guess until [`Run::holds`] confirms it.
pub(super) struct Run {
    /// The links, of which the first `len` are valid.
    links: [usize; RUN],
    len: usize,
}

impl Run {
    /// Creates an empty run.
    const fn new() -> Self {
        Self {
            links: [0; RUN],
            len: 0,
        }
    }

    /// Records the links from `word` on. Returns `false` if there are more than [`RUN`].
    ///
    /// One `Run` is reused for all chains: initialising 64 words for each chain would take longer
    /// than moving it.
    pub(super) fn note<T: TableEntry>(&mut self, rcu: Rcu<'_>, word: &Word<usize>) -> bool {
        // The old contents of `links` are not cleared: `len` tells which are valid.
        self.len = 0;
        for link in links::<T>(rcu, word) {
            let Some(place) = self.links.get_mut(self.len) else {
                return false;
            };
            *place = link;
            self.len = self.len.wrapping_add(1);
        }
        true
    }

    /// Iterates over the recorded links.
    fn noted(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.links.iter().take(self.len).copied()
    }

    /// Calls `work` with each recorded link and the link before it, the last one first. `before` is
    /// the link before the first one. Returns `false` as soon as `work` does.
    pub(super) fn each_from_last(
        &self,
        before: usize,
        mut work: impl FnMut(usize, usize) -> bool,
    ) -> bool {
        let mut last = self.noted().rev().peekable();
        while let Some(link) = last.next() {
            if !work(link, last.peek().copied().unwrap_or(before)) {
                return false;
            }
        }
        true
    }

    /// Returns `true` if the recorded links are exactly the links from `word` to the end of the
    /// chain. `_locked` must be the chain's shard.
    fn holds<T: TableEntry>(&self, rcu: Rcu<'_>, _locked: &Locked<'_>, word: &Word<usize>) -> bool {
        // Taking one more than `RUN` reveals a chain that continues.
        links::<T>(rcu, word)
            .take(RUN.wrapping_add(1))
            .eq(self.noted())
    }

    /// Moves the recorded objects to `new`, the last one first.
    ///
    /// They must be the links from `word` to the end of the chain, which [`Run::holds`] checks.
    /// `locked` must be the chain's shard, which is the same in both arrays because the number of
    /// shards divides the number of buckets of either.
    fn move_to<T: TableEntry>(
        &self,
        rcu: Rcu<'_>,
        locked: &Locked<'_>,
        word: &Word<usize>,
        new: &Buckets<T::Key>,
    ) {
        // From the tail towards the head, so that each object is the chain's last one when it is
        // moved. The word that leads to an object is that of its predecessor, or `word` for the
        // first.
        let mut last = self.noted().rev().peekable();
        while let Some(link) = last.next() {
            let before = last.peek().map_or(word, |before| after::<T>(rcu, *before));
            move_last::<T>(rcu, locked, before, link, new);
        }
    }
}

/// Moves the last object of a chain to the head of its chain in `new`. `before` is the word that
/// holds `link`.
///
/// `_locked` must be the chain's shard, which is the same in both arrays.
#[inline(always)]
fn move_last<T: TableEntry>(
    _rcu: Rcu<'_>,
    _locked: &Locked<'_>,
    before: &Word<usize>,
    link: usize,
    new: &Buckets<T::Key>,
) {
    // SAFETY: The lock is held and the link is in the chain, so by the type invariant of `Table` it
    // leads to a live object.
    let entry = unsafe { &*((link & !DIRECTION) as *const T) };
    let (next, hash) = words(entry, link & DIRECTION);
    let target = new.bucket(hash.load());
    // The order matters; `Buckets::future` has the argument. A reader that is at `entry` now
    // follows `next` into the new chain.
    next.publish(target.load());
    target.publish(link);
    before.publish(0);
}

/// Moves the objects of a chain of one or two objects to `new`, the last one first. Returns
/// `false`, and changes nothing, if there are more.
///
/// At the usual load of a table most chains are that short, so this saves recording them. `first`
/// is the link in `chain` and must not be 0. `locked` must be the chain's shard, which is the same
/// in both arrays.
#[inline(always)]
fn move_few<T: TableEntry>(
    rcu: Rcu<'_>,
    locked: &Locked<'_>,
    (chain, first): (&Word<usize>, usize),
    new: &Buckets<T::Key>,
) -> bool {
    // The word behind the first object is 0 if there is one object only.
    let before = after::<T>(rcu, first);
    let second = before.load();
    if second != 0 {
        if after::<T>(rcu, second).load() != 0 {
            return false;
        }
        move_last::<T>(rcu, locked, before, second, new);
    }
    move_last::<T>(rcu, locked, chain, first, new);
    true
}

/// Evenly spaced links of a long chain, from which walks to its end start.
///
/// Without marks each run of a long chain would be found by a walk from the head, which is
/// quadratic in the length of the chain.
pub(super) struct Marks {
    /// [`MARKS`] elements, of which the first `len` are valid.
    links: KVec<usize>,
    len: usize,
}

impl Marks {
    /// Allocates room for [`MARKS`] marks. Process context. Fails with `ENOMEM`.
    fn new() -> Result<Self> {
        Ok(Self {
            links: KVec::from_elem(0, MARKS, GFP_KERNEL)?,
            len: 0,
        })
    }

    /// Records marks of the chain that begins at `word`, in place of the recorded ones.
    ///
    /// One pass without knowing the length in advance: whenever the array is full, every second
    /// mark is dropped and the distance doubled. `distance` stays a power of two.
    pub(super) fn take<T: TableEntry>(&mut self, rcu: Rcu<'_>, word: &Word<usize>) {
        let mut distance = RUN;
        let mut walked = 0usize;
        self.len = 0;
        for link in links::<T>(rcu, word) {
            walked = walked.wrapping_add(1);
            // A mark at every multiple of `distance`, which is a power of two.
            if walked & distance.wrapping_sub(1) != 0 {
                continue;
            }
            if self.len == MARKS {
                // Keep every second mark: the ones at multiples of twice the distance.
                self.len = MARKS / 2;
                for n in 0..self.len {
                    let other = self.links.get(n.wrapping_mul(2).wrapping_add(1)).copied();
                    if let (Some(mark), Some(other)) = (self.links.get_mut(n), other) {
                        *mark = other;
                    }
                }
                distance = distance.wrapping_mul(2);
                if walked & distance.wrapping_sub(1) != 0 {
                    continue;
                }
            }
            if let Some(mark) = self.links.get_mut(self.len) {
                *mark = link;
                self.len = self.len.wrapping_add(1);
            }
        }
    }

    /// Returns the last mark, 0 if there is none.
    pub(super) fn last(&self) -> usize {
        let last = self.len.checked_sub(1);
        last.and_then(|last| self.links.get(last).copied())
            .unwrap_or(0)
    }

    /// Drops the last mark: its object has left the chain, or all links behind it were moved.
    pub(super) fn pop(&mut self) {
        self.len = self.len.saturating_sub(1);
    }
}

/// Walks from the link `from`, or from `bucket` if that is 0, and returns the link before the last
/// run: 0 if the run begins at the bucket.
pub(super) fn before_last<T: TableEntry>(rcu: Rcu<'_>, bucket: &Word<usize>, from: usize) -> usize {
    // Two passes over the same links: one to count them, one to reach the link before the last run.
    // The chain may change in between; `Run::holds` finds out.
    let start = word_of::<T>(rcu, bucket, from);
    let beyond = links::<T>(rcu, start).count().saturating_sub(RUN);
    match beyond.checked_sub(1) {
        Some(skipped) => links::<T>(rcu, start).nth(skipped).unwrap_or(from),
        None => from,
    }
}

/// Returns the word that holds the successor of a link, or `bucket` if the link is 0.
pub(super) fn word_of<'g, T: TableEntry>(
    rcu: Rcu<'g>,
    bucket: &'g Word<usize>,
    link: usize,
) -> &'g Word<usize> {
    if link == 0 {
        bucket
    } else {
        after::<T>(rcu, link)
    }
}

impl<T: TableEntry> Table<T> {
    /// Changes the number of buckets to `1 << bits`, clamped to the supported range.
    ///
    /// Does nothing if the table has that size or if another call is running. Process context;
    /// sleeps, and may take long with many objects, but holds locks only briefly.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the table stays as it is.
    pub(crate) fn resize(&self, bits: u32) -> Result {
        let bits = bits.clamp(MIN_BITS, MAX_BITS);
        if self.size() == 1usize << bits {
            return Ok(());
        }
        self.renew(bits, None)
    }

    /// Moves all objects to an array of `1 << bits` buckets, with another key if one is given.
    ///
    /// Does nothing if another call is running. Process context; sleeps. Fails with `ENOMEM`; the
    /// table stays as it is.
    pub(super) fn renew(&self, bits: u32, key: Option<T::Key>) -> Result {
        // Acquire pairs with the Release at the end of another call: its writes to the array are
        // visible.
        if self.resizing.cmpxchg(0, 1, Acquire).is_err() {
            return Ok(());
        }
        // `resizing` is held, so the current array does not change until it is released.
        let (numbers, own) = rcu::read(|rcu| {
            let current = self.current(rcu);
            let key_number = current.key_number.wrapping_add(key.is_some().into());
            (
                (current.generation.wrapping_add(1), key_number),
                current.key,
            )
        });
        // All memory is allocated before anything changes, so the moves cannot fail.
        let marks = Marks::new();
        let result = marks.and_then(|marks| {
            self.replace(Buckets::new(bits, numbers, key.unwrap_or(own))?, marks);
            Ok(())
        });
        self.resizing.store(0, Release);
        result
    }

    /// Moves all objects to `new` and makes it the current array. The caller must hold `resizing`.
    fn replace(&self, new: KBox<Buckets<T::Key>>, mut marks: Marks) {
        let new = KBox::into_raw(new);
        let old = self.buckets.load() as *mut Buckets<T::Key>;
        // SAFETY: Only the holder of `resizing` replaces and frees arrays, so `old` stays valid.
        // `new` was allocated just above and is freed only after it has become the current array.
        let (old_array, new_array) = unsafe { (&*old, &*new) };
        // Release: readers that see `future` see the initialised array behind it.
        old_array.future.publish(new as usize);
        // From here on writers link new objects in `new`, because `push` goes to the newest array.
        let mut run = Run::new();
        // One shard at a time, so that the lock of a shard is not taken again and again by turns,
        // which would move its cache lines between CPUs.
        for shard in 0..self.shards.len() {
            if old_array.key_number == new_array.key_number {
                self.move_shard(shard, (old_array, new_array), &mut marks, &mut run);
            } else {
                self.rekey_shard(shard, (old_array, new_array), (&mut marks, &mut run));
            }
        }
        // All chains of `old` are empty. Readers that still have it go on to `new` by its `future`.
        self.buckets.publish(new as usize);
        // SAFETY: New readers do not find `old` any more, and only this call queues it: `resizing`
        // is held, and `old` is current once. `free_buckets` matches its type.
        unsafe { bindings::call_rcu(old_array.head.get(), Some(free_buckets::<T::Key>)) };
    }

    /// Moves all chains of a shard from one array to another with the same key.
    fn move_shard(
        &self,
        shard: usize,
        (old, new): (&Buckets<T::Key>, &Buckets<T::Key>),
        marks: &mut Marks,
        run: &mut Run,
    ) {
        // The buckets of a shard are those whose low bits are its number.
        let mut bucket = shard;
        while bucket <= old.mask {
            let is_long;
            // Either the next bucket of this shard, or the one whose chain was too long to be moved
            // under one lock.
            (bucket, is_long) = self.move_chains(shard, bucket, (old, new), run);
            if is_long {
                let chain = old.bucket(bucket as u32);
                while rcu::read(|rcu| self.move_long(rcu, shard, (chain, new), marks, run)) {
                    // SAFETY: Process context by the contract of `resize`. The section of
                    // `rcu::read` has ended, and `move_long` has released its lock.
                    unsafe { bindings::rust_ipvs_helper_cond_resched() };
                }
            }
            // SAFETY: Process context by the contract of `resize`. `move_chains` has released its
            // lock and ended its read-side critical section.
            unsafe { bindings::rust_ipvs_helper_cond_resched() };
        }
    }

    /// Moves chains of a shard, beginning with `bucket`, until [`BUDGET`] is used up or a long
    /// chain is met. Takes the shard's lock once.
    ///
    /// Returns the next bucket to process, and `true` if its chain is too long for this function.
    fn move_chains(
        &self,
        shard: usize,
        bucket: usize,
        (old, new): (&Buckets<T::Key>, &Buckets<T::Key>),
        run: &mut Run,
    ) -> (usize, bool) {
        rcu::read(|rcu| {
            let guard = self.lock(shard as u32);
            let mut bucket = bucket;
            // Limits the time that the lock is held, and with it the delay of packets of this
            // shard.
            let mut budget = BUDGET;
            while bucket <= old.mask && budget > 0 {
                let chain = old.bucket(bucket as u32);
                let first = chain.load();
                budget = budget.saturating_sub(1);
                if first != 0 && !move_few::<T>(rcu, &guard, (chain, first), new) {
                    if !run.note::<T>(rcu, chain) {
                        return (bucket, true);
                    }
                    run.move_to::<T>(rcu, &guard, chain, new);
                    budget = budget.saturating_sub(run.len);
                }
                bucket = bucket.wrapping_add(self.shards.len());
            }
            (bucket, false)
        })
    }

    /// Moves up to [`RUNS_AT_ONCE`] runs of a long chain. Returns `false` once the chain is empty.
    ///
    /// Takes and releases the shard's lock for each run. Walks happen between these, under RCU
    /// only.
    ///
    /// Several CPUs may insert, remove and rearm objects of this chain meanwhile. Each comparison
    /// that fails costs one walk of a run, not one of the chain.
    fn move_long(
        &self,
        rcu: Rcu<'_>,
        shard: usize,
        (chain, new): (&Word<usize>, &Buckets<T::Key>),
        marks: &mut Marks,
        run: &mut Run,
    ) -> bool {
        // Marks are valid in this read-side critical section only, as their objects may be freed
        // after it.
        marks.take::<T>(rcu, chain);
        let mut failed = 0u32;
        for _ in 0..RUNS_AT_ONCE {
            // Without the lock: find the last run, from the last mark on, and record it.
            let mark = marks.last();
            let before = before_last::<T>(rcu, chain, mark);
            let word = word_of::<T>(rcu, chain, before);
            let is_whole = run.note::<T>(rcu, word);
            // With the lock: check what was recorded, then move it.
            let guard = self.lock(shard as u32);
            // 0 stands for the bucket, which does not go away.
            let is_there = |link| link == 0 || is_linked::<T>(rcu, link);
            if !is_there(mark) {
                // The mark's object was removed. The mark before it may do; nothing else is known
                // to be wrong.
                marks.pop();
            } else if is_whole && is_there(before) && run.holds::<T>(rcu, &guard, word) {
                run.move_to::<T>(rcu, &guard, word, new);
                // Progress was made, so the next failures are not counted together with the earlier
                // ones.
                failed = 0;
                if before == mark {
                    // The run began right after the mark, so the chain ends there now. Nothing is
                    // linked behind it later: new objects go to the new array.
                    if mark == 0 {
                        return false;
                    }
                    marks.pop();
                }
            } else if failed < PATIENCE {
                // Objects came or went during the walk. Look again.
                failed = failed.wrapping_add(1);
            } else {
                // The lock makes this walk exact, so it needs no comparison. It may be long, but it
                // is done once for many failures.
                let word = word_of::<T>(rcu, chain, before_last::<T>(rcu, chain, 0));
                if run.note::<T>(rcu, word) {
                    run.move_to::<T>(rcu, &guard, word, new);
                }
                // The run may have included marks, so they are taken anew in the next call.
                return true;
            }
        }
        true
    }
}

/// Returns `true` if a link is still in the chain in which it was found. The lock of that chain
/// must be held. The module's documentation has the argument.
pub(super) fn is_linked<T: TableEntry>(_rcu: Rcu<'_>, link: usize) -> bool {
    // SAFETY: By the type invariant of `Table`, links lead to objects that live at least for the
    // rest of the read-side critical section that `_rcu` proves.
    let entry = unsafe { &*((link & !DIRECTION) as *const T) };
    entry.wheel().is_linked()
}
