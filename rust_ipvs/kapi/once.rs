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

use core::{
    cell::UnsafeCell,
    sync::atomic::{fence, Ordering},
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

/// A word shared between CPUs, read and written whole but in no order.
///
/// # Invariants
///
/// The word is only ever accessed by single volatile loads and stores.
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

    /// Writes the word after everything written before, as `rcu_assign_pointer()` does.
    #[inline(always)]
    pub(crate) fn publish(&self, value: T) {
        fence(Ordering::Release);
        self.store(value);
    }

    /// Writes the word where it differs: a line that nobody dirties stays shared in all caches.
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
