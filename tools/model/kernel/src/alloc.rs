// SPDX-License-Identifier: GPL-2.0

//! `kernel::alloc`: boxes and vectors in the engine's memory.

use crate::{
    error::{
        Error,
        Result, //
    },
    init::PinInit,
};
use std::{
    alloc::Layout,
    ops::{
        Deref,
        DerefMut, //
    },
    pin::Pin,
    ptr::NonNull,
};

/// Error of a failed allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllocError;

/// Flags of an allocation.
#[derive(Clone, Copy)]
pub struct Flags;

impl std::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, _: Self) -> Self {
        self
    }
}

pub mod flags {
    //! `kernel::alloc::flags`.

    pub const GFP_KERNEL: super::Flags = super::Flags;
    pub const GFP_ATOMIC: super::Flags = super::Flags;
    pub const __GFP_NOWARN: super::Flags = super::Flags;
}

/// Returns the name of a type without path and parameters, for traces.
pub fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

/// A box.
pub struct KBox<T>(NonNull<T>);

// SAFETY: It owns its value.
unsafe impl<T: Send> Send for KBox<T> {}
// SAFETY: It owns its value, and `&KBox<T>` gives no more than `&T`.
unsafe impl<T: Sync> Sync for KBox<T> {}

impl<T> KBox<T> {
    pub fn new(value: T, _flags: Flags) -> Result<Self, AllocError> {
        let memory = engine::allocate(short_name::<T>(), Layout::new::<T>()).cast::<T>();
        // SAFETY: Just allocated for a `T`.
        unsafe { memory.write(value) };
        NonNull::new(memory).map(Self).ok_or(AllocError)
    }

    pub fn into_raw(this: Self) -> *mut T {
        let raw = this.0.as_ptr();
        std::mem::forget(this);
        raw
    }

    /// # Safety
    ///
    /// As for `Box::from_raw`.
    pub unsafe fn from_raw(raw: *mut T) -> Self {
        // SAFETY: By the contract of this function.
        Self(unsafe { NonNull::new_unchecked(raw) })
    }

    pub fn try_pin_init(init: impl PinInit<T, Error>, _flags: Flags) -> Result<Pin<Self>> {
        let memory = engine::allocate(short_name::<T>(), Layout::new::<T>()).cast::<T>();
        // SAFETY: Just allocated for a `T`, and pinned from now on.
        unsafe {
            init.init(memory)?;
            Ok(Pin::new_unchecked(Self::from_raw(memory)))
        }
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        let address = self.0.as_ptr() as usize;
        engine::follow(std::ptr::from_ref(self) as usize, address);
        // SAFETY: The box owns a valid value, which `self` borrows.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The box owns a valid value, which `self` borrows exclusively.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for KBox<T> {
    fn drop(&mut self) {
        let raw = self.0.as_ptr();
        // SAFETY: The box owned the value, which is not used afterwards.
        unsafe { std::ptr::drop_in_place(raw) };
        engine::free(raw as usize);
    }
}

/// A vector.
pub struct KVec<T> {
    start: NonNull<T>,
    len: usize,
    capacity: usize,
}

/// Vector whose memory may be from `vmalloc()`.
pub type KVVec<T> = KVec<T>;

// SAFETY: It owns its values.
unsafe impl<T: Send> Send for KVec<T> {}
// SAFETY: It owns its values, and `&KVec<T>` gives no more than `&[T]`.
unsafe impl<T: Sync> Sync for KVec<T> {}

impl<T> KVec<T> {
    pub fn with_capacity(capacity: usize, _flags: Flags) -> Result<Self, AllocError> {
        let start = if capacity == 0 {
            NonNull::dangling()
        } else {
            let layout = Layout::array::<T>(capacity).map_err(|_| AllocError)?;
            let memory = engine::allocate(short_name::<T>(), layout);
            NonNull::new(memory.cast()).ok_or(AllocError)?
        };
        Ok(Self {
            start,
            len: 0,
            capacity,
        })
    }

    pub fn push(&mut self, value: T, _flags: Flags) -> Result<(), AllocError> {
        if self.len == self.capacity {
            return Err(AllocError);
        }
        // SAFETY: `len` is less than the capacity, and the element is not in use.
        unsafe { self.start.as_ptr().add(self.len).write(value) };
        self.len += 1;
        Ok(())
    }

    pub fn from_elem(value: T, count: usize, flags: Flags) -> Result<Self, AllocError>
    where
        T: Clone,
    {
        let mut vector = Self::with_capacity(count, flags)?;
        for _ in 0..count {
            vector.push(value.clone(), flags)?;
        }
        Ok(vector)
    }

    /// Returns a vector of `count` elements whose bytes are zero, which is valid for the types
    /// used.
    pub fn zeroed(count: usize, flags: Flags) -> Result<Self, AllocError> {
        let mut vector = Self::with_capacity(count, flags)?;
        // The engine allocates zeroed memory.
        vector.len = count;
        Ok(vector)
    }

    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.start.as_ptr()
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let address = self.start.as_ptr() as usize;
        engine::follow(std::ptr::from_ref(self) as usize, address);
        // SAFETY: The first `len` elements are initialised.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for KVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: The first `len` elements are initialised.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T> Drop for KVec<T> {
    fn drop(&mut self) {
        let values = std::ptr::slice_from_raw_parts_mut(self.start.as_ptr(), self.len);
        // SAFETY: The vector owned the values, which are not used afterwards.
        unsafe { std::ptr::drop_in_place(values) };
        if self.capacity != 0 {
            engine::free(self.start.as_ptr() as usize);
        }
    }
}
