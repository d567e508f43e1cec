// SPDX-License-Identifier: GPL-2.0

//! The handles by which works in the background are queued. Any context may use them.

use crate::kapi::work::WorkHandle;

/// The works of a namespace, but for those of its address families.
pub(crate) struct Queues {
    /// The one that judges memory, and drops connections if there is little.
    pub(crate) defense: WorkHandle,
    /// The one that lets go of deleted destinations.
    pub(crate) trash: WorkHandle,
    /// The one that evicts from the tables of `lblc` and `lblcr` what was not asked for.
    pub(crate) evict: WorkHandle,
    /// The one that has fragments of IPv6 put together before routing.
    pub(crate) defragment: WorkHandle,
}
