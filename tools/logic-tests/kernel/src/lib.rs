// SPDX-License-Identifier: GPL-2.0

//! The part of the kernel crate's atomics that host tests use.
//!
//! A thread yields after each load, so that others run between its load and its store.

/// Synchronisation.
pub mod sync {
    /// Atomics, with the kernel's names. All are sequentially consistent here.
    pub mod atomic {
        use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

        /// No ordering.
        pub struct Relaxed;
        /// Full ordering.
        pub struct Full;

        /// An atomic word.
        pub struct Atomic<T>(AtomicU32, core::marker::PhantomData<T>);

        impl Atomic<u32> {
            /// Creates a word.
            pub const fn new(value: u32) -> Self {
                Self(AtomicU32::new(value), core::marker::PhantomData)
            }

            /// Reads the word.
            pub fn load<O>(&self, _: O) -> u32 {
                let value = self.0.load(SeqCst);
                std::thread::yield_now();
                value
            }

            /// Writes the word.
            pub fn store<O>(&self, value: u32, _: O) {
                self.0.store(value, SeqCst);
            }

            /// Exchanges the word; returns the old value.
            pub fn xchg<O>(&self, value: u32, _: O) -> u32 {
                self.0.swap(value, SeqCst)
            }

            /// Writes the word if it is `old`. Returns the old value, as an error if it differs.
            pub fn cmpxchg<O>(&self, old: u32, new: u32, _: O) -> Result<u32, u32> {
                self.0.compare_exchange(old, new, SeqCst, SeqCst)
            }
        }
    }
}
