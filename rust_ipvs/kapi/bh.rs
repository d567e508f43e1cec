// SPDX-License-Identifier: GPL-2.0

//! Spinlocks that are taken in softirq context, too (C: `spin_lock_bh()`).
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)
//!
//! Softirqs are disabled on the current CPU while such a lock is held. Otherwise a packet that is
//! processed on the same CPU could interrupt the holder and spin forever for the lock.
//! `kernel::sync::SpinLock` does not disable them.
//!
//! A section under such a lock must not sleep and should be short: packets on this CPU wait until
//! it ends.
//!
//! # Examples
//!
//! ```
//! # use crate::new_bh_lock;
//! let waiting = KBox::pin_init(new_bh_lock!(0u32), GFP_KERNEL)?;
//!
//! // From here to the end of the statement softirqs are off on this CPU.
//! *waiting.lock() += 1;
//! assert_eq!(*waiting.lock(), 1);
//! # Ok::<(), Error>(())
//! ```

use crate::bindings;
use kernel::{
    prelude::*,
    sync::lock, //
};

/// Lock backend of [`BhLock`].
pub(crate) struct BhBackend;

/// A spinlock that disables softirqs while it is held. Softirq or process context, but not hard
/// interrupts.
pub(crate) type BhLock<T> = lock::Lock<T, BhBackend>;

/// Creates the initializer of a [`BhLock`], with a lock class and a name of its own for lockdep, as
/// `new_spinlock!` does.
#[macro_export]
macro_rules! new_bh_lock {
    ($inner:expr) => {
        $crate::kapi::bh::BhLock::new(
            $inner,
            ::kernel::optional_name!(),
            ::kernel::static_lock_class!(),
        )
    };
}

// SAFETY: A spinlock has one owner at a time, so the data has one user between `lock` and `unlock`.
// `relock` is the provided implementation, which calls `lock`.
unsafe impl lock::Backend for BhBackend {
    type State = bindings::spinlock_t;
    type GuardState = ();

    unsafe fn init(ptr: *mut Self::State, name: *const c_char, key: *mut bindings::lock_class_key) {
        // SAFETY: By the contract of this function `ptr` is valid for writes and pinned, and `name`
        // and `key` are static.
        unsafe { bindings::__spin_lock_init(ptr, name, key) }
    }

    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: By the contract of this function `ptr` is an initialised lock.
        unsafe { bindings::rust_ipvs_helper_spin_lock_bh(ptr) }
    }

    unsafe fn try_lock(_: *mut Self::State) -> Option<Self::GuardState> {
        // Not needed, so there is no helper for it. To report that the lock is taken is always
        // allowed.
        None
    }

    unsafe fn unlock(ptr: *mut Self::State, (): &Self::GuardState) {
        // SAFETY: By the contract of this function the caller holds the lock, which `lock` took by
        // `spin_lock_bh()`.
        unsafe { bindings::rust_ipvs_helper_spin_unlock_bh(ptr) }
    }

    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: By the contract of this function `ptr` is an initialised lock.
        unsafe { bindings::spin_assert_is_held(ptr) }
    }
}
