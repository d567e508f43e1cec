// SPDX-License-Identifier: GPL-2.0

//! [`ConfigEvent`]: a change of the configuration, of which listeners are told.

use super::super::{
    config::{
        AdminTimeouts,
        DestinationView,
        ServiceId,
        ServiceView, //
    },
    sync::daemon::DaemonRole,
};

/// Change of the configuration, as listeners are told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConfigEvent<'a> {
    /// A service was added. Statistics are not filled in, here and below.
    NewService(&'a ServiceView),
    /// Options of a service changed.
    SetService(&'a ServiceView),
    /// A service was deleted, with its destinations.
    DelService(&'a ServiceId),
    /// A destination was added to a service.
    NewDest(&'a ServiceId, &'a DestinationView),
    /// Options of a destination changed.
    SetDest(&'a ServiceId, &'a DestinationView),
    /// A destination was deleted.
    DelDest(&'a ServiceId, &'a DestinationView),
    /// A destination is drained from now on, or has other options of its drain.
    Drain(&'a ServiceId, &'a DestinationView),
    /// A drain is done.
    Drained(&'a ServiceId, &'a DestinationView),
    /// A drain was called off.
    Undrain(&'a ServiceId, &'a DestinationView),
    /// A destination got the OVERLOAD flag (`true`), or lost it.
    Overload(&'a ServiceId, &'a DestinationView, bool),
    /// All services were deleted.
    Flush,
    /// Timeouts changed.
    Timeouts(AdminTimeouts),
    /// A sync daemon was started (`true`), or stopped.
    Daemon(DaemonRole, bool),
}
