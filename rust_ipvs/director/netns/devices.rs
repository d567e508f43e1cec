// SPDX-License-Identifier: GPL-2.0

//! Loss of devices, the part of [`NetnsIpvs`] that drops cached routes (L-8, C: `ip_vs_dst_event`).
//!
//! A packet asks whether its destination's route still holds, but a destination may see none for
//! long. A route of IPv6 that was made for one destination (DR) refers to the entry that it was
//! made from and so to the device, which could not be unregistered until then.

use super::NetnsIpvs;
use crate::{
    director::{
        conn::InetFamily,
        service::AfState, //
    },
    kapi::{
        devices::{
            DeviceListener,
            DeviceNotifier, //
        },
        net::Net, //
    },
};

static DEVICES: DeviceNotifier<NetnsIpvs> = DeviceNotifier::new();

impl NetnsIpvs {
    /// Returns the notifier of devices, which tells the states of their namespaces.
    pub(crate) fn devices() -> &'static DeviceNotifier<Self> {
        &DEVICES
    }
}

impl DeviceListener for NetnsIpvs {
    /// Drops the routes of all destinations, not only of those behind this device: the others are
    /// looked up again by their next packet. Deleted destinations and those of bypass keep none.
    ///
    /// RTNL is held meanwhile, which all of the machine's network configuration waits for, but the
    /// walk goes in short steps, so that this CPU is not held up. What a packet caches meanwhile by
    /// a look-up from before, and what a service has that comes in a place that the walk has
    /// passed, the next call for that device drops: there is one when it is unregistered, and one
    /// each second while that waits.
    fn device_lost(net: &Net) {
        if let Some(ipvs) = Self::of(net) {
            ipvs.forget_routes();
        }
    }
}

impl NetnsIpvs {
    /// Drops the cached routes of all destinations that may have one: those in the trash have none.
    pub(crate) fn forget_routes(&self) {
        self.v4.forget_routes();
        self.v6.forget_routes();
        self.daemons.forget_routes();
    }
}

impl<F: InetFamily> AfState<F> {
    /// Drops the cached routes of the destinations of all services, a service at a time. Process
    /// context; needs no memory.
    fn forget_routes(&self) {
        let mut from = (0, 0);
        while let Some((place, service)) = self.next_service(from) {
            service.forget_routes();
            from = (place.0, place.1.saturating_add(1));
        }
    }
}
