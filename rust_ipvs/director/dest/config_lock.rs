// SPDX-License-Identifier: GPL-2.0

//! Evidence that the configuration mutex of a namespace is held.

/// Evidence that the caller holds the mutex around
/// [`ConfigState`](crate::director::netns::ConfigState), where the only one of a namespace is.
///
/// Whoever changes what packets find (services, destinations, the table of real servers) takes it
/// by `&mut`, so that there is one writer at a time. Readers go by RCU.
pub(crate) struct ConfigHeld(());

impl ConfigHeld {
    /// For the state of a new namespace, and nobody else.
    pub(crate) const fn new() -> Self {
        Self(())
    }
}
