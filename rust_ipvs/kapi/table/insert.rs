// SPDX-License-Identifier: GPL-2.0

//! Insertion of objects.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h), whose
//! `rhashtable_lookup_get_insert_fast()` returns the duplicate, too.
//!
//! # No duplicates
//!
//! The first chain of an object is searched for a duplicate, and the object is linked in it, under
//! one lock. That suffices as long as all arrays have one key: two threads that insert the same
//! object take the same lock, and the second one sees what the first one did, in either array.
//!
//! While the key changes, an object may be in the array with the old key or in the one with the new
//! key. A thread that sees both keys locks both shards and searches both chains
//! (`insert_between`). A thread that sees only the old key with its lock held has the lock of the
//! old chain alone, which the other thread takes too. So one of the two is first:
//!
//! - If it is the thread that saw both keys, the other one gets the lock later and sees both keys
//!   too, because the array with the new key was published before the first one locked.
//! - If it is the thread that saw the old key alone, the other one finds its object: in the old
//!   chain, or, if it was moved meanwhile, in the new one, whose lock the mover held.
//!
//! The arrays that follow the current one have its key or the next one, because a key changes only
//! when the change before is complete. A thread that has read the address of the current array
//! before may see more than two keys, and reads it again.
//!
//! # Into the newest array
//!
//! An object is linked in the newest array that is seen with the lock held, by a hash with that
//! array's key. If the hash was computed with another key, it is computed again. A resize publishes
//! the next array first and then locks each shard. So an object that is linked in an array which is
//! no longer the newest one is in a shard that the resize has not locked yet, and is moved with the
//! others.

use super::{
    buckets::Buckets,
    entry::{
        step,
        words,
        TableEntry,
        DIRECTION,
        SECOND, //
    },
    shards::{
        Locked,
        ShardGuard, //
    },
    sizes,
    slot_list,
    Hashed,
    Table, //
};
use crate::kapi::{
    rcu::Rcu,
    slab::SlabBox, //
};
use core::ptr;
use kernel::sync::atomic::Relaxed;

/// Length up to which a chain is accepted at any load of the table.
///
/// A longer chain causes a new key if it exceeds this length by more than [`TIMES`] times the mean
/// length `m` of all chains. By Chernoff's bound the probability of such a chain with independent
/// hashes is at most `(e m / (64 + 8 m))^(64 + 8 m)`, less than `(e / 8)^64`, about 10^-30. A
/// universal hash, as that of connections, need not behave so for each set of flows. An
/// unnecessary new key costs one move of all objects.
const FEW: usize = sizes::either(64, 8);
/// Multiple of the mean length of chains by which a chain may exceed [`FEW`].
const TIMES: usize = 8;

/// Directions in which an object can be looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directions {
    /// The first one.
    One,
    /// Both.
    Both,
}

