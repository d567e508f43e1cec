// SPDX-License-Identifier: GPL-2.0

//! Replacement of the `core` crate for types that the model checker observes: cells without a lock
//! of their own, and fences.

pub use std::*;

pub mod cell {
    //! `core::cell`.

    pub use std::cell::*;

    /// Cell whose accesses are reported to the engine, which checks that they are all under one
    /// lock or by the only owner.
    #[repr(transparent)]
    pub struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }
    }

    impl<T: ?Sized> UnsafeCell<T> {
        #[track_caller]
        pub fn get(&self) -> *mut T {
            let cell = self.0.get();
            engine::plain(cell.cast::<u8>() as usize);
            cell
        }

        pub fn get_mut(&mut self) -> &mut T {
            self.0.get_mut()
        }
    }
}

pub mod sync {
    //! `core::sync`.

    pub use std::sync::*;

    pub mod atomic {
        //! `core::sync::atomic`, of which the checked files use only the fences.

        pub use std::sync::atomic::Ordering;

        #[track_caller]
        pub fn fence(order: Ordering) {
            match order {
                Ordering::Acquire => engine::fence(true, false),
                Ordering::Release => engine::fence(false, true),
                Ordering::AcqRel => engine::fence(true, true),
                _ => engine::full_fence(),
            }
        }
    }
}
