// SPDX-License-Identifier: GPL-2.0

//! Data that the threads of a model share.

use kernel::prelude::*;

/// Puts a value where all threads find it.
pub(crate) fn shared<T>(value: T) -> &'static T {
    let shared = KBox::new(value, GFP_KERNEL).expect("memory");
    // SAFETY: From the box; given back by `give_back`.
    unsafe { &*KBox::into_raw(shared) }
}

/// Gives it back, when all threads have ended.
pub(crate) fn give_back<T>(shared: &'static T) {
    // SAFETY: From `shared`, and all threads have ended.
    drop(unsafe { KBox::from_raw(std::ptr::from_ref(shared).cast_mut()) });
}
