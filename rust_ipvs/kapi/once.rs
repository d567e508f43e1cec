// SPDX-License-Identifier: GPL-2.0

//! Words that several CPUs read and write without a lock and without ordering.
//!
//! C header: [`include/asm-generic/rwonce.h`](srctree/include/asm-generic/rwonce.h)
//!
//! A [`Word`] is what C code gets from `READ_ONCE()` and `WRITE_ONCE()`: each access is one load or
//! one store, and nothing more. The atomics of the `kernel` crate give the same and
//! read-modify-write operations, but through a function call unless helpers are inlined; a word
//! read on each packet should not pay for that.
//!
//! # Context
//!
//! Any context, with or without locks.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::once::Word;
//! static LIMIT: Word<u32> = Word::new(7);
//!
//! LIMIT.store(8);
//! assert_eq!(LIMIT.load(), 8);
//! # Ok::<(), Error>(())
//! ```

use core::cell::UnsafeCell;
use kernel::sync::atomic::{
    Atomic,
    Release, //
};
use pin_init::Zeroable;

/// Types that the CPU loads and stores in one instruction.
///
/// # Safety
///
/// An implementer must be an integer of at most the size of a pointer, naturally aligned, so that a
/// volatile access of it is neither torn nor split.
pub(crate) unsafe trait Single: Copy {}

// SAFETY: An integer no larger than a pointer.
unsafe impl Single for u8 {}
// SAFETY: An integer no larger than a pointer.
unsafe impl Single for u16 {}
// SAFETY: An integer no larger than a pointer.
unsafe impl Single for u32 {}
// SAFETY: An integer no larger than a pointer.
unsafe impl Single for i32 {}
#[cfg(CONFIG_64BIT)]
// SAFETY: An integer no larger than a pointer on the 64-bit kernels this is built for.
unsafe impl Single for u64 {}
// SAFETY: An integer of the size of a pointer.
unsafe impl Single for usize {}

/// Types that can be stored with release ordering.
///
/// The bounds that `Atomic` needs for that are private to the `kernel` crate, so there is no
/// implementation for all types at once.
pub(crate) trait Publish: Single {
    /// Stores a word with release ordering (C: `smp_store_release()`).
    ///
    /// # Safety
    ///
    /// `word` must be valid, and all concurrent accesses must be atomic or volatile ones of the
    /// whole word.
    unsafe fn store_release(word: *mut Self, value: Self);
}

impl Publish for u32 {
    #[inline(always)]
    unsafe fn store_release(word: *mut Self, value: Self) {
        // SAFETY: By the contract of this function the pointer is valid, and concurrent accesses
        // are whole.
        unsafe { Atomic::from_ptr(word) }.store(value, Release);
    }
}

impl Publish for usize {
    #[inline(always)]
    unsafe fn store_release(word: *mut Self, value: Self) {
        // SAFETY: By the contract of this function the pointer is valid, and concurrent accesses
        // are whole.
        unsafe { Atomic::from_ptr(word) }.store(value, Release);
    }
}

/// A word shared between CPUs, read and written whole but in no order.
///
/// # Invariants
///
/// The word is only ever accessed by single volatile or atomic loads and stores.
#[repr(transparent)]
pub(crate) struct Word<T: Single>(UnsafeCell<T>);

// SAFETY: An integer in a transparent wrapper may be zero.
unsafe impl<T: Single + Zeroable> Zeroable for Word<T> {}

// SAFETY: By the type invariant all accesses are marked and cannot tear, which the kernel's memory
// model permits to race.
unsafe impl<T: Single + Send> Sync for Word<T> {}

impl<T: Single> Word<T> {
    /// Creates a word.
    pub(crate) const fn new(value: T) -> Self {
        // INVARIANT: Nobody else can see the word yet.
        Self(UnsafeCell::new(value))
    }

    /// Reads the word, as `READ_ONCE()` does.
    #[inline(always)]
    pub(crate) fn load(&self) -> T {
        // SAFETY: The pointer comes from a live `UnsafeCell`; racing stores are whole by the type
        // invariant.
        unsafe { self.0.get().read_volatile() }
    }

    /// Writes the word, as `WRITE_ONCE()` does.
    #[inline(always)]
    pub(crate) fn store(&self, value: T) {
        // SAFETY: The pointer comes from a live `UnsafeCell`; racing loads and stores are whole by
        // the type invariant.
        unsafe { self.0.get().write_volatile(value) }
    }

    /// Writes the word after all earlier accesses, as `rcu_assign_pointer()` does.
    #[inline(always)]
    pub(crate) fn publish(&self, value: T)
    where
        T: Publish,
    {
        // SAFETY: The pointer comes from a live `UnsafeCell`; all accesses are single volatile or
        // atomic ones by the type invariant.
        unsafe { T::store_release(self.0.get(), value) };
    }

    /// Writes the word if it differs, so that the cache line stays shared if nothing changes.
    #[inline(always)]
    pub(crate) fn update(&self, value: T)
    where
        T: PartialEq,
    {
        if self.load() != value {
            self.store(value);
        }
    }
}
