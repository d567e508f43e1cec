// SPDX-License-Identifier: GPL-2.0

//! Reference-counted objects that are freed a grace period after the last reference is dropped.
//!
//! C header: [`include/linux/refcount.h`](srctree/include/linux/refcount.h)
//!
//! `kernel::sync::Arc` frees its object at once. An [`RcuArc`] queues it for RCU instead. So a
//! reader that found the object through an [`RcuCell`](super::rcu::RcuCell) or a table may go on
//! reading it, and a reader that found the `RcuArc` itself there may clone it. The object is
//! dropped in softirq context, so dropping it must not sleep.
//!
//! [`RcuRef`] is an RCU-protected reference without a count. [`RcuRef::try_get`] makes a counted
//! one of it, unless the last one was dropped.
//!
//! C IPVS has the same scheme for its destinations: `refcnt`, `ip_vs_dest_put()` and freeing by
//! `kfree_rcu()`.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{
//! #     rcu,
//! #     rcu_slots::RcuSlots,
//! #     shared::{RcuArc, RcuRef},
//! # };
//! #[pin_data]
//! struct Server {
//!     port: u16,
//! }
//!
//! # fn example() -> Result {
//! let server = RcuArc::pin_init(try_pin_init!(Server { port: 80 }), GFP_KERNEL)?;
//! let slots = RcuSlots::new(1)?;
//! let slot = slots.push(server.clone());
//!
//! // A reader finds the object without counting, and counts only to keep it for longer.
//! let kept = rcu::read(|rcu| slots.get(rcu, 0).and_then(RcuRef::try_get));
//! assert!(kept.is_some_and(|kept| kept.same(&server) && kept.port == 80));
//! # Ok(())
//! # }
//! ```

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

/// Allocation of an object with its count and the head by which it is queued for freeing.
#[pin_data]
struct Inner<T> {
    /// Number of counted references; saturates instead of overflowing.
    count: Refcount,
    /// Used by RCU once `count` has dropped to 0.
    head: Opaque<bindings::callback_head>,
    #[pin]
    /// The object.
    value: T,
}

/// A counted reference to a `T` that is freed a grace period after the last reference is dropped.
///
/// Dropping a reference is possible in any context, because it does not free the object itself.
///
/// # Invariants
///
/// The pointer came from `KBox::into_raw`, and this value owns one of the references that `count`
/// counts. Hence the object is not queued for freeing while this value exists.
pub(crate) struct RcuArc<T: Send + Sync + 'static> {
    inner: NonNull<Inner<T>>,
    _owns: PhantomData<Inner<T>>,
}

// SAFETY: A reference may be the last one, which makes another CPU drop the `T`, as `T: Send`
// allows; and it gives `&T`, as `T: Sync` allows.
unsafe impl<T: Send + Sync> Send for RcuArc<T> {}
// SAFETY: A shared `RcuArc` gives `&T` on any CPU, and can be cloned and then dropped there; `T:
// Sync` and `T: Send` allow that.
unsafe impl<T: Send + Sync> Sync for RcuArc<T> {}

// Moving a reference does not move the object, which may be pinned.
impl<T: Send + Sync> Unpin for RcuArc<T> {}

impl<T: Send + Sync> RcuArc<T> {
    /// Allocates an object with one reference, initialised in place. The context is as `flags`
    /// allow. Fails with `ENOMEM` or the error of `init`.
    pub(crate) fn pin_init(init: impl PinInit<T, Error>, flags: Flags) -> Result<Self> {
        let inner = KBox::try_pin_init(
            try_pin_init!(Inner {
                count: Refcount::new(1),
                head: Opaque::uninit(),
                value <- init,
            }),
            flags,
        )?;
        // SAFETY: The object stays in this allocation until it is dropped in `drop_inner`: no
        // method gives a `&mut Inner` away, so it is not moved out.
        let inner = KBox::into_raw(unsafe { Pin::into_inner_unchecked(inner) });
        // INVARIANT: The count begins with this reference.
        Ok(Self {
            // SAFETY: `KBox::into_raw` never returns null.
            inner: unsafe { NonNull::new_unchecked(inner) },
            _owns: PhantomData,
        })
    }

