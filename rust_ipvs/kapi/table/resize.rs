// SPDX-License-Identifier: GPL-2.0

//! Another number of buckets, while readers read.
//!
//! The chains of the old array are moved one after the other, each from its tail, which is what
//! readers rely on (see the table's module). A chain is singly linked, so its tail is found
//! by walking; to walk it once for each object moved would be quadratic. So a walk notes the last
//! [`RUN`] links, and these are moved together.
//!
//! # Work under a lock
//!
//! Short chains, of up to [`RUN`] links, are walked and moved with the shard locked, as many of
//! them as make [`BUDGET`] links. A longer chain is walked without its lock, under RCU: first
//! from its head, noting a link every [`RUN`] or more links as a *mark*; then from the last mark
//! to the end, noting the last [`RUN`] links; and only then the shard is locked, to compare these
//! with what is there and to move them. Whatever its length, no lock is held for more than some
//! hundred links, and each object is walked over a few times (more only in chains beyond 64
//! thousand). Between two locks the chain is half moved, which is nothing new to anybody: writers
//! look in both arrays, with the same lock, and new objects do not come to the old one.
//!
//! # What was seen without the lock
//!
//! Under RCU the objects seen stay in memory, but may have left the chain when the lock is taken.
//! So with the lock held three things are asked: that the mark is in the chain, that the object
//! before the run is, and that from there the links noted follow each other up to the chain's
//! end. An object that is `LINKED` is in the chain in which it was found, in either direction, as
//! long as the lock of that chain is held:
//!
//! - in its first direction the lock is that of its state too;
//! - in its second, `LINKED` was set after it came into the chain, and is cleared by who will then
//!   take this lock to take it out.
//!
//! Only this module moves objects, so it is still the old array's chain. That the mark is in it
//! says that the walk from the mark saw none that had been moved: an object which the walk met
//! had been in the chain when the walk began, or later. An object that is not `LINKED` yet
//! (`Table::insert` is between its chains) is not used for an answer.
//!
//! Where objects come and go so fast that the answer is "no" several times, the chain is walked
//! with the lock held, once, for the next run.

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
    sizes,
    ShardGuard,
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

/// Links that are moved together.
const RUN: usize = sizes::either(64, 2);
/// Chains, and links of those with more than two, that are looked at under one lock, a run more or
/// less.
const BUDGET: usize = sizes::either(128, 3);
/// Marks that are noted of a chain.
const MARKS: usize = sizes::either(1024, 2);
/// Runs that are moved in one read-side critical section.
const RUNS_AT_ONCE: usize = sizes::either(64, 6);
/// Failed comparisons after which a chain is walked with its lock held.
const PATIENCE: u32 = sizes::either(3, 1) as u32;

/// The word that leads on from a link.
fn after<'g, T: TableEntry>(_rcu: Rcu<'g>, link: usize) -> &'g Word<usize> {
    // SAFETY: Links lead to objects that live at least for the rest of this critical section.
    let entry: &'g T = unsafe { &*((link & !DIRECTION) as *const T) };
    words(entry, link & DIRECTION).0
}

/// The links of a chain from a word on.
fn links<'g, T: TableEntry>(rcu: Rcu<'g>, word: &Word<usize>) -> impl Iterator<Item = usize> + 'g {
    let some = |link: usize| (link != 0).then_some(link);
    core::iter::successors(some(word.load()), move |link| {
        some(after::<T>(rcu, *link).load())
    })
}

/// Consecutive links of a chain, up to its end.
struct Run {
    links: [usize; RUN],
    len: usize,
}

impl Run {
    const fn new() -> Self {
        Self {
            links: [0; RUN],
            len: 0,
        }
    }

