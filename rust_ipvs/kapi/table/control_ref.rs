// SPDX-License-Identifier: GPL-2.0

//! Counted references from controlled objects to the objects that control them.
//!
//! An FTP data connection has a reference to its control connection, and a connection that a
//! persistence template created has one to the template. The controlling object must not expire
//! before the others do: [`freeze`] fails while there are references.
//!
//! The count is atomic and is not protected by the lock of the shard: references to one template
//! are taken on all CPUs at once.
//!
//! C header: [`include/linux/refcount.h`](srctree/include/linux/refcount.h). Other than
//! `refcount_inc_not_zero()`, [`ControlRef::on`] does not loop.

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

/// An optional counted reference to an object of a table (C: `cp->control`, counted in
/// `n_control`). An object with such a reference is not removed.
///
/// Objects may refer to others of their own table. A cycle of references must not be formed: none
/// of its objects could be removed.
///
/// # Invariants
///
/// The word is zero, or the address of a `T` in a table whose `n_control` counts this reference.
pub(crate) struct ControlRef<T: TableEntry> {
    control: Word<usize>,
    _on: PhantomData<fn() -> T>,
}

impl<T: TableEntry> ControlRef<T> {
    /// Creates an empty reference.
    pub(crate) const fn none() -> Self {
        // INVARIANT: Zero.
        Self {
            control: Word::new(0),
            _on: PhantomData,
        }
    }

    /// Takes a reference to `entry`. Returns `None` if it is not in a table or is being removed.
    ///
    /// Any context. One atomic instruction without a loop, whatever the contention. An attempt on a
    /// frozen object increments the count and leaves it negative. Only 2^31 attempts could make it
    /// positive, and the object is freed a grace period after it was frozen.
    pub(crate) fn on(entry: &T) -> Option<Self> {
        if entry.wheel().n_control.fetch_add(1, Relaxed) < 0 {
            return None;
        }
        // INVARIANT: The count was not negative, so the object was in a table when the count was
        // incremented. `freeze` fails from then on, so it stays there.
        Some(Self {
            control: Word::new(ptr::from_ref(entry) as usize),
            _on: PhantomData,
        })
    }

    /// Returns the object, or `None` if there is no reference.
    ///
    /// The result is valid for the read-side critical section, even if another CPU drops the
    /// reference.
    #[inline(always)]
    pub(crate) fn get<'g>(&'g self, _rcu: Rcu<'g>) -> Option<&'g T> {
        let control = self.control.load() as *const T;
        // SAFETY: By the type invariant the object is in its table while the word is set. If
        // another CPU drops the reference now, the object is removed after that and freed a grace
        // period later, which cannot end before `'g`.
        unsafe { control.as_ref() }
    }

    /// Returns `true` if there is a reference. Another CPU may drop it at any time.
    ///
    /// Cheaper than [`get`](Self::get) for callers that need no object, and possible outside of
    /// read-side critical sections.
    pub(crate) fn is_some(&self) -> bool {
        self.control.load() != 0
    }

    /// Drops the reference. Does nothing if it was dropped before. Any context.
    ///
    /// The exchange makes sure that of several callers one decrements the count. The decrement is
    /// Release and pairs with the Acquire in [`freeze`]: accesses to the object through this
    /// reference come before its removal.
    pub(crate) fn release(&self) {
        // SAFETY: `self.control` is a `usize`, valid for the call and accessed atomically only, so
        // writing it through a shared reference is no data race.
        let control = unsafe {
            bindings::rust_ipvs_helper_xchg(ptr::from_ref(&self.control).cast_mut().cast(), 0)
        };
        // SAFETY: The exchange took the address out of the word, and the count still includes this
        // reference. By the type invariant the object is in its table, so the address is null or
        // valid.
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

/// Freezes the count of `entry`, so that no reference can be taken any more. Returns `false`, and
/// changes nothing, if there are references or if the count is frozen.
///
/// The caller must hold the lock of the object's shard, and must remove the object from its table
/// if this succeeds.
pub(super) fn freeze<T: TableEntry>(entry: &T) -> bool {
    entry.wheel().n_control.cmpxchg(0, FROZEN, Acquire).is_ok()
}
