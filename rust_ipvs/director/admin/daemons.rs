// SPDX-License-Identifier: GPL-2.0

//! Sync daemons, the part of [`NetnsIpvs`] that starts, stops and lists them, with its
//! implementation of [`SyncHost`], which the daemons call.

use crate::{
    director::{
        conn::{
            InetFamily,
            Timeouts, //
        },
        dest::Counting,
        netns::NetnsIpvs,
        service::{
            AfState,
            HasAfState, //
        },
        sync::{
            backup,
            Daemons,
            Listener,
            SyncHost,
            SyncSettings, //
        },
    },
    kapi::{
        net::{
            Lease,
            Net, //
        },
        siphash::HalfSipKey, //
    },
    logic::{
        config::{
            AddressFamily,
            ConfigError,
            Errno, //
        },
        sync::daemon::{
            Daemon,
            DaemonRequest, //
            DaemonRole,
        },
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

impl Listener for NetnsIpvs {
    fn message(&self, net: &Net, sync_id: i32, message: &[u8]) {
        backup::apply(self, net, sync_id, message);
    }
}

impl SyncHost for NetnsIpvs {
    fn daemons(&self) -> &Daemons<Self> {
        &self.daemons
    }

    fn sync_settings(&self) -> &SyncSettings {
        &self.settings.sync
    }

    fn family<F: HasAfState>(&self) -> &AfState<F> {
        self.af_state()
    }

    fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    fn counting(&self) -> &Counting {
        &self.counting
    }

    fn outward_key(&self) -> &HalfSipKey {
        &self.outward
    }

    fn conn_lfactor(&self) -> i32 {
        self.settings.conn_lfactor.load()
    }

    fn is_tracked(&self) -> bool {
        self.settings.is_tracked()
    }

    fn may_have_more(&self) -> bool {
        self.has_room()
    }

    fn take_lease(&self) -> Result<Lease> {
        self.lease()
    }

    fn open_ipv4(self: &Arc<Self>) -> Result {
        self.open_family(&mut self.config.lock(), AddressFamily::V4)
    }

    fn set_sync_active(&self, is_active: bool) {
        let mut config = self.config.lock();
        self.timeouts.set_sync_active(&mut config.held, is_active);
        self.note_change(&mut config);
    }

    fn backup_changed(&self) -> Result {
        self.fit_hooks()?;
        self.queue_defense();
        Ok(())
    }
}

impl<F: InetFamily> AfState<F> {
    /// Returns whether a service has destinations of the other family (V-10).
    fn is_mixed(&self) -> Result<bool> {
        let mixed = self.each_paged((0, 0), |_, service| {
            let stopped = service.each_paged(u32::MAX, |destination| {
                F::from_ip(destination.id.addr).is_some()
            });
            stopped.is_none()
        })?;
        Ok(mixed.is_some())
    }
}

impl NetnsIpvs {
    /// Fails if a service has destinations of the other family, whose connections have no form in
    /// sync messages (V-10).
    pub(crate) fn check_families_for_daemon(&self) -> Result<(), ConfigError> {
        let is_mixed = self
            .v4
            .is_mixed()
            .and_then(|v4| Ok(v4 || self.v6.is_mixed()?));
        if is_mixed.map_err(|_| ConfigError::NO_MEMORY)? {
            return Err(ConfigError::new(
                Errno::Invalid,
                c"connections to servers of the other address family cannot be synchronised",
            ));
        }
        Ok(())
    }

    /// Starts a daemon (G-31).
    pub(crate) fn start_daemon(
        self: &Arc<Self>,
        net: &Net,
        request: &DaemonRequest,
    ) -> Result<(), ConfigError> {
        self.daemons.start(self, net, request)
    }

    /// Stops a daemon (G-31).
    pub(crate) fn stop_daemon(&self, role: DaemonRole) -> Result<(), ConfigError> {
        self.daemons.stop(self, role)
    }

    /// Returns the running daemons: master and backup.
    pub(crate) fn daemons(&self) -> [Option<Daemon>; 2] {
        self.daemons.running()
    }
}
