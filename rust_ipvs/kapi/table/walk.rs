// SPDX-License-Identifier: GPL-2.0

//! Visits to all objects of a table, or to the objects of some buckets.
//!
//! These are simpler than the walks of `scan.rs`, which continue across calls: they run to the end
//! in one call, or visit a part of the table at random. During a resize they may miss objects.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h)

use super::{
    entry::{
        step,
        TableEntry,
        DIRECTION, //
    },
    Table, //
};
use crate::{
    bindings,
    kapi::rcu::{
        self,
        Rcu, //
    },
};

impl<T: TableEntry> Table<T> {
    /// Calls `visit` for each object of a bucket. Returns `false` if `bucket` is beyond the last
    /// one.
    ///
    /// During a resize the numbers of the new array's buckets follow those of the old one's, and an
    /// object may be visited twice or not at all. Objects are visited in their first direction. Any
    /// context; takes no lock.
    pub(crate) fn visit<'g>(
        &'g self,
        rcu: Rcu<'g>,
        bucket: usize,
        mut visit: impl FnMut(&'g T),
    ) -> bool {
        let mut array = self.current(rcu);
        let mut index = bucket;
        // Numbers beyond an array continue in its replacement.
        while index > array.mask {
            index = index.wrapping_sub(array.heads.len());
            match array.future(rcu) {
                Some(future) => array = future,
                None => return false,
            }
        }
        // A bucket's number equals the low bits of the hashes in it, so it selects itself.
        let mut link = array.bucket(index as u32).load();
        while link != 0 {
            // SAFETY: By the type invariant of the table, links lead to objects that live at least
            // for the rest of the read-side critical section that `rcu` proves.
            let entry = unsafe { &*((link & !DIRECTION) as *const T) };
            if link & DIRECTION == 0 {
                visit(entry);
            }
            link = step(entry, link & DIRECTION).0;
        }
        true
    }

    /// Removes all objects without references, repeatedly while that removes any: removing an
    /// object drops its reference to another.
    ///
    /// Objects that are referenced from outside the table, or inserted meanwhile, may be left.
    /// Process context; calls `cond_resched()`.
    ///
    /// Used when a namespace is torn down and nothing is inserted any more.
    pub(crate) fn clear(&self) {
        // Each round removes the objects that nothing refers to any more. Ends when a round removes
        // none, or all are gone.
        let mut before = usize::MAX;
        while (1..before).contains(&self.exact_len()) {
            before = self.exact_len();
            self.retain(|_| false);
        }
    }

    /// Removes the objects for which `which` returns `false`, except those with references.
    ///
    /// Process context, without locks; calls `cond_resched()`. Objects may be inserted meanwhile.
    /// `which` is called in a read-side critical section and must not sleep.
    pub(crate) fn retain(&self, mut which: impl FnMut(&T) -> bool) {
        self.visit_all(|rcu, entry| {
            // Fails for objects with references, which stay.
            if !which(entry) {
                self.remove(rcu, entry);
            }
        });
    }

    /// Calls `visit` for each object, in a read-side critical section for each bucket. `visit` may
    /// remove objects; it must not sleep.
    ///
    /// Objects that are inserted meanwhile, or moved by a resize, may be left out. Process context,
    /// without locks; calls `cond_resched()` after each bucket.
    ///
    /// [`Table::scan`] is the variant that misses no object.
    pub(crate) fn visit_all(&self, mut visit: impl FnMut(Rcu<'_>, &T)) {
        let mut bucket = 0;
        let mut more = true;
        while more {
            more = rcu::read(|rcu| self.visit(rcu, bucket, |entry| visit(rcu, entry)));
            bucket = bucket.wrapping_add(1);
            // SAFETY: Process context without locks by the contract of this function, and the
            // read-side critical section has ended.
            unsafe { bindings::rust_ipvs_helper_cond_resched() };
        }
    }

    /// Calls `visit` for each object in `count` buckets, beginning with the bucket that `start`
    /// selects and wrapping around at the end of the table.
    ///
    /// Used to sample the table under pressure: `start` is random. Process context, without locks;
    /// calls `cond_resched()` after each bucket.
    ///
    /// During a resize it samples the old array, whose chains may have been moved.
    pub(crate) fn visit_some(&self, start: u32, count: usize, mut visit: impl FnMut(Rcu<'_>, &T)) {
        for n in 0..count {
            // The size may change between two buckets, which makes the sample less even but not
            // invalid.
            let bucket = (start as usize).wrapping_add(n) & self.size().wrapping_sub(1);
            rcu::read(|rcu| self.visit(rcu, bucket, |entry| visit(rcu, entry)));
            // SAFETY: Process context without locks by the contract of this function, and the
            // read-side critical section has ended.
            unsafe { bindings::rust_ipvs_helper_cond_resched() };
        }
    }
}
