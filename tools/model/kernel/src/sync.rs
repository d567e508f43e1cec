// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync`.

pub mod atomic;

pub use refcount::Refcount;

pub mod rcu {
    //! `kernel::sync::rcu`.

    use std::marker::PhantomData;

    /// An open read-side critical section.
    pub struct Guard(PhantomData<*const ()>);

    pub fn read_lock() -> Guard {
        engine::read_lock();
        Guard(PhantomData)
    }

    /// Waits until all RCU callbacks queued so far have run.
    pub fn rcu_barrier() {
        engine::synchronize();
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            engine::read_unlock();
        }
    }
}

pub mod barrier {
    //! `kernel::sync::barrier`.

    pub use super::atomic::Full;

    /// Orders loads.
    pub struct Read;
    /// Orders stores.
    pub struct Write;

    pub trait MemoryBarrier {
        fn run();
    }

    impl MemoryBarrier for Read {
        fn run() {
            engine::fence(true, false);
        }
    }

    impl MemoryBarrier for Write {
        fn run() {
            engine::fence(false, true);
        }
    }

    impl MemoryBarrier for Full {
        fn run() {
            engine::full_fence();
        }
    }

    pub fn smp_mb<T: MemoryBarrier>(_: T) {
        T::run();
    }
}

mod refcount {
    use super::atomic::{
        Atomic,
        Relaxed,
        Release, //
    };

    /// `refcount_t`.
    pub struct Refcount(Atomic<i32>);

    impl Refcount {
        pub const fn new(value: i32) -> Self {
            Self(Atomic::new(value))
        }

        pub fn as_atomic(&self) -> &Atomic<i32> {
            &self.0
        }

        #[track_caller]
        pub fn inc(&self) {
            let old = self.0.fetch_add(1, Relaxed);
            engine::require(old > 0, || {
                format!("a count of references rises from {old}")
            });
        }

        #[track_caller]
        pub fn dec_and_test(&self) -> bool {
            let old = self.0.fetch_sub(1, Release);
            engine::require(old > 0, || {
                format!("a count of references falls from {old}")
            });
            if old == 1 {
                engine::fence(true, false);
            }
            old == 1
        }
    }
}
