// SPDX-License-Identifier: GPL-2.0

//! [`ConfigHeld`]: proof that the configuration mutex of a namespace is held.

/// Proof that the caller holds the mutex around
/// [`ConfigState`](crate::director::netns::ConfigState), which contains the only instance of a
/// namespace.
///
/// Functions that change services, destinations or the table of real servers take it by `&mut`, so
/// that there is one writer at a time. Readers use RCU.
pub(crate) struct ConfigHeld(());

impl ConfigHeld {
    /// Creates the instance for the state of a new namespace. It has no other caller.
    pub(crate) const fn new() -> Self {
        Self(())
    }
}
