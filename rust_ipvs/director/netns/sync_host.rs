// SPDX-License-Identifier: GPL-2.0

//! Implementation of [`SyncHost`] by [`NetnsIpvs`]: its state that the sync daemons use.

use super::NetnsIpvs;
use crate::{
    director::{
        conn::Timeouts,
        dest::reasons::ReasonCounters,
        dest::Counting,
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
    logic::config::AddressFamily,
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

    fn reasons(&self) -> &ReasonCounters {
        &self.reasons
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
    }

    fn backup_changed(&self) -> Result {
        self.fit_hooks()?;
        self.queue_defense();
        Ok(())
    }
}
