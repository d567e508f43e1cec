// SPDX-License-Identifier: GPL-2.0

//! Walks over all objects of a table that visit each once, across any number of resizes.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h), whose walks may
//! show an object twice after a resize.
//!
//! The walks of `scan.rs` may visit an object twice as well, which housekeeping does not mind.
//! These are for lists that users read.
//!
//! # Order
//!
//! Objects are visited in the order of their first hashes with the bits reversed, those of one hash
//! in the order of their addresses. A bucket's number is the low bits of the hashes in it, so the
//! objects of a bucket are neighbours in that order, whatever the size of the array: a larger array
//! divides the range of a bucket, a smaller one joins ranges. The position is thus a value in that
//! order, and not a bucket of an array. It only grows, so that no object is visited twice.
//!
//! An object that is in the table throughout is not missed either. Objects move in one way only,
//! from an array to its replacement, and are linked there before they leave. The next object is
//! searched for in the chains of an array, to their ends, and then in those of its replacement that
//! cover the same range ([`Buckets::future`] has the argument by the memory model).
//!
//! # Another key
//!
//! With another key the hashes are others, and the order is lost. A walk that meets a new key
//! visits the rest of the objects with the old one, if there are any, and begins anew. So it misses
//! nothing, but may visit objects twice; [`PageCursor::restarts`] tells so.

use super::{
    buckets::Buckets,
    entry::{
        step,
        TableEntry,
        DIRECTION, //
    },
    Table,
};
use crate::kapi::rcu::Rcu;
use core::ptr;

/// Number of objects plus buckets that are looked at in one call of [`Table::page`]. The last
/// bucket may exceed it.
const AT_ONCE: u32 = 64;

/// Position of an ordered walk. Holds no reference, so a walk may be abandoned at any time.
#[derive(Clone, Copy)]
pub(crate) struct PageCursor {
    /// Number of the key that the hashes depend on; 0 before the first object.
    key_number: u32,
    /// Reversed hash and address of the last object that was visited. With the address 0, objects
    /// of that hash have not been visited.
    last: (u32, usize),
    /// Number of times that the walk began anew.
    restarts: u32,
}

impl PageCursor {
    /// Position before the first object. Keys are numbered from 1.
    pub(crate) const START: Self = Self {
        key_number: 0,
        last: (0, 0),
        restarts: 0,
    };

    /// Returns the number of times that the walk began anew, as the table got another key.
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Returns the position before the first object of another table, with the same number of
    /// restarts.
    pub(crate) fn of_next_table(self) -> Self {
        Self {
            restarts: self.restarts,
            ..Self::START
        }
    }

    /// Converts the position to four words.
    pub(crate) fn to_words(self) -> [usize; 4] {
        let (order, object) = self.last;
        [
            self.restarts as usize,
            self.key_number as usize,
            order as usize,
            object,
        ]
    }

    /// Converts four words from [`to_words`](Self::to_words), or zeroes, to a position.
    pub(crate) fn of_words([restarts, key_number, order, object]: [usize; 4]) -> Self {
        Self {
            key_number: key_number as u32,
            last: (order as u32, object),
            restarts: restarts as u32,
        }
    }

    /// Goes to the first object with another key.
    fn begin(&mut self, key_number: u32) {
        if self.key_number != 0 {
            self.restarts = self.restarts.wrapping_add(1);
        }
        self.key_number = key_number;
        self.last = (0, 0);
    }
}

/// Result of a part of an ordered walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageResult {
    /// All objects were visited.
    End,
    /// The walk is not finished.
    More,
    /// `visit` returned `false`.
    Full,
}

