// SPDX-License-Identifier: GPL-2.0

//! Loss of devices, the part of [`NetnsIpvs`] that drops cached routes (L-8; C:
//! `ip_vs_dst_event()`).
//!
//! A packet checks whether its destination's cached route is still valid, but a destination may get
//! no packet for a long time. A cached IPv6 route for one address (direct routing) references the
//! entry that it was cloned from and so the device, which could not be unregistered until then.

use super::{
    NetnsIpvs,
    Port, //
};
use crate::{
    director::{
        conn::InetFamily,
        service::{
            pos_after,
            AfState, //
        },
    },
    kapi::{
        devices::{
            DeviceListener,
            DeviceNotifier,
            DeviceRef, //
        },
        net::Net, //
    },
};

static DEVICES: DeviceNotifier<NetnsIpvs> = DeviceNotifier::new();

impl NetnsIpvs {
    /// Returns the device notifier, which calls [`device_lost`](Self::device_lost) for a namespace.
    pub(crate) fn devices() -> &'static DeviceNotifier<Self> {
        &DEVICES
    }
}

impl DeviceListener for NetnsIpvs {
    /// Registers the hook of the fast path. Without memory the device has none, and its packets
    /// take the path of the other hooks.
    fn device_came(net: &Net, device: DeviceRef<'_>) {
        if let Some(ipvs) = Self::of(net) {
            let _ = ipvs.ports.add(device);
        }
    }

    fn device_left(net: &Net, device: DeviceRef<'_>) {
        if let Some(ipvs) = Self::of(net) {
            ipvs.ports.remove(device);
        }
    }

    fn device_changed(net: &Net) {
        if let Some(ipvs) = Self::of(net) {
            ipvs.fast_path.changed();
        }
    }

    /// Drops the routes of all destinations, not only of those on this device: the next packet
    /// looks them up again. Deleted destinations and the bypass destination cache none.
    ///
    /// RTNL is held meanwhile. The walk calls `cond_resched()`, but all of the host's network
    /// configuration waits for it. A route may be cached from a look-up before the event, or in a
    /// service that is added at a position already passed. The next event for the device drops it:
    /// there is one when the device is unregistered, and one each second while that waits for
    /// references.
    fn device_lost(net: &Net) {
        if let Some(ipvs) = Self::of(net) {
            ipvs.forget_routes();
        }
    }
}

impl NetnsIpvs {
    /// Drops the cached routes of all destinations outside the trash, where none has one.
    pub(crate) fn forget_routes(&self) {
        self.v4.forget_routes();
        self.v6.forget_routes();
        self.daemons.forget_routes();
        self.ports.each(Port::forget);
    }
}

impl<F: InetFamily> AfState<F> {
    /// Drops the cached routes of the destinations of all services, a service at a time. Process
    /// context; allocates no memory.
    fn forget_routes(&self) {
        let mut from = (0, 0);
        while let Some((place, service)) = self.next_service(from) {
            service.forget_routes();
            from = pos_after(place);
        }
    }
}
