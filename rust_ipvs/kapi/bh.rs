// SPDX-License-Identifier: GPL-2.0

//! A spinlock that softirqs take too.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)
//!
//! Softirqs are off while it is held: a packet that comes meanwhile on the same CPU waits its turn,
//! and does not spin for ever for a lock that its own CPU holds.

use crate::bindings;
use kernel::{
    prelude::*,
    sync::lock, //
};

/// Backend that makes a [`lock::Lock`] a [`BhLock`].
pub(crate) struct BhBackend;

/// A spinlock that turns softirqs off while it is held. Any context but that of interrupts.
pub(crate) type BhLock<T> = lock::Lock<T, BhBackend>;

/// Makes a [`BhLock`], with a lock class and a name of its own.
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

// SAFETY: A spinlock has one owner at a time; `relock` is the provided one, which locks the same
// way.
unsafe impl lock::Backend for BhBackend {
    type State = bindings::spinlock_t;
    type GuardState = ();

    unsafe fn init(ptr: *mut Self::State, name: *const c_char, key: *mut bindings::lock_class_key) {
        // SAFETY: By the contract of this function.
        unsafe { bindings::__spin_lock_init(ptr, name, key) }
    }

    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: Initialised, by the contract of this function.
        unsafe { bindings::rust_ipvs_helper_spin_lock_bh(ptr) }
    }

    unsafe fn try_lock(_: *mut Self::State) -> Option<Self::GuardState> {
        // Nobody tries; one who does finds it taken.
        None
    }

    unsafe fn unlock(ptr: *mut Self::State, (): &Self::GuardState) {
        // SAFETY: The caller owns the lock, by the contract of this function.
        unsafe { bindings::rust_ipvs_helper_spin_unlock_bh(ptr) }
    }

    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: Initialised, by the contract of this function.
        unsafe { bindings::spin_assert_is_held(ptr) }
    }
}