    /// Notes the links from `word` on; `false` if they are too many.
    ///
    /// The same `Run` is used for all chains: to clear one for each would be dearer than the rest.
    fn note<T: TableEntry>(&mut self, rcu: Rcu<'_>, word: &Word<usize>) -> bool {
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

    fn noted(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.links.iter().take(self.len).copied()
    }

    /// Returns whether these are the links from `word` on, all of them.
    fn holds<T: TableEntry>(
        &self,
        rcu: Rcu<'_>,
        _guard: &ShardGuard<'_>,
        word: &Word<usize>,
    ) -> bool {
        // One more than was noted shows a chain that goes on.
        links::<T>(rcu, word)
            .take(RUN.wrapping_add(1))
            .eq(self.noted())
    }

    /// Moves the objects to `new`, the last one first. They are those from `word` on, and the
    /// chain's shard, which is the same in both arrays, is locked.
    fn move_to<T: TableEntry>(
        &self,
        rcu: Rcu<'_>,
        guard: &ShardGuard<'_>,
        word: &Word<usize>,
        new: &Buckets,
    ) {
        let mut last = self.noted().rev().peekable();
        while let Some(link) = last.next() {
            let before = last.peek().map_or(word, |before| after::<T>(rcu, *before));
            move_last::<T>(rcu, guard, before, link, new);
        }
    }
}

/// Moves the last object of a chain, to which `before` leads, to the head of its chain in `new`.
///
/// The chain's shard, which is the same in both arrays, is locked.
#[inline(always)]
fn move_last<T: TableEntry>(
    _rcu: Rcu<'_>,
    _guard: &ShardGuard<'_>,
    before: &Word<usize>,
    link: usize,
    new: &Buckets,
) {
    // SAFETY: The lock is held and the link is in the chain.
    let entry = unsafe { &*((link & !DIRECTION) as *const T) };
    let (next, hash) = words(entry, link & DIRECTION);
    let target = new.bucket(hash.load());
    // In this order, which `Buckets::future` argues with.
    next.publish(target.load());
    target.publish(link);
    before.publish(0);
}

/// Moves the objects of a chain of one or two, as most are, to `new`, the last one first. Returns
/// `false`, with nothing done, if there are more: these are to be noted.
///
/// `first` is the link in `chain`, not 0; the chain's shard, the same in both arrays, is locked.
#[inline(always)]
fn move_few<T: TableEntry>(
    rcu: Rcu<'_>,
    guard: &ShardGuard<'_>,
    (chain, first): (&Word<usize>, usize),
    new: &Buckets,
) -> bool {
    let before = after::<T>(rcu, first);
    let second = before.load();
    if second != 0 {
        if after::<T>(rcu, second).load() != 0 {
            return false;
        }
        move_last::<T>(rcu, guard, before, second, new);
    }
    move_last::<T>(rcu, guard, chain, first, new);
    true
}

/// Links of a long chain, evenly spaced, from which to look for its end.
struct Marks {
    links: KVec<usize>,
    len: usize,
}

impl Marks {
    fn new() -> Result<Self> {
        Ok(Self {
            links: KVec::from_elem(0, MARKS, GFP_KERNEL)?,
            len: 0,
        })
    }

