// SPDX-License-Identifier: GPL-2.0

//! `kapi/slab.rs`, on top of the engine's memory.

use kernel::alloc::short_name;
use std::{
    alloc::Layout,
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
        let memory = engine::allocate(short_name::<T>(), Layout::new::<T>()).cast::<T>();
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
        // SAFETY: The box owned the value, which is not used afterwards.
        unsafe { std::ptr::drop_in_place(self.0.as_ptr()) };
        engine::free(self.0.as_ptr() as usize);
    }
}