    /// Returns an RCU-protected reference to the object, without counting.
    #[inline(always)]
    pub(crate) fn rcu_ref(&self) -> RcuRef<'_, T> {
        // SAFETY: By the type invariant the object is alive while `self` exists, and `self` is
        // borrowed for the lifetime of the result.
        RcuRef(unsafe { self.inner.as_ref() })
    }

    /// Converts the reference into a number, which owns it: [`from_raw`](Self::from_raw) must take
    /// it back, or the object is leaked.
    pub(super) fn into_raw(self) -> usize {
        let raw = self.inner.as_ptr() as usize;
        core::mem::forget(self);
        raw
    }

    /// Converts a number back into the reference that it owns; `None` for 0.
    ///
    /// # Safety
    ///
    /// The number must be 0 or come from [`RcuArc::into_raw`] for the same `T`, and must not be
    /// passed to this function again.
    pub(super) unsafe fn from_raw(raw: usize) -> Option<Self> {
        // INVARIANT: By the contract of this function the pointer came from `into_raw`, and nobody
        // else owns the reference that `into_raw` gave up.
        NonNull::new(raw as *mut Inner<T>).map(|inner| Self {
            inner,
            _owns: PhantomData,
        })
    }

    /// Returns `true` if both refer to the same object.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.inner == other.inner
    }

    /// Returns `true` if this is the only reference.
    ///
    /// The result stays valid if the caller owns the only reference and no reader can find the
    /// object. In all other cases another CPU may change it at any time. Acquire: what the owners
    /// of dropped references did to the object is visible if this returns `true`.
    pub(crate) fn is_unique(&self) -> bool {
        // SAFETY: By the type invariant the object is alive while `self` exists.
        unsafe { self.inner.as_ref() }
            .count
            .as_atomic()
            .load(kernel::sync::atomic::Acquire)
            == 1
    }
}

impl<T: Send + Sync> Clone for RcuArc<T> {
    fn clone(&self) -> Self {
        // SAFETY: By the type invariant the object is alive while `self` exists.
        unsafe { self.inner.as_ref() }.count.inc();
        // INVARIANT: The increment counts the new reference. The pointer is that of `self`.
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
        // SAFETY: By the type invariant the object is alive while `self` exists, which is borrowed
        // for the lifetime of the result.
        &unsafe { self.inner.as_ref() }.value
    }
}

impl<T: Send + Sync> Drop for RcuArc<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the object is alive: this value's reference is still
        // counted.
        if unsafe { self.inner.as_ref() }.count.dec_and_test() {
            // SAFETY: That was the last reference, and `try_get` does not revive a count of 0, so
            // nobody else queues the object. Readers that still see it have finished when the
            // callback runs. `drop_inner` matches the type and calls `done` last.
            unsafe { rcu::call_later(self.inner.as_ref().head.get(), drop_inner::<T>) };
        }
    }
}

/// An RCU-protected reference. The last counted reference may have been dropped, but the object is
/// not freed during `'g`.
///
/// As cheap as `&T`; also `Copy`.
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
    /// Returns the object of a number from [`RcuArc::into_raw`]; `None` for 0.
    ///
    /// # Safety
    ///
    /// The number must be 0 or come from [`RcuArc::into_raw`] for the same `T`, and its reference
    /// must not have been dropped before the read-side critical section began.
    #[inline(always)]
    pub(super) unsafe fn from_raw(_rcu: Rcu<'g>, raw: usize) -> Option<Self> {
        // SAFETY: By the contract of this function the number is null or the address of an
        // `Inner<T>`. Its reference was not dropped before `'g` began, so the object is freed after
        // the end of `'g`.
        unsafe { (raw as *const Inner<T>).as_ref() }.map(Self)
    }

    /// Returns the object, for the read-side critical section.
    #[inline(always)]
    pub(crate) fn get(self) -> &'g T {
        &self.0.value
    }

    /// Returns `true` if `other` refers to this object.
    pub(crate) fn is(self, other: &RcuArc<T>) -> bool {
        core::ptr::eq(self.0, other.inner.as_ptr())
    }

    /// Takes a counted reference. Returns `None` if the last one was dropped (C:
    /// `refcount_inc_not_zero()`). Any context.
    pub(crate) fn try_get(self) -> Option<RcuArc<T>> {
        let count = self.0.count.as_atomic();
        let mut seen = count.load(Relaxed);
        // A count of 0 means that the object is queued for freeing: it must stay 0. A negative
        // count is saturated, as `refcount_t` defines it, and stays so; such an object is never
        // freed.
        while seen > 0 {
            match count.cmpxchg(seen, seen.wrapping_add(1), Relaxed) {
                // INVARIANT: The exchange counted the new reference while the count was above 0, so
                // the object was not queued. It came from `KBox::into_raw`, as all of them.
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

/// The RCU callback that drops an object. Softirq context.
///
/// # Safety
///
/// `head` must be the field of an `Inner<T>` from `KBox::into_raw` to which no reference is left
/// and that no reader can see any more.
unsafe extern "C" fn drop_inner<T>(head: *mut bindings::callback_head) {
    // SAFETY: By the contract of this function `head` is the field `head` of an `Inner<T>`, so the
    // subtraction stays within that allocation.
    let inner = unsafe { container_of!(Opaque::cast_from(head), Inner<T>, head) };
    // SAFETY: By the contract of this function the object came from `KBox::into_raw` and nobody
    // else has it, so the box is its only owner.
    drop(unsafe { KBox::from_raw(inner.cast_mut()) });
    rcu::done();
}
