// SPDX-License-Identifier: GPL-2.0

//! Change of the hash key while readers use the table.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h). Its tables
//! have a key (`hash_rnd`) for each array, too, but store no hashes in the objects.
//!
//! A client that knows the key of a table can choose flows that all end up in one chain. An
//! insertion notices the length of the chain and requests a new key ([`Table::wants_key`]).
//! [`Table::rekey`] allocates an array with a new key and moves all objects to it, in the order of
//! `table/resize.rs`. This module moves the objects of one shard.
//!
//! # Stored hashes
//!
//! An object's hash in a direction changes when it is moved in that direction, with the locks of
//! both shards held, that of the old hash and that of the new one. So while the lock of the stored
//! hash is held,
//!
//! - the object is in a chain of that hash in that direction, or in none, and
//! - the stored hash does not change.
//!
//! An object that is being inserted is in its second chain only, or in none. Nobody moves it in its
//! first direction then; `Table::insert` stores that hash with the lock held.
//!
//! # No reader misses an object
//!
//! As in a resize, an object is linked in the new chain before it is unlinked from the old one, and
//! tails are moved first. So the argument of [`Buckets::future`] holds for a reader that follows
//! links alone: through the old chain to its end, then through the new one, each found by the hash
//! with the array's own key. The argument does not depend on the place of the new chain, and covers
//! a reader that is at an object when it is moved.
//!
//! But readers skip objects whose *stored* hash differs from the wanted one. That word cannot
//! change at the same time as the chain: for a while the object is in both chains and its hash
//! matches only one. So a reader that has reached the end of a chain and sees that the array is
//! being replaced by one with another key searches again, from the same array on, and ignores the
//! stored hashes (`Table::look_further`).
//!
//! A reader whose array has no successor has skipped no object that has moved: the successor is
//! published before any hash changes, each with release semantics, so the reader would have seen it
//! after the barrier at the end of the chain. In an array that has become current all hashes are
//! those of its own key, because they were stored before.
//!
//! # Work under a lock
//!
//! A chain is walked without its lock, like a long one in a resize. Then its objects are moved one
//! by one, the last one first, with two locks held for each. After the new array was published and
//! the shard was locked once, nothing is linked in the chain any more, so it changes only when
//! objects leave. Three things are checked with the locks held: the mark from which the walk began
//! and the object before the last one are `LINKED`, hence in the chain; the latter leads to the
//! last one; and nothing follows that. `table/resize.rs` argues why that suffices.
//!
//! If a check fails, an object has left meanwhile. If it fails [`PATIENCE`] times (a removal may
//! take long), the chain is walked with the locks held.

use super::{
    buckets::{
        Buckets,
        MAX_BITS,
        MIN_BITS, //
    },
    entry::{
        words,
        TableEntry,
        DIRECTION, //
    },
    resize::{
        after,
        before_last,
        is_linked,
        links,
        word_of,
        Marks,
        Run,
        PATIENCE,
        RUNS_AT_ONCE, //
    },
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
use kernel::prelude::*;

/// State of requests: no new key is requested.
const QUIET: u32 = 0;
/// State of requests: the length of a chain suggests that the key is known.
const ASKED: u32 = 1;
/// State of requests: new ones are ignored.
const MUTED: u32 = 2;

/// Chain of the old array that is being emptied, with the number of its shard.
struct OldChain<'a, K> {
    shard: u32,
    head: &'a Word<usize>,
    new: &'a Buckets<K>,
}

impl<T: TableEntry> Table<T> {
    /// Returns `true` if a new key is requested. Any context; reads one word.
    #[inline(always)]
    pub(crate) fn wants_key(&self) -> bool {
        self.about.asks.load() == ASKED
    }

    /// Requests a new key, unless requests are muted.
    pub(super) fn ask_for_key(&self) {
        // A concurrent store of `mute` may be overwritten. That causes one more request.
        if self.about.asks.load() == QUIET {
            self.about.asks.store(ASKED);
        }
    }

    /// Withdraws a request for a new key and ignores further ones until [`Table::unmute`].
    pub(crate) fn mute(&self) {
        self.about.asks.store(MUTED);
    }

    /// Allows requests for a new key again.
    pub(crate) fn unmute(&self) {
        self.about.asks.store(QUIET);
    }

    /// Gives the table a new key and `1 << bits` buckets, clamped to the supported range.
    ///
    /// Does nothing if another call, or one of [`Table::resize`], is running. Process context;
    /// sleeps, and may take long with many objects, but holds locks only briefly.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the table stays as it is.
    pub(crate) fn rekey(&self, bits: u32, key: T::Key) -> Result {
        self.renew(bits.clamp(MIN_BITS, MAX_BITS), Some(key))
    }

