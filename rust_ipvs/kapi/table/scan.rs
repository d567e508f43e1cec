// SPDX-License-Identifier: GPL-2.0

//! Walks over all objects of a table in steps, across any number of resizes.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h), whose
//! `rhashtable_walk_next()` reports a resize and leaves it to the caller to begin anew.
//!
//! Housekeeping in process context uses them: it cannot hold a lock or an RCU section for the whole
//! walk, and must not miss an object.
//!
//! A walk visits the buckets of the array that is current when it begins, in order. Objects move in
//! one way only: from an array to its replacement. So an object that the walk has not visited is in
//! the rest of the walk's array or in a replacement of it:
//! - If the array has a replacement when the walk reaches its end, the walk continues with that.
//! - If the array has been replaced between two steps, all of its objects are in the current array,
//!   and the walk starts anew there.
//!
//! Thus an object that is in the table from the first step to the last is visited at least once. An
//! object that moves while its bucket is walked is no exception: buckets are emptied from their
//! tails. A resize makes a walk longer, and may make it visit an object twice.

use super::{
    entry::{
        step,
        TableEntry,
        DIRECTION, //
    },
    Table,
};
use crate::kapi::{
    rcu::{
        self,
        Rcu, //
    },
    work::Process,
};

/// Number of objects plus buckets that are visited in one read-side critical section. The last
/// bucket may exceed it.
///
/// Empty buckets count as well, so that a step over a large and sparse table ends soon.
const IN_A_SECTION: u32 = 64;

/// Position of a walk between two steps. Holds no reference, so a walk may be abandoned at any
/// time.
///
/// It belongs to one table; nothing checks that, but a cursor of another table only makes the walk
/// start anew or skip buckets.
pub(crate) struct Cursor {
    /// Number of the array that `bucket` belongs to.
    generation: u32,
    /// Next bucket to visit.
    bucket: usize,
}

impl Cursor {
    /// Position before the first object. Arrays are numbered from 1, so generation 0 matches none
    /// (until the number wraps after 2^32 resizes).
    ///
    /// A walk may be restarted at any time by assigning it.
    pub(crate) const START: Self = Self {
        generation: 0,
        bucket: 0,
    };
}

/// Result of a read-side critical section.
///
/// The position itself is in the [`Cursor`].
enum Step {
    /// The last bucket of the last array was visited.
    End,
    /// The walk is not finished. Number of objects plus buckets that were visited.
    On(u32),
}

impl<T: TableEntry> Table<T> {
    /// Calls `visit` for each object from `cursor` on, in a read-side critical section, and moves
    /// `cursor`.
    ///
    /// `visit` may remove objects of the table; it must not sleep. An object that is in the table
    /// from the first call of a walk to the last is visited at least once.
    ///
    /// Visits about `budget` objects and buckets and subtracts their number from it. Returns `true`
    /// at the end of the table. Returns `false` if the budget was used up; another call continues
    /// from `cursor`.
    ///
    /// # Context
    ///
    /// Process context, without locks: calls `cond_resched()` between two steps.
    pub(crate) fn scan(
        &self,
        process: &Process,
        cursor: &mut Cursor,
        budget: &mut u32,
        mut visit: impl FnMut(Rcu<'_>, &T),
    ) -> bool {
        // Each step is a read-side critical section of its own, so that neither grace periods nor
        // other tasks wait for the whole walk.
        while *budget != 0 {
            match rcu::read(|rcu| self.scan_some(rcu, cursor, &mut visit)) {
                Step::End => return true,
                Step::On(count) => *budget = budget.saturating_sub(count),
            }
            process.give_way();
        }
        false
    }

    /// Visits objects from `cursor` on, until [`IN_A_SECTION`] is reached or the walk is at its
    /// end.
    fn scan_some(
        &self,
        rcu: Rcu<'_>,
        cursor: &mut Cursor,
        visit: &mut impl FnMut(Rcu<'_>, &T),
    ) -> Step {
        let mut array = self.current(rcu);
        let mut count = 0u32;
        if array.generation != cursor.generation {
            // The position may be in the replacement already, if the walk reached the end of the
            // current array during a resize that is still running.
            match array.future(rcu) {
                Some(future) if future.generation == cursor.generation => array = future,
                _ => {
                    *cursor = Cursor {
                        generation: array.generation,
                        bucket: 0,
                    }
                }
            }
        }
        while count < IN_A_SECTION {
            // The end of this array. Objects may have moved to a replacement while it was walked.
            if cursor.bucket > array.mask {
                let Some(future) = array.future(rcu) else {
                    return Step::End;
                };
                array = future;
                *cursor = Cursor {
                    generation: array.generation,
                    bucket: 0,
                };
            }
            // A bucket's number equals the low bits of the hashes in it, so it selects itself.
            let mut link = array.bucket(cursor.bucket as u32).load();
            while link != 0 {
                // SAFETY: By the type invariant of the table, links lead to objects that live at
                // least for the rest of this read-side critical section.
                let entry = unsafe { &*((link & !DIRECTION) as *const T) };
                // An object in two chains is visited in its first direction only.
                if link & DIRECTION == 0 {
                    visit(rcu, entry);
                }
                link = step(entry, link & DIRECTION).0;
                count = count.saturating_add(1);
            }
            cursor.bucket = cursor.bucket.wrapping_add(1);
            count = count.saturating_add(1);
        }
        Step::On(count)
    }
}
