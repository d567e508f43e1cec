// SPDX-License-Identifier: GPL-2.0

//! `kapi/slab.rs`, made of the engine's memory.

use kernel::alloc::short_name;
use std::{
    alloc::Layout,
    ops::Deref,
    ptr::NonNull, //
};

/// An object of a slab.
pub(crate) struct SlabBox<T>(NonNull<T>);

// SAFETY: Owns its value.
unsafe impl<T: Send> Send for SlabBox<T> {}

impl<T> SlabBox<T> {
    /// Returns what a slab's `alloc` does.
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
        // SAFETY: Owned.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Drop for SlabBox<T> {
    fn drop(&mut self) {
        // SAFETY: Owned, and not used afterwards.
        unsafe { std::ptr::drop_in_place(self.0.as_ptr()) };
        engine::free(self.0.as_ptr() as usize);
    }
}