impl<T: TableEntry> Table<T> {
    /// Inserts `entry` under its first hash, and under its second one if `directions` is
    /// [`Directions::Both`] (see [`TableEntry::hash`]). `known` is its first hash if a look-up has
    /// computed it, else [`Hashed::UNKNOWN`].
    ///
    /// Fails with the duplicate, and drops `entry`, if the table has an object in the first
    /// direction for which `same` returns `true`, given `entry` and that object. A reader may find
    /// `entry` in its second direction before this function returns, even if it fails.
    ///
    /// Any context but hard interrupts. Takes up to two shards' locks, one after the other, and
    /// calls `same` and [`TableEntry::slot`] with the last one held. While the table's key changes
    /// it takes more, and holds up to three at a time.
    #[inline(always)]
    pub(crate) fn insert<'g>(
        &'g self,
        rcu: Rcu<'g>,
        entry: SlabBox<T>,
        known: Hashed,
        directions: Directions,
        same: impl Fn(&T, &T) -> bool,
    ) -> Result<&'g T, &'g T> {
        let raw = entry.into_raw();
        // SAFETY: `raw` is a valid object that this call owns until it is linked. From then on it
        // is freed through RCU only, so it lives for `'g`.
        let entry: &'g T = unsafe { &*raw.as_ptr().cast_const() };
        let array = self.current(rcu);
        let first = match known.key_number == array.key_number {
            true => known.hash,
            false => Self::first_hash(entry, array),
        };
        // Before the object is published: whoever finds it derives the lock from its home.
        entry.wheel().set_home(first);
        words(entry, 0).1.store(first);
        let is_both = directions == Directions::Both;
        if is_both {
            self.push_second(rcu, entry, array);
        }
        let guard = self.lock(first);
        // Mostly `array` is still the only one.
        let duplicate = match self.is_alone(rcu, array) {
            true => {
                let (duplicate, len) = self.duplicate(rcu, (array, first), entry, same);
                if len > FEW {
                    self.note_crowd(rcu, len);
                }
                if duplicate.is_none() {
                    self.link_first(&guard, entry, is_both, (array, first));
                }
                drop(guard);
                duplicate
            }
            false => self.insert_aside(rcu, entry, is_both, (guard, array.key_number), same),
        };
        let Some(duplicate) = duplicate else {
            return Ok(entry);
        };
        if is_both {
            self.unchain(rcu, entry, 1);
        }
        entry.removed();
        // SAFETY: `entry` is in no chain any more. It was never `LINKED`, so `remove` and `expire`
        // on other CPUs refuse it and do not free it.
        unsafe { self.free_later(entry) };
        Err(duplicate)
    }

    /// Computes the first hash of an object. Out of line, because callers mostly know it.
    #[cold]
    #[inline(never)]
    fn first_hash(entry: &T, array: &Buckets<T::Key>) -> u32 {
        entry.hash(0, &array.key)
    }

    /// Returns `true` if `array`, which was the current array, still is and is the newest one.
    #[inline(always)]
    fn is_alone<'g>(&'g self, rcu: Rcu<'g>, array: &'g Buckets<T::Key>) -> bool {
        ptr::eq(array, self.current(rcu)) && array.future(rcu).is_none()
    }

    /// Returns the current array and the newest one.
    #[cold]
    #[inline(never)]
    fn arrays<'g>(&'g self, rcu: Rcu<'g>) -> (&'g Buckets<T::Key>, &'g Buckets<T::Key>) {
        let current = self.current(rcu);
        let mut newest = current;
        while let Some(future) = newest.future(rcu) {
            newest = future;
        }
        (current, newest)
    }

    /// Links `entry`, which must not be published yet, in its second chain. Takes the chain's lock.
    ///
    /// `array` is the array whose key is tried first. The newest array may have another one.
    #[inline(always)]
    fn push_second<'g>(&'g self, rcu: Rcu<'g>, entry: &T, array: &'g Buckets<T::Key>) {
        let mut array = array;
        loop {
            let hash = entry.hash(1, &array.key);
            let guard = self.lock(hash);
            let newest = match self.is_alone(rcu, array) {
                true => array,
                false => self.arrays(rcu).1,
            };
            if ptr::eq(newest, array) || newest.key_number == array.key_number {
                words(entry, 1).1.store(hash);
                push(&guard, entry, 1, (newest, hash));
                return;
            }
            array = newest;
        }
    }

    /// Searches the chain of a hash in an array for a duplicate of `entry`. Returns it, and the
    /// number of links that were passed.
    ///
    /// The lock of the shard of the hash must be held.
    #[inline(always)]
    fn duplicate<'g>(
        &'g self,
        _rcu: Rcu<'g>,
        (array, hash): (&'g Buckets<T::Key>, u32),
        entry: &T,
        same: impl Fn(&T, &T) -> bool,
    ) -> (Option<&'g T>, usize) {
        let mut len = 0usize;
        let mut link = array.bucket(hash).load();
        while link != 0 {
            // SAFETY: By the type invariant links lead to live objects, and the lock of this chain
            // is held, so none is unlinked meanwhile.
            let other = unsafe { &*((link & !DIRECTION) as *const T) };
            let direction = link & DIRECTION;
            let (next, own) = step(other, direction);
            if own == hash && direction == 0 && same(entry, other) {
                return (Some(other), len);
            }
            len = len.wrapping_add(1);
            link = next;
        }
        (None, len)
    }

    /// Completes an insertion if there may be more than one array. Returns the duplicate if there
    /// is one.
    ///
    /// `guard` is the lock of the entry's first hash, which was computed with the key of this
    /// number. Out of line, because a table has one array unless it is being resized.
    #[cold]
    #[inline(never)]
    fn insert_aside<'g>(
        &'g self,
        rcu: Rcu<'g>,
        entry: &T,
        is_both: bool,
        (guard, key_number): (ShardGuard<'_>, u32),
        same: impl Fn(&T, &T) -> bool,
    ) -> Option<&'g T> {
        let hash = entry.links().hash_of(0);
        let (current, newest) = self.arrays(rcu);
        if current.key_number != key_number || newest.key_number != key_number {
            drop(guard);
            return self.insert_between(rcu, entry, is_both, same);
        }
        let mut len = 0usize;
        let mut next = Some(current);
        while let Some(array) = next {
            let (duplicate, more) = self.duplicate(rcu, (array, hash), entry, &same);
            if duplicate.is_some() {
                return duplicate;
            }
            len = len.wrapping_add(more);
            next = array.future(rcu);
        }
        if len > FEW {
            self.note_crowd(rcu, len);
        }
        self.link_first(&guard, entry, is_both, (newest, hash));
        None
    }

    /// Completes an insertion if the key is changing, or has changed since the hash was computed.
    /// Returns the duplicate if there is one.
    ///
    /// Takes up to three shards' locks at a time.
    #[cold]
    #[inline(never)]
    fn insert_between<'g>(
        &'g self,
        rcu: Rcu<'g>,
        entry: &T,
        is_both: bool,
        same: impl Fn(&T, &T) -> bool,
    ) -> Option<&'g T> {
        loop {
            let (current, newest) = self.arrays(rcu);
            let hash = entry.hash(0, &newest.key);
            let old_hash = entry.hash(0, &current.key);
            let guards = self.lock_all([entry.wheel().home(), old_hash, hash]);
            let (current_now, newest_now) = self.arrays(rcu);
            let is_as_before = current_now.key_number == current.key_number
                && newest_now.key_number == newest.key_number;
            // With more than two keys there are chains whose lock is not held.
            let keys = newest.key_number.wrapping_sub(current.key_number);
            if !is_as_before || keys > 1 {
                continue;
            }
            let by_key = |key: &T::Key| entry.hash(0, key);
            let is_duplicate = |other: &T, direction| direction == 0 && same(entry, other);
            let duplicate = self.find(rcu, by_key, is_duplicate);
            if let Some((duplicate, _)) = duplicate {
                return Some(duplicate);
            }
            // Not linked in its first direction yet, so this word may be written.
            words(entry, 0).1.store(hash);
            self.link_first(&guards.home(), entry, is_both, (newest_now, hash));
            return None;
        }
    }

    /// Links `entry` in the wheel, marks it as `LINKED` and links it in its first chain. `home`
    /// must be its home; the lock of the chain must be held too.
    #[inline(always)]
    fn link_first(
        &self,
        home: &Locked<'_>,
        entry: &T,
        is_both: bool,
        chain: (&Buckets<T::Key>, u32),
    ) {
        let state = self.linked | if is_both { SECOND } else { 0 };
        home.count(&self.about.len, 1);
        // SAFETY: `home` is locked and the head is one of its lists. The object was in no table,
        // hence in no list.
        unsafe { slot_list::link(home.slot_of(entry), entry) };
        entry.wheel().state.store(state);
        entry.wheel().n_control.store(0, Relaxed);
        push(home, entry, 0, chain);
    }

    /// Requests a new key if a chain of `len` links is too long to be explained by chance.
    #[cold]
    #[inline(never)]
    fn note_crowd(&self, rcu: Rcu<'_>, len: usize) {
        let (current, newest) = self.arrays(rcu);
        let (about, slack) = self.about();
        let objects = usize::try_from(about.saturating_add(slack)).unwrap_or(0);
        // An object may be in two chains. During a resize the smaller array has longer chains.
        let links = objects.saturating_mul(2);
        let buckets = current.heads.len().min(newest.heads.len());
        let beyond = len.saturating_sub(FEW);
        if beyond.saturating_mul(buckets) > links.saturating_mul(TIMES) {
            self.ask_for_key();
        }
    }
}

/// Links `entry` at the head of the chain of a hash, which must have been stored in the object. The
/// chain's lock must be held.
#[inline(always)]
fn push<T: TableEntry>(
    _locked: &Locked<'_>,
    entry: &T,
    direction: usize,
    (array, hash): (&Buckets<T::Key>, u32),
) {
    let bucket = array.bucket(hash);
    words(entry, direction).0.store(bucket.load());
    bucket.publish(ptr::from_ref(entry) as usize | direction);
}
