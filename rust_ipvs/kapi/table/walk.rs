// SPDX-License-Identifier: GPL-2.0

//! Visits to all objects, or to some.

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
    /// Calls `visit` for each object of a bucket; `false` past the last bucket.
    ///
    /// While the table is resized the new array's buckets follow the old one's, and an object may
    /// be visited twice or not at all.
    pub(crate) fn visit<'g>(
        &'g self,
        rcu: Rcu<'g>,
        bucket: usize,
        mut visit: impl FnMut(&'g T),
    ) -> bool {
        let mut array = self.current(rcu);
        let mut index = bucket;
        while index > array.mask {
            index = index.wrapping_sub(array.heads.len());
            match array.future(rcu) {
                Some(future) => array = future,
                None => return false,
            }
        }
        // The bucket's number is the hash's low bits, so it does for a hash.
        let mut link = array.bucket(index as u32).load();
        while link != 0 {
            // SAFETY: As in `find`.
            let entry = unsafe { &*((link & !DIRECTION) as *const T) };
            if link & DIRECTION == 0 {
                visit(entry);
            }
            link = step(entry, link & DIRECTION).0;
        }
        true
    }

    /// Removes all objects: those first that nobody holds. Process context.
    ///
    /// What is held from outside the table, or comes in meanwhile, may be left.
    pub(crate) fn clear(&self) {
        let mut before = usize::MAX;
        while (1..before).contains(&self.exact_len()) {
            before = self.exact_len();
            self.retain(|_| false);
        }
    }

    /// Removes all objects that `which` picks, but those that are held. Process context; others may
    /// come in meanwhile.
    pub(crate) fn retain(&self, mut which: impl FnMut(&T) -> bool) {
        self.visit_all(|rcu, entry| {
            if !which(entry) {
                self.remove(rcu, entry);
            }
        });
    }

    /// Calls `visit`, which may remove objects, for each object. Process context.
    ///
    /// What comes in meanwhile, or is moved as the table is resized, may be left out.
    pub(crate) fn visit_all(&self, mut visit: impl FnMut(Rcu<'_>, &T)) {
        let mut bucket = 0;
        let mut more = true;
        while more {
            more = rcu::read(|rcu| self.visit(rcu, bucket, |entry| visit(rcu, entry)));
            bucket = bucket.wrapping_add(1);
            // SAFETY: No lock is held and no read-side section is open here.
            unsafe { bindings::rust_ipvs_helper_cond_resched() };
        }
    }

    /// Calls `visit` for each object in `count` buckets, from the one that `start` leads to on.
    /// Process context.
    pub(crate) fn visit_some(&self, start: u32, count: usize, mut visit: impl FnMut(Rcu<'_>, &T)) {
        for n in 0..count {
            let bucket = (start as usize).wrapping_add(n) & self.size().wrapping_sub(1);
            rcu::read(|rcu| self.visit(rcu, bucket, |entry| visit(rcu, entry)));
            // SAFETY: No lock is held and no read-side section is open here.
            unsafe { bindings::rust_ipvs_helper_cond_resched() };
        }
    }
}