impl<T: TableEntry> Table<T> {
    /// Calls `visit` for the next objects for which `wants` returns `true`, and moves `cursor`. If
    /// `visit` returns `false`, stops before that object.
    ///
    /// Looks at 64 objects and buckets, and at the rest of one bucket. `wants` may be called
    /// several times for an object. `visit` may remove objects.
    ///
    /// An object that is in the table, and wanted, from the first call of a walk to the last is
    /// visited exactly once if [`PageCursor::restarts`] stays 0, and at least once otherwise.
    ///
    /// Any context; takes no lock.
    pub(crate) fn page<'g>(
        &'g self,
        rcu: Rcu<'g>,
        cursor: &mut PageCursor,
        wants: impl Fn(&'g T) -> bool,
        mut visit: impl FnMut(&'g T) -> bool,
    ) -> PageResult {
        let mut array = self.of_key(rcu, cursor);
        let mut count = 0u32;
        while count < AT_ONCE {
            let until = cursor.last.0 | u32::MAX.wrapping_shr(finest(rcu, array));
            match self.next(rcu, array, (cursor.last, until), &wants, &mut count) {
                Some((object, _)) if !visit(object) => return PageResult::Full,
                Some((_, key)) => cursor.last = key,
                None => match until.checked_add(1) {
                    Some(order) => cursor.last = (order, 0),
                    None => match next_key(rcu, array) {
                        Some(other) => {
                            array = other;
                            cursor.begin(other.key_number);
                        }
                        None => return PageResult::End,
                    },
                },
            }
        }
        PageResult::More
    }

    /// Returns the oldest array with the key of the position. If there is none any more, moves the
    /// position to the beginning of the oldest array.
    fn of_key<'g>(&'g self, rcu: Rcu<'g>, cursor: &mut PageCursor) -> &'g Buckets<T::Key> {
        let oldest = self.current(rcu);
        let mut array = Some(oldest);
        while let Some(found) = array {
            if found.key_number == cursor.key_number {
                return found;
            }
            array = found.future(rcu);
        }
        cursor.begin(oldest.key_number);
        oldest
    }

    /// Returns the first wanted object after `last`, up to the reversed hash `until`, in an array
    /// and its replacements with the same key. Adds the number of objects and buckets to `count`.
    fn next<'g>(
        &'g self,
        rcu: Rcu<'g>,
        first: &'g Buckets<T::Key>,
        (last, until): ((u32, usize), u32),
        wants: &impl Fn(&'g T) -> bool,
        count: &mut u32,
    ) -> Option<(&'g T, (u32, usize))> {
        let mut least: Option<(&'g T, (u32, usize))> = None;
        let mut array = first;
        loop {
            let width = width(array);
            // A replacement with more buckets has several in the range.
            let mut bucket = Some(last.0);
            while let Some(order) = bucket.filter(|order| *order <= until) {
                let mut link = array.bucket(order.reverse_bits()).load();
                while link != 0 {
                    // SAFETY: By the type invariant of the table, links lead to objects that live
                    // at least for the rest of the read-side critical section that `rcu` proves.
                    let entry = unsafe { &*((link & !DIRECTION) as *const T) };
                    let (next, hash) = step(entry, link & DIRECTION);
                    let key = (hash.reverse_bits(), ptr::from_ref(entry) as usize);
                    // The chain may have other hashes in it: a smaller array joins ranges, and a
                    // reader that stands on an object which is moved goes on in another chain.
                    let is_next = link & DIRECTION == 0
                        && key > last
                        && key.0 <= until
                        && least.is_none_or(|(_, other)| key < other);
                    if is_next && wants(entry) {
                        least = Some((entry, key));
                    }
                    link = next;
                    *count = count.saturating_add(1);
                }
                *count = count.saturating_add(1);
                bucket = (order | width).checked_add(1);
            }
            match array.future(rcu) {
                Some(future) if future.key_number == first.key_number => array = future,
                _ => return least,
            }
        }
    }
}

/// Returns the reversed hashes of a bucket as a mask of the bits in which they differ.
fn width<K>(array: &Buckets<K>) -> u32 {
    u32::MAX.wrapping_shr((array.mask as u32).count_ones())
}

/// Returns the base-2 logarithm of the most buckets that an array or a replacement of it with the
/// same key has.
fn finest<'g, K>(rcu: Rcu<'g>, array: &'g Buckets<K>) -> u32 {
    let mut most = array.mask;
    let mut next = array.future(rcu);
    while let Some(future) = next.filter(|future| future.key_number == array.key_number) {
        most = most.max(future.mask);
        next = future.future(rcu);
    }
    (most as u32).count_ones()
}

/// Returns the first replacement of an array that has another key.
fn next_key<'g, K>(rcu: Rcu<'g>, array: &'g Buckets<K>) -> Option<&'g Buckets<K>> {
    let mut next = array.future(rcu);
    while let Some(future) = next {
        if future.key_number != array.key_number {
            return Some(future);
        }
        next = future.future(rcu);
    }
    None
}
