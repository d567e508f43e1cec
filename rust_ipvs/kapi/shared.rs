// SPDX-License-Identifier: GPL-2.0

//! Reference-counted objects that RCU readers may still look at after the last reference went.
//!
//! C header: [`include/linux/refcount.h`](srctree/include/linux/refcount.h)
//!
//! `kernel::sync::Arc` frees its object at once. An [`RcuArc`] queues it instead, so a reader that
//! found the object through an [`RcuCell`](super::rcu::RcuCell) or a table may go on reading it,
//! and one that found the `RcuArc` itself there may clone it. The object is dropped in softirq
//! context.
//!
//! [`RcuRef`] is an RCU-protected reference, which a reader found; `try_get` makes a counted one of
//! it if any is left.

use super::rcu::{
    self,
    Rcu, //
};
use crate::bindings;
use core::{marker::PhantomData, ops::Deref, ptr::NonNull};
use kernel::{
    alloc::Flags,
    container_of,
    prelude::*,
    sync::{atomic::Relaxed, Refcount},
    types::Opaque,
};

#[pin_data]
struct Inner<T> {
    count: Refcount,
    head: Opaque<bindings::callback_head>,
    #[pin]
    value: T,
}

/// A counted reference to a `T` that is freed a grace period after the last one is dropped.
///
/// # Invariants
///
/// The pointer came from `KBox::into_raw`, and this value owns one of the references that `count`
/// counts.
pub(crate) struct RcuArc<T: Send + Sync + 'static> {
    inner: NonNull<Inner<T>>,
    _owns: PhantomData<Inner<T>>,
}

// SAFETY: Like `Arc`: shared access to `T` from any CPU, dropped on any CPU.
unsafe impl<T: Send + Sync> Send for RcuArc<T> {}
// SAFETY: Like `Arc`: shared access to `T` from any CPU, dropped on any CPU.
unsafe impl<T: Send + Sync> Sync for RcuArc<T> {}

// A reference may move; the object stays.
impl<T: Send + Sync> Unpin for RcuArc<T> {}

impl<T: Send + Sync> RcuArc<T> {
    /// Allocates a shared value with one reference, initialised in place.
    pub(crate) fn pin_init(init: impl PinInit<T, Error>, flags: Flags) -> Result<Self> {
        let inner = KBox::try_pin_init(
            try_pin_init!(Inner {
                count: Refcount::new(1),
                head: Opaque::uninit(),
                value <- init,
            }),
            flags,
        )?;
        // SAFETY: The value is not moved until it is dropped, in `drop_inner`.
        let inner = KBox::into_raw(unsafe { Pin::into_inner_unchecked(inner) });
        // INVARIANT: The count begins with this reference.
        Ok(Self {
            // SAFETY: `KBox::into_raw` never returns null.
            inner: unsafe { NonNull::new_unchecked(inner) },
            _owns: PhantomData,
        })
    }

    /// Returns the object as an RCU-protected reference.
    #[inline(always)]
    pub(crate) fn rcu_ref(&self) -> RcuRef<'_, T> {
        // SAFETY: The object lives while there is a reference, which `self` is for as long as it is
        // borrowed.
        RcuRef(unsafe { self.inner.as_ref() })
    }

    /// The reference as a number, which owns it.
    pub(super) fn into_raw(self) -> usize {
        let raw = self.inner.as_ptr() as usize;
        core::mem::forget(self);
        raw
    }

    /// The reference of a number; `None` for 0.
    ///
    /// # Safety
    ///
    /// The number must be 0 or come from [`RcuArc::into_raw`], and be used once.
    pub(super) unsafe fn from_raw(raw: usize) -> Option<Self> {
        // INVARIANT: By the contract of this function.
        NonNull::new(raw as *mut Inner<T>).map(|inner| Self {
            inner,
            _owns: PhantomData,
        })
    }

    /// Returns whether both are references to the same object.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.inner == other.inner
    }

    /// Returns whether this is the only reference.
    ///
    /// Others cannot appear behind the back of a caller who has the only one and lets no reader at
    /// it; for all others the answer is out of date at once.
    pub(crate) fn is_unique(&self) -> bool {
        // SAFETY: The object lives while there is a reference.
        unsafe { self.inner.as_ref() }
            .count
            .as_atomic()
            .load(kernel::sync::atomic::Acquire)
            == 1
    }
}

