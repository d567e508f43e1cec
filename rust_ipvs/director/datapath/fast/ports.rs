// SPDX-License-Identifier: GPL-2.0

//! Hooks at devices, with the part of [`NetnsIpvs`] that creates their work. It registers them
//! while the namespace has a service and `fast_path` is set, and unregisters them.
//!
//! Registration takes RTNL, which must not be taken with the configuration mutex held. So a work
//! does it, which takes both, one after the other. If what it has read changes meanwhile, it is
//! queued again and runs once more.

use super::Fast;
use crate::{
    director::netns::{
        ConfigState,
        NetnsIpvs, //
    },
    kapi::{
        conntrack::related::IS_THERE,
        ingress::HookName,
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

/// Hook functions that `fast_path` 1 may skip, as they do nothing to a packet that is taken.
///
/// Such a packet has no socket, which AppArmor's function needs, and is not a fragment. It belongs
/// to a connection that does not use conntrack, so an entry that conntrack created for it would be
/// dropped before it is confirmed.
///
/// Those of conntrack, and of modules that it depends on, only if this module depends on that of
/// conntrack, so that neither goes before it.
const IDLE: &[HookName] = if IS_THERE {
    &[
        APPARMOR,
        named(b"ipv4_conntrack_in", b"nf_conntrack"),
        named(b"ipv4_conntrack_local", b"nf_conntrack"),
        named(b"ipv6_conntrack_in", b"nf_conntrack"),
        named(b"ipv6_conntrack_local", b"nf_conntrack"),
        named(b"nf_confirm", b"nf_conntrack"),
        named(b"ipv4_conntrack_defrag", b"nf_defrag_ipv4"),
        named(b"ipv6_defrag", b"nf_defrag_ipv6"),
    ]
} else {
    &[APPARMOR]
};

const APPARMOR: HookName = named(b"apparmor_ip_postroute", b"");

const fn named(function: &'static [u8], module: &'static [u8]) -> HookName {
    HookName { function, module }
}

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
        ipvs.fast_path.idle.learn(&lease, IDLE);
        // A device without a hook has the path of the other hooks.
        let _ = ipvs.ports.open::<Fast>(lease, ipvs);
    }
    None
}

impl NetnsIpvs {
    /// Creates the work that registers the hooks, if there is none. The caller queues it if hooks
    /// come or go.
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
        Ok(())
    }
}