    /// Notes marks of the chain that begins at `word`.
    fn take<T: TableEntry>(&mut self, rcu: Rcu<'_>, word: &Word<usize>) {
        let mut distance = RUN;
        let mut walked = 0usize;
        self.len = 0;
        for link in links::<T>(rcu, word) {
            walked = walked.wrapping_add(1);
            if walked & distance.wrapping_sub(1) != 0 {
                continue;
            }
            if self.len == MARKS {
                // Twice as far apart: every second one stays.
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

    /// The last mark; 0 if there is none.
    fn last(&self) -> usize {
        let last = self.len.checked_sub(1);
        last.and_then(|last| self.links.get(last).copied())
            .unwrap_or(0)
    }

    fn pop(&mut self) {
        self.len = self.len.saturating_sub(1);
    }
}

/// Returns where the last run of a chain begins that is walked from the link `from`, or, if that is
/// 0, from `bucket`: the link before it, 0 for the bucket.
fn before_last<T: TableEntry>(rcu: Rcu<'_>, bucket: &Word<usize>, from: usize) -> usize {
    let start = word_of::<T>(rcu, bucket, from);
    let beyond = links::<T>(rcu, start).count().saturating_sub(RUN);
    match beyond.checked_sub(1) {
        Some(skipped) => links::<T>(rcu, start).nth(skipped).unwrap_or(from),
        None => from,
    }
}

/// The word after a link, or the bucket's if that is 0.
fn word_of<'g, T: TableEntry>(
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
    /// Changes the number of buckets to `1 << bits`. Sleeps; does nothing while another call does.
    pub(crate) fn resize(&self, bits: u32) -> Result {
        let bits = bits.clamp(MIN_BITS, MAX_BITS);
        if self.size() == 1usize << bits || self.resizing.cmpxchg(0, 1, Acquire).is_err() {
            return Ok(());
        }
        let generation = rcu::read(|rcu| self.current(rcu).generation).wrapping_add(1);
        let marks = Marks::new();
        let result = marks.and_then(|marks| {
            self.replace(Buckets::new(bits, generation)?, marks);
            Ok(())
        });
        self.resizing.store(0, Release);
        result
    }

    /// Moves everything to `new`. The caller holds `resizing`.
    fn replace(&self, new: KBox<Buckets>, mut marks: Marks) {
        let new = KBox::into_raw(new);
        let old = self.buckets.load() as *mut Buckets;
        // SAFETY: Only the holder of `resizing` replaces arrays, so `old` stays; `new` is ours and
        // is never freed before it is `current`.
        let (old_array, new_array) = unsafe { (&*old, &*new) };
        old_array.future.publish(new as usize);
        let mut run = Run::new();
        for shard in 0..self.shards.len() {
            let mut bucket = shard;
            while bucket <= old_array.mask {
                let is_long;
                (bucket, is_long) =
                    self.move_chains(shard, bucket, (old_array, new_array), &mut run);
                if is_long {
                    let chain = old_array.bucket(bucket as u32);
                    while rcu::read(|rcu| {
                        self.move_long(rcu, shard, (chain, new_array), &mut marks, &mut run)
                    }) {
                        // SAFETY: No lock is held and no read-side section is open here.
                        unsafe { bindings::rust_ipvs_helper_cond_resched() };
                    }
                }
                // SAFETY: No lock is held and no read-side section is open here.
                unsafe { bindings::rust_ipvs_helper_cond_resched() };
            }
        }
        self.buckets.publish(new as usize);
        // SAFETY: Nobody finds `old` from now on, and only this call queues it.
        unsafe { bindings::call_rcu(old_array.head.get(), Some(free_buckets)) };
    }

    /// Moves the chains of a shard from `bucket` on, as many as one lock is held for, but no long
    /// one.
    ///
    /// Returns the bucket where to go on, and whether its chain is a long one.
    fn move_chains(
        &self,
        shard: usize,
        bucket: usize,
        (old, new): (&Buckets, &Buckets),
        run: &mut Run,
    ) -> (usize, bool) {
        rcu::read(|rcu| {
            let guard = self.lock(shard as u32);
            let mut bucket = bucket;
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

    /// Moves some runs of a long chain; `false` once it is empty.
    fn move_long(
        &self,
        rcu: Rcu<'_>,
        shard: usize,
        (chain, new): (&Word<usize>, &Buckets),
        marks: &mut Marks,
        run: &mut Run,
    ) -> bool {
        marks.take::<T>(rcu, chain);
        let mut failed = 0u32;
        for _ in 0..RUNS_AT_ONCE {
            let mark = marks.last();
            let before = before_last::<T>(rcu, chain, mark);
            let word = word_of::<T>(rcu, chain, before);
            let is_whole = run.note::<T>(rcu, word);
            let guard = self.lock(shard as u32);
            let is_there = |link| link == 0 || is_linked::<T>(rcu, link);
            if !is_there(mark) {
                marks.pop();
            } else if is_whole && is_there(before) && run.holds::<T>(rcu, &guard, word) {
                run.move_to::<T>(rcu, &guard, word, new);
                failed = 0;
                if before == mark {
                    // Nothing is left behind it, and nothing can come.
                    if mark == 0 {
                        return false;
                    }
                    marks.pop();
                }
            } else if failed < PATIENCE {
                failed = failed.wrapping_add(1);
            } else {
                let word = word_of::<T>(rcu, chain, before_last::<T>(rcu, chain, 0));
                if run.note::<T>(rcu, word) {
                    run.move_to::<T>(rcu, &guard, word, new);
                }
                // Some of the marks may have been moved too.
                return true;
            }
        }
        true
    }
}

/// Returns whether a link is in the chain where it was found, whose lock is held. See the module's
/// documentation.
fn is_linked<T: TableEntry>(_rcu: Rcu<'_>, link: usize) -> bool {
    // SAFETY: Links lead to objects that live at least for the rest of this critical section.
    let entry = unsafe { &*((link & !DIRECTION) as *const T) };
    entry.wheel().is_linked()
}
