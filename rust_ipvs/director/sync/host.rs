// SPDX-License-Identifier: GPL-2.0

//! [`SyncHost`]: the namespace's state as the daemons use it. It keeps this folder independent of
//! `netns`.

use super::{
    daemons::Daemons,
    rx::Listener,
    settings::SyncSettings, //
};
use crate::{
    director::{
        conn::Timeouts,
        dest::reasons::ReasonCounters,
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

/// State of a namespace that has sync daemons.
pub(crate) trait SyncHost: Listener + Sized {
    /// Returns the daemons.
    fn daemons(&self) -> &Daemons<Self>;

    /// Returns the daemons' settings (sysctls).
    fn sync_settings(&self) -> &SyncSettings;

    /// Returns the state of an address family.
    fn family<F: HasAfState>(&self) -> &AfState<F>;

    /// Returns the timeouts of protocol states.
    fn timeouts(&self) -> &Timeouts;

    /// Returns the counters that all destinations share.
    fn counting(&self) -> &Counting;

    /// Returns the counters of reasons.
    fn reasons(&self) -> &ReasonCounters;

    /// Returns the key for hashes that are visible outside.
    fn outward_key(&self) -> &HalfSipKey;

    /// Returns the load factor of connection tables.
    fn conn_lfactor(&self) -> i32;

    /// Returns whether new connections use conntrack (N-1).
    fn is_tracked(&self) -> bool;

    /// Returns whether the namespace may have one more connection (C-23, S-13).
    fn may_have_more(&self) -> bool;

    /// Takes a lease of the namespace.
    ///
    /// # Errors
    ///
    /// `ENODEV` after the start of the teardown.
    fn take_lease(&self) -> Result<Lease>;

    /// Creates the connection table of IPv4 and its works, if they do not exist yet. Process
    /// context; takes the configuration mutex.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    fn open_ipv4(self: &Arc<Self>) -> Result;

    /// Sets whether packets call [`sync_conn`](super::sync_conn). Takes the configuration mutex.
    fn set_sync_active(&self, is_active: bool);

    /// Replaces the hooks if the start or the end of a backup requires it (H-8). Takes the
    /// configuration mutex.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the hooks are unchanged.
    fn backup_changed(&self) -> Result;
}
