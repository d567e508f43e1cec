// SPDX-License-Identifier: GPL-2.0

//! Sync daemons, the part of [`NetnsIpvs`] that starts, stops and lists them.

use crate::{
    director::{
        conn::InetFamily,
        netns::NetnsIpvs,
        service::AfState, //
    },
    kapi::net::Net,
    logic::{
        config::{
            ConfigError,
            Errno, //
        },
        ripvs::ConfigEvent,
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
        self.daemons.start(self, net, request)?;
        let event = ConfigEvent::Daemon(DaemonRole::of(request.state)?, true);
        self.record(&mut self.config.lock(), event);
        Ok(())
    }

    /// Stops a daemon (G-31).
    pub(crate) fn stop_daemon(&self, role: DaemonRole) -> Result<(), ConfigError> {
        self.daemons.stop(self, role)?;
        let event = ConfigEvent::Daemon(role, false);
        self.record(&mut self.config.lock(), event);
        Ok(())
    }

    /// Returns the running daemons: master and backup.
    pub(crate) fn daemons(&self) -> [Option<Daemon>; 2] {
        self.daemons.running()
    }
}
