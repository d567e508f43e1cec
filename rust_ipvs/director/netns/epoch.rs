// SPDX-License-Identifier: GPL-2.0

//! State of the fast path in a namespace: epochs, within which the result of routing a flow holds.
//!
//! The first packet of a connection that the fast path sees at a device is routed as IP would do,
//! and the connection gets the *stamp* of the device's epoch. A packet is taken only with the stamp
//! of the present epoch of the device that it came by, so neither a change nor another device goes
//! unnoticed, at the cost of a comparison. An epoch ends, for one family at one device, as soon as
//! the kernel's generation of routes differs (routes, addresses, rules, policies of IPsec), or
//! something is counted in [`FastPath::changed`]: an event of a device, a setting.
//!
//! # Order
//!
//! A packet reads both numbers, then routes, then stamps. The kernel changes its tables before it
//! changes the generation. So a stamp that was computed with old tables is that of an old epoch. An
//! IPv6 route that is deleted changes no generation; there the notifier of routes, which the kernel
//! calls after the deletion, counts a change.

use crate::kapi::{
    ingress::{
        IdleHooks,
        Source, //
    },
    net::Net,
    netfilter::Protocol,
    once::Word,
    rcu::{
        Rcu,
        RcuBox,
        RcuCell, //
    },
    route::Route,
    time,
    work::WorkHandle, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        SetOnce, //
    },
};

/// Bit of a stamp: the flow is not for the fast path in this epoch.
const REFUSED: u32 = 1;
/// Bit of a stamp: the flow is for the fast path unless its device filters sources strictly.
const LOOSE: u32 = 2;
/// Ways of replies in an epoch; a power of two.
const WAYS: usize = 16;
/// Number of the way in the stamp of replies, as a multiple of this.
const WAY: u32 = 4;
/// DSCP of the packet for which the connection was stamped, as a multiple of this: rules and routes
/// may depend on it.
const DSCP: u32 = WAY * WAYS as u32;
/// Difference of the stamps of two epochs. A stamp is repeated after 2^20 epochs. An epoch begins
/// with a packet after a change, so as many need some thousand changes a second for as long as an
/// idle connection lives.
const STEP: u32 = DSCP * 64;

/// State of the fast path in a namespace.
pub(crate) struct FastPath {
    /// Number of events that end all epochs.
    changes: Atomic<u32>,
    /// Stamp of the next epoch.
    next: Atomic<u32>,
    /// Hook functions that may be passed by if `fast_path` is 1.
    pub(crate) idle: IdleHooks,
    /// Time of the last packet for which other functions of hooks were sought, in jiffies.
    asked: Word<u32>,
    /// Work that registers and unregisters the hooks at devices.
    pub(crate) work: SetOnce<WorkHandle>,
}

impl FastPath {
    /// Creates the state.
    pub(crate) const fn new() -> Self {
        Self {
            changes: Atomic::new(0),
            next: Atomic::new(STEP),
            idle: IdleHooks::new(),
            asked: Word::new(0),
            work: SetOnce::new(),
        }
    }

    /// Ends all epochs. Any context.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Full);
    }

    /// Notes that a packet would pass a hook of others. Every five seconds the work looks whether
    /// that is a hook which may be passed by. Any context.
    #[inline(always)]
    pub(crate) fn refused(&self) {
        let now = time::jiffies32();
        if now.wrapping_sub(self.asked.load()) > 5 * time::HZ {
            self.asked.store(now);
            self.arrange();
        }
    }

    /// Queues the work that registers and unregisters the hooks, and learns which hooks may be
    /// passed by.
    pub(crate) fn arrange(&self) {
        if let Some(work) = self.work.as_ref() {
            work.queue_now();
        }
    }

    /// Returns the present epoch of a family at a device; `None` without memory for a new one.
    #[inline(always)]
    pub(crate) fn epoch<'g>(
        &self,
        rcu: Rcu<'g>,
        net: &Net,
        protocol: Protocol,
        port: &'g Port,
    ) -> Option<&'g Epoch> {
        let cell = match protocol {
            Protocol::Ipv4 => &port.v4,
            Protocol::Ipv6 => &port.v6,
        };
        let changes = self.changes.load(Relaxed);
        let routes = net.route_generation(protocol);
        match cell.get(rcu) {
            Some(epoch) if epoch.routes == routes && epoch.changes == changes => Some(epoch),
            _ => self.begin_epoch(rcu, cell, (routes, changes)),
        }
    }

    /// Begins an epoch. Of two CPUs that do so at once the later one's remains; connections that
    /// have the stamp of the other are looked at again.
    #[cold]
    #[inline(never)]
    fn begin_epoch<'g>(
        &self,
        rcu: Rcu<'g>,
        cell: &'g RcuCell<Epoch>,
        (routes, changes): (u32, u32),
    ) -> Option<&'g Epoch> {
        let epoch = Epoch {
            routes,
            changes,
            stamp: self.stamp(),
            ways: [const { RcuCell::empty() }; WAYS],
        };
        Some(cell.install(rcu, RcuBox::new(epoch, GFP_ATOMIC).ok()?))
    }

    /// Returns a stamp that no connection has. It is not 0, which stands for no epoch.
    fn stamp(&self) -> u32 {
        loop {
            let stamp = self.next.fetch_add(STEP, Relaxed);
            if stamp != 0 {
                return stamp;
            }
        }
    }
}

