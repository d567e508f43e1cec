// SPDX-License-Identifier: GPL-2.0

//! `kapi/slab.rs` on the host, on top of the crate's `heap`.
//!
//! The crate with the tests of the table compiles this file, too.

use super::heap;
use std::{
    ops::Deref,
    ptr::NonNull, //
};

/// Object of a slab.
pub(crate) struct SlabBox<T>(NonNull<T>);

// SAFETY: It owns its value.
unsafe impl<T: Send> Send for SlabBox<T> {}

impl<T> SlabBox<T> {
    /// Allocates an object, as `Slab::alloc` does.
    pub(crate) fn new(value: T) -> Self {
        let memory = heap::allocate::<T>();
        // SAFETY: Just allocated for a `T`.
        unsafe { memory.write(value) };
        Self(NonNull::new(memory).expect("memory"))
    }

    pub(super) fn into_raw(self) -> NonNull<T> {
        let object = self.0;
        std::mem::forget(self);
        object
    }

    pub(super) unsafe fn from_raw(object: NonNull<T>) -> Self {
        Self(object)
    }
}

impl<T> Deref for SlabBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The box owns a valid value, which `self` borrows.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Drop for SlabBox<T> {
    fn drop(&mut self) {
        let memory = self.0.as_ptr();
        // SAFETY: The box owned the value and its memory; neither is used afterwards.
        unsafe {
            memory.drop_in_place();
            heap::free(memory);
        }
    }
}
