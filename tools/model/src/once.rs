// SPDX-License-Identifier: GPL-2.0

//! `kapi/once.rs`, on top of the engine's words.

use kernel::sync::atomic::{
    Atomic,
    Relaxed,
    Value, //
};

/// Word that is read and written atomically, without ordering.
#[repr(transparent)]
pub(crate) struct Word<T: Value>(Atomic<T>);

impl<T: Value> Word<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Atomic::new(value))
    }

    #[track_caller]
    pub(crate) fn load(&self) -> T {
        self.0.load(Relaxed)
    }

    #[track_caller]
    pub(crate) fn store(&self, value: T) {
        self.0.store(value, Relaxed);
    }

    #[track_caller]
    pub(crate) fn publish(&self, value: T) {
        engine::fence(false, true);
        self.store(value);
    }

    #[track_caller]
    pub(crate) fn update(&self, value: T) {
        if self.load() != value {
            self.store(value);
        }
    }
}