/// State of the fast path at a device: the present epoch of each family.
pub(crate) struct Port {
    v4: RcuCell<Epoch>,
    v6: RcuCell<Epoch>,
}

impl Port {
    /// Ends the epochs, and with them the references of their ways to routes and devices.
    pub(crate) fn forget(&self) {
        self.v4.replace(None);
        self.v6.replace(None);
    }
}

impl Default for Port {
    fn default() -> Self {
        Self {
            v4: RcuCell::empty(),
            v6: RcuCell::empty(),
        }
    }
}

/// Time at one device in which nothing has changed that a flow's route depends on.
pub(crate) struct Epoch {
    /// The kernel's generation of routes.
    routes: u32,
    /// Number of other changes.
    changes: u32,
    /// Number that tells this epoch from those of all devices; a multiple of [`STEP`].
    stamp: u32,
    /// Routes by which replies are forwarded. A place is filled once and not emptied: a stamp has
    /// its number.
    ways: [RcuCell<Route>; WAYS],
}

/// Answer of a connection's stamp.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamped {
    /// The flow was found fit for the fast path in this epoch. Replies have a way with this number.
    Fit(usize),
    /// The same, unless the device filters sources strictly, which a packet has to ask for: the
    /// kernel does not tell if that changes.
    Loose(usize),
    /// The flow was found unfit.
    Unfit,
    /// The flow has not been looked at, or a packet with another DSCP was.
    No,
}

impl Epoch {
    /// Compares a connection's stamp, for a packet with the type of service, or traffic class,
    /// `tos`.
    #[inline(always)]
    pub(crate) fn compare(&self, stamp: u32, tos: u8) -> Stamped {
        let bits = stamp ^ self.stamp ^ dscp(tos);
        let way = (bits / WAY) as usize;
        match bits {
            DSCP.. => Stamped::No,
            _ if bits & REFUSED != 0 => Stamped::Unfit,
            _ if bits & LOOSE != 0 => Stamped::Loose(way),
            _ => Stamped::Fit(way),
        }
    }

    /// Returns a way of replies.
    #[inline(always)]
    pub(crate) fn way<'g>(&'g self, rcu: Rcu<'g>, way: usize) -> Option<&'g Route> {
        self.ways
            .get(way)?
            .get(rcu)
            .filter(|route| route.is_valid())
    }

    /// Finds the way that is the same as `route`, or adds it. Returns its number; `None` if there
    /// are as many as fit, without memory, or if another CPU has just taken the same place.
    pub(crate) fn add_way(&self, rcu: Rcu<'_>, route: Route) -> Option<usize> {
        let is_same = |way: &RcuCell<Route>| {
            let way = way.get(rcu);
            way.is_some_and(|way| way.is_valid() && way.is_same(&route))
        };
        if let Some(found) = self.ways.iter().position(is_same) {
            return Some(found);
        }
        let free = |way: &RcuCell<Route>| way.get(rcu).is_none();
        let place = self.ways.iter().position(free)?;
        let cell = self.ways.get(place)?;
        let route = RcuBox::new(route, GFP_ATOMIC).ok()?;
        cell.exchange(rcu, None, route).then_some(place)
    }

    /// Returns whether there is a way that is not valid any more.
    pub(crate) fn has_old_way(&self, rcu: Rcu<'_>) -> bool {
        let mut ways = self.ways.iter().filter_map(|way| way.get(rcu));
        ways.any(|way| !way.is_valid())
    }

    /// Returns the stamp of replies by a way.
    pub(crate) fn stamp_way(&self, way: Option<(Source, usize)>, tos: u8) -> u32 {
        match way {
            Some((source, way)) => self.stamp(Some(source), tos) | (way as u32).wrapping_mul(WAY),
            None => self.stamp(None, tos),
        }
    }

    /// Returns the stamp for a connection, of which a packet with `tos` was looked at.
    pub(crate) fn stamp(&self, source: Option<Source>, tos: u8) -> u32 {
        let bit = match source {
            Some(Source::Strict) => 0,
            Some(Source::Loose) => LOOSE,
            None => REFUSED,
        };
        self.stamp | dscp(tos) | bit
    }
}

/// Returns the DSCP of a type of service as it is in a stamp.
#[inline(always)]
const fn dscp(tos: u8) -> u32 {
    ((tos >> 2) as u32).wrapping_mul(DSCP)
}
