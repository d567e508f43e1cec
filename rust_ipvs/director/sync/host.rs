// SPDX-License-Identifier: GPL-2.0

//! Per-netns state as the daemons use it: so sync/ need not know what else that has.

use super::{
    daemons::Daemons,
    rx::Listener,
    settings::SyncSettings, //
};
use crate::{
    director::{
        conn::Timeouts,
        dest::Counting,
        service::{
            AfState,
            HasAfState, //
        },
    },
    kapi::{
        net::Lease,
        siphash::HalfSipKey, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// State of a network namespace to which daemons belong.
pub(crate) trait SyncHost: Listener + Sized {
    /// Returns the daemons.
    fn daemons(&self) -> &Daemons<Self>;

    /// Returns what `sysctl` set for them.
    fn sync_settings(&self) -> &SyncSettings;

    /// Returns the state of an address family.
    fn family<F: HasAfState>(&self) -> &AfState<F>;

    /// Returns the timeouts of connections.
    fn timeouts(&self) -> &Timeouts;

    /// Returns the counters that all destinations share.
    fn counting(&self) -> &Counting;

    /// Returns the key that hashes are hashed with before others see a part of them.
    fn outward_key(&self) -> &HalfSipKey;

    /// Returns the load factor of connection tables.
    fn conn_lfactor(&self) -> i32;

    /// Returns whether connection tracking knows new connections too (N-1).
    fn is_tracked(&self) -> bool;

    /// Returns whether there may be one more connection (C-23, S-13).
    fn may_have_more(&self) -> bool;

    /// Takes a lease of the namespace.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the namespace is going.
    fn take_lease(&self) -> Result<Lease>;

    /// Makes the connection table of IPv4 and the works that see to it, if there are none yet.
    /// Process context; takes the configuration mutex.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    fn open_ipv4(self: &Arc<Self>) -> Result;

    /// Says whether packets are to call [`sync_conn`](super::sync_conn). Takes the configuration
    /// mutex.
    fn set_sync_active(&self, is_active: bool);

    /// Follows the start or the end of a backup: other hooks may be needed (H-8). Takes the
    /// configuration mutex.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the hooks are as before.
    fn backup_changed(&self) -> Result;
}