impl<T: Send + Sync> Clone for RcuArc<T> {
    fn clone(&self) -> Self {
        // SAFETY: The object lives while there is a reference.
        unsafe { self.inner.as_ref() }.count.inc();
        // INVARIANT: The increment made the new reference.
        Self {
            inner: self.inner,
            _owns: PhantomData,
        }
    }
}

impl<T: Send + Sync> Deref for RcuArc<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: The object lives while there is a reference.
        &unsafe { self.inner.as_ref() }.value
    }
}

impl<T: Send + Sync> Drop for RcuArc<T> {
    fn drop(&mut self) {
        // SAFETY: The object lives while there is a reference.
        if unsafe { self.inner.as_ref() }.count.dec_and_test() {
            // SAFETY: That was the last reference, so nobody else queues the object; readers that
            // still see it are gone when the callback runs.
            unsafe { rcu::call_later(self.inner.as_ref().head.get(), drop_inner::<T>) };
        }
    }
}

/// An RCU-protected reference: the object may have lost its last counted reference, but lives until
/// the read-side section ends.
pub(crate) struct RcuRef<'g, T: Send + Sync + 'static>(&'g Inner<T>);

impl<T: Send + Sync> Clone for RcuRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync> Copy for RcuRef<'_, T> {}

impl<T: Send + Sync> Deref for RcuRef<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<'g, T: Send + Sync> RcuRef<'g, T> {
    /// The object that a reference's number leads to; `None` for 0.
    ///
    /// # Safety
    ///
    /// The number must be 0 or come from [`RcuArc::into_raw`], and its reference must not have been
    /// dropped before the read-side critical section began.
    #[inline(always)]
    pub(super) unsafe fn from_raw(_rcu: Rcu<'g>, raw: usize) -> Option<Self> {
        // SAFETY: By the contract of this function the object is freed a grace period after the
        // section began, at the earliest.
        unsafe { (raw as *const Inner<T>).as_ref() }.map(Self)
    }

    /// Returns whether `other` is a reference to this object.
    pub(crate) fn is(self, other: &RcuArc<T>) -> bool {
        core::ptr::eq(self.0, other.inner.as_ptr())
    }

    /// Takes a counted reference; `None` if the last one has been dropped (C:
    /// `refcount_inc_not_zero()`).
    pub(crate) fn try_get(self) -> Option<RcuArc<T>> {
        let count = self.0.count.as_atomic();
        let mut seen = count.load(Relaxed);
        // As `refcount_inc_not_zero()`: who has dropped the last reference has queued the object.
        // Negative is a count that overflowed and stays where it is, so that the object is never
        // freed.
        while seen > 0 {
            match count.cmpxchg(seen, seen.wrapping_add(1), Relaxed) {
                // INVARIANT: The exchange made the new reference.
                Ok(_) => {
                    return Some(RcuArc {
                        inner: NonNull::from(self.0),
                        _owns: PhantomData,
                    })
                }
                Err(other) => seen = other,
            }
        }
        None
    }
}

/// Drops an object whose grace period has passed.
///
/// # Safety
///
/// `head` must be that of an `Inner<T>` from `KBox::into_raw` to which no reference is left.
unsafe extern "C" fn drop_inner<T>(head: *mut bindings::callback_head) {
    // SAFETY: By the contract of this function.
    let inner = unsafe { container_of!(Opaque::cast_from(head), Inner<T>, head) };
    // SAFETY: By the contract of this function nobody else has it; ownership passes to the box.
    drop(unsafe { KBox::from_raw(inner.cast_mut()) });
    rcu::done();
}
