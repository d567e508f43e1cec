// SPDX-License-Identifier: GPL-2.0

//! `kernel::types`.

use std::{
    cell::UnsafeCell,
    mem::MaybeUninit, //
};

/// Memory that C code changes.
#[repr(transparent)]
pub struct Opaque<T>(UnsafeCell<MaybeUninit<T>>);

impl<T> Opaque<T> {
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(MaybeUninit::new(value)))
    }

    pub const fn uninit() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    pub const fn get(&self) -> *mut T {
        self.0.get().cast()
    }

    pub const fn cast_from(this: *const T) -> *const Self {
        this.cast()
    }
}
