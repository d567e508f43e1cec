// SPDX-License-Identifier: GPL-2.0

//! Data shared between the threads of a model.

use kernel::prelude::*;

/// Leaks a value, so that all threads can refer to it.
pub(crate) fn shared<T>(value: T) -> &'static T {
    let shared = KBox::new(value, GFP_KERNEL).expect("memory");
    // SAFETY: The pointer is from the box, and `give_back` frees it after all threads have ended.
    unsafe { &*KBox::into_raw(shared) }
}

/// Frees a value after all threads have ended.
pub(crate) fn give_back<T>(shared: &'static T) {
    // SAFETY: The pointer is from `shared`, and all threads have ended.
    drop(unsafe { KBox::from_raw(std::ptr::from_ref(shared).cast_mut()) });
}
