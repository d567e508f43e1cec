// SPDX-License-Identifier: GPL-2.0

//! Destinations: the real servers of a service.
//!
//! What packets read and what connections write lie in different cache lines, so that a new
//! connection on one CPU does not slow packets on the others.

mod config_lock;
mod ip_id;
mod load;
mod reply_filter;
mod rs_table;
pub(crate) mod stats;
mod trash;

pub(crate) use self::{
    config_lock::ConfigHeld,
    reply_filter::ReplyFilter,
    rs_table::RsTable,
    stats::{
        plus,
        Counting, //
    },
    trash::{
        Key,
        Room,
        Trash, //
    },
};

use self::{
    ip_id::Ids,
    load::Load,
    stats::{
        Counted,
        StatsBase, //
    },
};
use crate::{
    kapi::{
        net::Net,
        once::Word,
        rcu::{
            Rcu,
            RcuBox,
            RcuCell, //
        },
        route::{
            Route,
            RouteKind, //
        },
        shared::RcuArc, //
    },
    logic::{
        config::{
            DestinationId,
            DestinationSpec,
            DestinationView,
            ForwardMethod,
            Ip,
            ServiceId,
            Statistics,
            TunnelSpec, //
        },
        family::Family,
        sched::algorithm::Candidate, //
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// Slot number of a destination that is not in the table of real servers, whose
/// buckets have fewer.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// A real server of a service.
#[pin_data]
pub(crate) struct Destination {
    pub(crate) id: DestinationId,
    /// The service it was added to; one of that identity may take it back (V-13).
    pub(crate) service: ServiceId,
    /// The serial number of the service that has it, or had it last; under the configuration mutex.
    owner: Word<u64>,
    pub(crate) counted: Counted,
    /// Slot in the table of real servers, or [`NO_SLOT`]; under the configuration mutex.
    pub(super) rs_slot: Word<u32>,
    route: RcuCell<Route>,
    /// 1 while it belongs to its service, 0 once it was deleted.
    available: Word<u32>,
    /// The weight that it last had above 0, or began with (V-15).
    last_weight: Word<i32>,
    method: Word<u32>,
    load: Load,
    /// Kind, flags, port of the encapsulation, packed.
    tunnel: Word<u64>,
    /// Identifications of what travels in tunnels to it.
    pub(crate) ids: Ids,
    #[pin]
    base: Mutex<StatsBase>,
}

fn pack(tunnel: &TunnelSpec) -> u64 {
    u64::from(tunnel.kind) | (u64::from(tunnel.flags) << 16) | (u64::from(tunnel.port) << 32)
}

fn unpack(tunnel: u64) -> TunnelSpec {
    TunnelSpec {
        kind: tunnel as u8,
        flags: (tunnel >> 16) as u16,
        port: (tunnel >> 32) as u16,
    }
}

impl Destination {
    /// The serial number of no service.
    pub(crate) const NO_SERVICE: u64 = 0;

    /// Returns whether it is no service's, and nobody has configured it.
    pub(crate) fn is_placeholder(&self) -> bool {
        self.owner.load() == Self::NO_SERVICE
    }

    /// A destination without connections.
    pub(crate) fn new(
        counting: &Counting,
        service: &ServiceId,
        owner: u64,
        spec: &DestinationSpec,
    ) -> Result<RcuArc<Self>> {
        let counted = counting.counted(owner != Self::NO_SERVICE)?;
        let (id, service, tunnel) = (spec.id, *service, pack(&spec.tunnel));
        let (weight, method) = (spec.weight, u32::from(spec.method.0));
        let thresholds = (spec.upper, spec.lower);
        RcuArc::pin_init(
            try_pin_init!(Self {
                id,
                service,
                owner: Word::new(owner),
                counted,
                rs_slot: Word::new(NO_SLOT),
                route: RcuCell::empty(),
                available: Word::new(1),
                last_weight: Word::new(weight),
                method: Word::new(method),
                load: Load::new(weight, thresholds),
                tunnel: Word::new(tunnel),
                ids: Ids::new(),
                base <- new_mutex!(StatsBase::new()),
            }),
            GFP_KERNEL,
        )
    }

    /// Takes over what a user changed (V-14). The caller holds the configuration mutex.
    pub(crate) fn edit(&self, spec: &DestinationSpec) {
        self.load.set_weight(spec.weight);
        if spec.weight != 0 {
            self.last_weight.store(spec.weight);
        }
        self.method.store(spec.method.0.into());
        self.tunnel.store(pack(&spec.tunnel));
        self.load.set_thresholds((spec.upper, spec.lower));
        self.forget_route();
    }

    /// Takes over what a user says of one that comes back from the trash (V-13).
    ///
    /// A service that was made anew, which the serial number tells, starts its statistics over.
    pub(crate) fn revive(&self, owner: u64, spec: &DestinationSpec) {
        if self.owner.load() != owner {
            self.owner.store(owner);
            self.zero();
        }
        self.edit(spec);
        self.last_weight.store(spec.weight);
        self.set_available(true);
    }

    /// Returns whether the destination belongs to its service.
    #[inline(always)]
    pub(crate) fn is_available(&self) -> bool {
        self.available.load() != 0
    }

    /// Says whether the destination belongs to its service.
    pub(crate) fn set_available(&self, available: bool) {
        self.available.store(available.into());
        self.forget_route();
    }

    /// Its address as packets of a family have it; one of the other family has none there.
    #[inline(always)]
    pub(crate) fn addr<F: Family>(&self) -> F::Addr {
        F::from_ip(self.id.addr).unwrap_or(F::UNSPECIFIED)
    }

    /// Its weight; with 0 it gets no new connections.
    #[inline(always)]
    pub(crate) fn weight(&self) -> i32 {
        self.load.weight()
    }

    /// Returns how packets of new connections reach it.
    pub(crate) fn method(&self) -> ForwardMethod {
        ForwardMethod(self.method.load() as u8)
    }

    /// Returns how packets in tunnels to it are encapsulated.
    #[inline(always)]
    pub(crate) fn tunnel(&self) -> TunnelSpec {
        unpack(self.tunnel.load())
    }

    /// Drops the cached route, and with it what the route refers to: another route, and its device.
    pub(crate) fn forget_route(&self) {
        self.route.replace(None);
    }

    /// The route to the destination: that of the last look-up while nothing changed.
    #[inline(always)]
    pub(crate) fn route<'g>(
        &'g self,
        rcu: Rcu<'g>,
        net: &Net,
        wanted: RouteKind,
    ) -> Option<&'g Route> {
        match self.route.get(rcu) {
            Some(route) if route.serves(wanted) && route.is_valid() => Some(route),
            _ => self.find_route(rcu, net, wanted),
        }
    }

    #[cold]
    fn find_route<'g>(&'g self, rcu: Rcu<'g>, net: &Net, wanted: RouteKind) -> Option<&'g Route> {
        let route = match self.id.addr {
            Ip::V4(addr) => Route::v4(net, addr, wanted),
            Ip::V6(addr) => Route::v6(net, addr, wanted),
        }?;
        let route = RcuBox::new(route, GFP_ATOMIC).ok()?;
        // Whoever replaces it just now leaves it as it is for this packet.
        let route = self.route.install(rcu, route);
        // A destination that is deleted keeps no route, which would keep its device. Either this
        // sees that it is, or whoever deletes it, who says so first, sees this route: both exchange
        // the pointer in between, which is a full barrier.
        if !self.is_available() {
            self.forget_route();
        }
        Some(route)
    }

    /// Counts a connection (C-22, S-25).
    #[inline(always)]
    pub(crate) fn bind(&self, active: bool) {
        self.load.bind(active);
    }

    /// Counts a connection no more.
    #[inline(always)]
    pub(crate) fn unbind(&self, active: bool) {
        self.load.unbind(active);
    }

    /// Counts a template (C-22).
    pub(crate) fn bind_template(&self) {
        self.load.bind_template();
    }

    /// Counts a template no more.
    pub(crate) fn unbind_template(&self) {
        self.load.unbind_template();
    }

    /// A connection became active, or ceased to be (T-6).
    pub(crate) fn activity(&self, active: bool) {
        self.load.activity(active);
    }

    /// Returns what users said of it.
    pub(crate) fn spec(&self) -> DestinationSpec {
        let (upper, lower) = self.load.thresholds();
        DestinationSpec {
            id: self.id,
            method: self.method(),
            weight: self.weight(),
            upper,
            lower,
            tunnel: self.tunnel(),
        }
    }

    /// Returns counters and rates as administrators see them.
    fn statistics(&self) -> Statistics {
        self.base.lock().read(self.counted.sums())
    }

    /// Starts the statistics over (E-10).
    pub(crate) fn zero(&self) {
        self.base.lock().zero(self.counted.sums());
    }

    /// Stops or restarts the statistics (E-8).
    pub(crate) fn freeze(&self, frozen: bool) {
        self.base.lock().freeze(frozen, self.counted.sums());
    }

    /// Returns it as administrators see it.
    pub(crate) fn view(&self) -> DestinationView {
        DestinationView {
            statistics: self.statistics(),
            ..self.outline()
        }
    }

    /// Returns it as administrators see it, without statistics, which cost a look at each CPU.
    pub(crate) fn outline(&self) -> DestinationView {
        let count = |count: i32| u32::try_from(count).unwrap_or(0);
        let (active, total) = (count(self.active()), count(self.total()));
        DestinationView {
            spec: self.spec(),
            active,
            inactive: total.saturating_sub(active),
            persistent: count(self.load.persistent()),
            statistics: Statistics::default(),
        }
    }
}

impl Candidate for Destination {
    fn id(&self) -> &DestinationId {
        &self.id
    }

    #[inline(always)]
    fn weight(&self) -> i32 {
        Destination::weight(self)
    }

    fn last_weight(&self) -> i32 {
        self.last_weight.load()
    }

    fn available(&self) -> bool {
        self.is_available()
    }

    #[inline(always)]
    fn offer(&self) -> i32 {
        self.load.offer()
    }

    #[inline(always)]
    fn active(&self) -> i32 {
        self.load.active()
    }

    #[inline(always)]
    fn total(&self) -> i32 {
        self.load.total()
    }
}
