// SPDX-License-Identifier: GPL-2.0

//! Walks over all objects of a table in steps, however often it is resized in between.
//!
//! A walk goes bucket by bucket through the array that is current when it begins. An object moves
//! from an array to the one that replaces it, and in no other way. So one that the walk has not
//! come to is in the rest of the array where the walk is, or in one that replaces that:
//!
//! - If at the end of an array another one is there that replaces it, the walk goes on with that.
//! - If the array where it was has been replaced in between, all of its objects are in the one that
//!   is current now, and the walk begins anew there.
//!
//! Thus an object that is in the table from the first step to the last is visited at least once.
//! That holds for one that moves while its bucket is walked, too: buckets are emptied from their
//! tails. Resizes make a walk longer, and there are few: sizes are powers of two.

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

/// Objects and buckets that are looked at in one read-side critical section, but for what the
/// last bucket has more.
const IN_A_SECTION: u32 = 64;

/// Position of a walk.
pub(crate) struct Cursor {
    /// The array that `bucket` is of.
    generation: u32,
    bucket: usize,
}

impl Cursor {
    /// The beginning. No array has this generation, before four thousand million others.
    pub(crate) const START: Self = Self {
        generation: 0,
        bucket: 0,
    };
}

/// Result of a section.
enum Step {
    /// The last bucket of the last array was visited.
    End,
    /// So many objects and buckets were looked at.
    On(u32),
}

impl<T: TableEntry> Table<T> {
    /// Calls `visit`, which may remove objects, for each object from `cursor` on.
    ///
    /// Looks at as many objects and buckets as `budget` has, give or take a few, and takes that
    /// many from it. If that did not suffice, returns `false`, and the walk goes on from `cursor`.
    /// What is there from the first call to the last is visited at least once.
    pub(crate) fn scan(
        &self,
        process: &Process,
        cursor: &mut Cursor,
        budget: &mut u32,
        mut visit: impl FnMut(Rcu<'_>, &T),
    ) -> bool {
        while *budget != 0 {
            match rcu::read(|rcu| self.scan_some(rcu, cursor, &mut visit)) {
                Step::End => return true,
                Step::On(count) => *budget = budget.saturating_sub(count),
            }
            process.give_way();
        }
        false
    }

    fn scan_some(
        &self,
        rcu: Rcu<'_>,
        cursor: &mut Cursor,
        visit: &mut impl FnMut(Rcu<'_>, &T),
    ) -> Step {
        let mut array = self.current(rcu);
        let mut count = 0u32;
        if array.generation != cursor.generation {
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
            // The bucket's number is the hash's low bits, so it does for a hash.
            let mut link = array.bucket(cursor.bucket as u32).load();
            while link != 0 {
                // SAFETY: By the type invariant of the table, links lead to objects that live at
                // least for the rest of this read-side critical section.
                let entry = unsafe { &*((link & !DIRECTION) as *const T) };
                // One that is in two chains is visited in the first.
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
