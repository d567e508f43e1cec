// SPDX-License-Identifier: GPL-2.0

//! Handles by which background works are queued, in any context.

use crate::kapi::work::WorkHandle;

/// Handles of the works of a namespace that belong to no address family.
pub(crate) struct Queues {
    /// Work that updates the defense level, and drops connections if memory is short.
    pub(crate) defense: WorkHandle,
    /// Work that drops deleted destinations.
    pub(crate) trash: WorkHandle,
    /// Work that evicts unused entries from the tables of `lblc` and `lblcr`.
    pub(crate) evict: WorkHandle,
    /// Work that takes drains to their ends.
    pub(crate) drain: WorkHandle,
    /// Work that enables defragmentation of IPv6 before routing.
    pub(crate) defragment: WorkHandle,
}