    /// Moves all chains of a shard to an array with another key. The caller must hold `resizing`.
    pub(super) fn rekey_shard(
        &self,
        shard: usize,
        (old, new): (&Buckets<T::Key>, &Buckets<T::Key>),
        (marks, run): (&mut Marks, &mut Run),
    ) {
        // From here on nothing is linked in the shard's chains of the old array: whoever takes the
        // lock later sees the new array.
        drop(self.lock(shard as u32));
        for bucket in (shard..=old.mask).step_by(self.shards.len()) {
            let chain = OldChain {
                shard: shard as u32,
                head: old.bucket(bucket as u32),
                new,
            };
            while rcu::read(|rcu| self.rekey_some(rcu, &chain, marks, run)) {
                // SAFETY: Process context by the contract of `rekey`. The section of `rcu::read`
                // has ended, and `rekey_some` has released its locks.
                unsafe { bindings::rust_ipvs_helper_cond_resched() };
            }
            // SAFETY: Process context by the contract of `rekey`. `rekey_some` has released its
            // locks and the read-side critical section has ended.
            unsafe { bindings::rust_ipvs_helper_cond_resched() };
        }
    }

    /// Moves up to [`RUNS_AT_ONCE`] runs of a chain. Returns `false` once the chain is empty.
    ///
    /// Takes and releases locks for each object. Walks happen between these, under RCU only.
    fn rekey_some(
        &self,
        rcu: Rcu<'_>,
        chain: &OldChain<'_, T::Key>,
        marks: &mut Marks,
        run: &mut Run,
    ) -> bool {
        if chain.head.load() == 0 {
            return false;
        }
        marks.take::<T>(rcu, chain.head);
        let mut failed = 0u32;
        for _ in 0..RUNS_AT_ONCE {
            let mark = marks.last();
            let before = before_last::<T>(rcu, chain.head, mark);
            run.note::<T>(rcu, word_of::<T>(rcu, chain.head, before));
            if run.each_from_last(before, |last, before| {
                self.rekey_one(rcu, chain, last, |_| {
                    let is_there = |link| link == 0 || is_linked::<T>(rcu, link);
                    (is_there(mark) && is_there(before)).then_some(before)
                })
            }) {
                failed = 0;
                if before == mark {
                    // The run began right after the mark, so the chain ends there now. Nothing is
                    // linked behind it later: new objects go to the new array.
                    if mark == 0 {
                        return false;
                    }
                    marks.pop();
                }
            } else if mark != 0 && !is_linked::<T>(rcu, mark) {
                // The mark's object is being removed, or its insertion is not complete. The mark
                // before it may do.
                marks.pop();
            } else if failed < PATIENCE {
                failed = failed.wrapping_add(1);
            } else {
                break;
            }
        }
        if failed < PATIENCE {
            return true;
        }
        // An object in the chain is not `LINKED`, or objects keep leaving. Walk with the locks
        // held, for one object.
        if let Some(last) = links::<T>(rcu, chain.head).last() {
            self.rekey_one(rcu, chain, last, |head| {
                let mut before = 0;
                for link in links::<T>(rcu, head).take_while(|link| *link != last) {
                    before = link;
                }
                Some(before)
            });
        }
        true
    }

    /// Moves an object if it is still the last one of the chain. Returns `false` if it is not.
    ///
    /// `before` gets the head of the chain, is called with the locks held, and returns the link
    /// before the object, 0 for none; or `None` if that is unknown. Takes up to two shards' locks.
    fn rekey_one(
        &self,
        rcu: Rcu<'_>,
        chain: &OldChain<'_, T::Key>,
        last: usize,
        before: impl FnOnce(&Word<usize>) -> Option<usize>,
    ) -> bool {
        // SAFETY: By the type invariant of `Table`, links lead to objects that live at least for
        // the rest of the read-side critical section that `rcu` proves.
        let entry = unsafe { &*((last & !DIRECTION) as *const T) };
        let direction = last & DIRECTION;
        let hash = entry.hash(direction, &chain.new.key);
        let _guards = self.lock_all([chain.shard, chain.shard, hash]);
        let Some(before) = before(chain.head) else {
            return false;
        };
        let word = word_of::<T>(rcu, chain.head, before);
        if word.load() != last || after::<T>(rcu, last).load() != 0 {
            return false;
        }
        let target = chain.new.bucket(hash);
        let (next, own) = words(entry, direction);
        // The order matters; `Buckets::future` has the argument. The hash is stored first: a reader
        // that finds the object in the new array, which is published, must see the new hash.
        own.publish(hash);
        next.publish(target.load());
        target.publish(last);
        word.publish(0);
        true
    }
}
