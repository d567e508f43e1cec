// SPDX-License-Identifier: GPL-2.0

//! Hooks at devices: the work that registers them while the namespace has a service and
//! `fast_path` is set, and unregisters them.
//!
//! A work, because registration takes RTNL, which nobody may wait for who holds the configuration
//! mutex. The work takes both, one after the other. If what it has read changes meanwhile, it is
//! queued again, and runs after this run.

use super::Fast;
use crate::{
    director::netns::{
        ConfigState,
        NetnsIpvs, //
    },
    kapi::{
        netfilter::Protocol,
        routes::RouteNotifier,
        time::HZ,
        work::{
            PeriodicWork,
            Process, //
        },
    },
};
use kernel::{
    prelude::*,
    static_lock_class,
    sync::Arc, //
};

/// Registers or unregisters the hooks, as services and `fast_path` demand.
///
/// Returns the delay of the next attempt, in jiffies.
fn arrange(ipvs: &Arc<NetnsIpvs>) -> Option<u32> {
    if !ipvs.wants_fast_path() {
        ipvs.ports.close();
        let routes = ipvs.config.lock().routes.take();
        drop(routes);
    } else if let Ok(lease) = ipvs.lease() {
        if ipvs.config.lock().routes.is_none() {
            // Without it no change of IPv6 routes would be noticed. Nobody else sets it.
            let Ok(routes) = RouteNotifier::new(lease.clone(), ipvs.clone()) else {
                return Some(HZ);
            };
            ipvs.config.lock().routes = Some(routes);
        }
        let idle = lease.builtin_postroute(Protocol::Ipv4, c"apparmor_ip_postroute");
        ipvs.fast_path.idle.store(idle);
        // A device without a hook has the path of the other hooks.
        let _ = ipvs.ports.open::<Fast>(lease, ipvs);
    }
    None
}

impl NetnsIpvs {
    /// Creates the work that registers the hooks, if there is none, and queues it.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn open_fast_path(self: &Arc<Self>, config: &mut ConfigState) -> Result {
        if config.ports_work.is_none() {
            let ipvs = self.clone();
            let run = move |_: &Process| arrange(&ipvs);
            let work = PeriodicWork::new(c"ipvs_ports", static_lock_class!(), run)?;
            self.fast_path.work.populate(work.handle());
            config.ports_work = Some(work);
        }
        // It waits for the mutex that the caller holds.
        self.fast_path.arrange();
        Ok(())
    }
}
