// SPDX-License-Identifier: GPL-2.0

//! References of controlled objects to the objects that control them, which these keep in the
//! table.

use super::entry::{
    TableEntry,
    FROZEN, //
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

/// A counted reference to an object of a table, or none (C: `cp->control`, counted in `n_control`).
/// An object with such a reference is not removed.
///
/// Objects may refer to others of their own table. If a chain of references were closed to a ring,
/// none of its objects could ever be removed.
///
/// # Invariants
///
/// The word is zero, or the address of a `T` in a table whose `n_control` counts this reference.
pub(crate) struct ControlRef<T: TableEntry> {
    control: Word<usize>,
    _on: PhantomData<fn() -> T>,
}

impl<T: TableEntry> ControlRef<T> {
    /// No reference.
    pub(crate) const fn none() -> Self {
        // INVARIANT: Zero.
        Self {
            control: Word::new(0),
            _on: PhantomData,
        }
    }

    /// Takes a reference to `entry`; `None` if it is not in a table, or about to leave it.
    ///
    /// One instruction, however many take references at once: counting a frozen object up leaves it
    /// frozen, as it would take 2^31 attempts to make that number positive, and it is freed a grace
    /// period later.
    pub(crate) fn on(entry: &T) -> Option<Self> {
        if entry.wheel().n_control.fetch_add(1, Relaxed) < 0 {
            return None;
        }
        // INVARIANT: Counted just now, while the object was in a table: it stays there.
        Some(Self {
            control: Word::new(ptr::from_ref(entry) as usize),
            _on: PhantomData,
        })
    }

    /// Returns the object.
    #[inline(always)]
    pub(crate) fn get<'g>(&'g self, _rcu: Rcu<'g>) -> Option<&'g T> {
        let control = self.control.load() as *const T;
        // SAFETY: By the type invariant the object is in its table as long as the word is set. If
        // the reference is dropped now, the object is freed a grace period later at the earliest.
        unsafe { control.as_ref() }
    }

    /// Returns whether there is a reference.
    pub(crate) fn is_some(&self) -> bool {
        self.control.load() != 0
    }

    /// Drops the reference; does nothing the second time.
    pub(crate) fn release(&self) {
        // SAFETY: The word is a `usize` that lives as long as `self`.
        let control = unsafe {
            bindings::rust_ipvs_helper_xchg(ptr::from_ref(&self.control).cast_mut().cast(), 0)
        };
        // SAFETY: The exchange took the address out of the word, so the count still includes this
        // reference, and by the type invariant the object is there.
        if let Some(entry) = unsafe { (control as *const T).as_ref() } {
            entry.wheel().n_control.fetch_sub(1, Release);
        }
    }
}

impl<T: TableEntry> Drop for ControlRef<T> {
    fn drop(&mut self) {
        if self.is_some() {
            self.release();
        }
    }
}

/// Freezes the count of `entry`, so that no reference can be taken any more; `false` if it has any.
///
/// The caller has the lock of the object's shard and takes the object out of its table.
pub(super) fn freeze<T: TableEntry>(entry: &T) -> bool {
    entry.wheel().n_control.cmpxchg(0, FROZEN, Acquire).is_ok()
}
