// SPDX-License-Identifier: GPL-2.0

//! Holds: who has one on an object keeps it in its table.

use super::entry::{
    Entry,
    SEALED, //
};
use crate::{
    bindings,
    kapi::{
        once::Word,
        rcu::Rcu, //
    },
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::sync::atomic::{
    Acquire,
    Relaxed,
    Release, //
};

/// A hold on an object of a table, or none: a held object is not removed.
///
/// Objects may hold others of their own table. Where a chain of holds were closed to a ring, none of its
/// objects could ever be removed.
///
/// # Invariants
///
/// The word is zero, or the address of a `T` in a table whose count of holds includes this one.
pub(crate) struct Hold<T: Entry> {
    held: Word<usize>,
    _on: PhantomData<fn() -> T>,
}

impl<T: Entry> Hold<T> {
    /// No hold.
    pub(crate) const fn none() -> Self {
        // INVARIANT: Zero.
        Self {
            held: Word::new(0),
            _on: PhantomData,
        }
    }

    /// A hold on `entry`; `None` where it is not in a table, or about to leave it.
    ///
    /// One instruction, however many take holds at once: counting a sealed object up leaves it sealed, as
    /// it would take 2^31 attempts to make that number positive, and it is freed a grace period later.
    pub(crate) fn on(entry: &T) -> Option<Self> {
        if entry.aging().holds.fetch_add(1, Relaxed) < 0 {
            return None;
        }
        // INVARIANT: Counted just now, while the object was in a table: it stays there.
        Some(Self {
            held: Word::new(ptr::from_ref(entry) as usize),
            _on: PhantomData,
        })
    }

    /// The object that is held.
    #[inline(always)]
    pub(crate) fn get<'g>(&'g self, _rcu: Rcu<'g>) -> Option<&'g T> {
        let held = self.held.load() as *const T;
        // SAFETY: By the type invariant the object is in its table as long as the word is set. Where the
        // hold is released now, the object is freed a grace period later at the earliest.
        unsafe { held.as_ref() }
    }

    /// Whether an object is held.
    pub(crate) fn is_some(&self) -> bool {
        self.held.load() != 0
    }

    /// Lets go of the object; nothing happens the second time.
    pub(crate) fn release(&self) {
        // SAFETY: The word is a `usize` that lives as long as `self`.
        let held = unsafe {
            bindings::rust_ipvs_helper_xchg(ptr::from_ref(&self.held).cast_mut().cast(), 0)
        };
        // SAFETY: The exchange took the address out of the word, so the count still includes this
        // hold, and by the type invariant the object is there.
        if let Some(entry) = unsafe { (held as *const T).as_ref() } {
            entry.aging().holds.fetch_sub(1, Release);
        }
    }
}

impl<T: Entry> Drop for Hold<T> {
    fn drop(&mut self) {
        if self.is_some() {
            self.release();
        }
    }
}

/// Takes the last chance to hold `entry`; `false` where it is held.
///
/// The caller has the lock of the object's shard and takes the object out of its table.
pub(super) fn seal<T: Entry>(entry: &T) -> bool {
    entry.aging().holds.cmpxchg(0, SEALED, Acquire).is_ok()
}
