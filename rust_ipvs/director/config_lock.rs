// SPDX-License-Identifier: GPL-2.0

//! Proof that the configuration mutex is held.

/// Proof that the configuration mutex is held.
///
/// What the mutex protects has one, made with it. Only the holder of the mutex can borrow it mutably, so
/// a function that takes `&mut ConfigLocked` runs on one CPU at a time.
pub(super) struct ConfigLocked(());

impl ConfigLocked {
    /// The proof of one mutex, to be kept in what it protects.
    pub(super) const fn new() -> Self {
        Self(())
    }
}
