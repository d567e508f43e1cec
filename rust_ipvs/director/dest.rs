// SPDX-License-Identifier: GPL-2.0

//! Destinations: the real servers of a service (C: `struct ip_vs_dest`).
//!
//! Main types: [`Destination`]; [`Load`](load::Load), its connection counts and OVERLOAD flag;
//! [`Counted`](stats::Counted), its per-CPU statistics; [`RsTable`](rs_table::RsTable), the hash
//! table of real servers; [`Trash`](trash::Trash), the deleted destinations; [`ConfigHeld`], the
//! proof that the configuration mutex is held. This folder is the lowest of the director: it uses
//! none of the others.
//!
//! The fields that packets read and those that connections write are in different cache lines, so
//! that a new connection on one CPU causes no cache misses for packets on the others.

mod addr_filter;
mod config_lock;
mod drain;
mod ip_id;
mod load;
mod overload;
mod own;
pub(crate) mod rcu_hash;
pub(crate) mod reasons;
mod rs_table;
pub(crate) mod stats;
mod trash;

pub(crate) use self::{
    addr_filter::AddrFilter,
    config_lock::ConfigHeld,
    overload::Overloads,
    rs_table::{
        RsKey,
        RsTable, //
    },
    stats::{
        plus,
        Counting, //
    },
    trash::{
        Key,
        Trash, //
        TrashNode,
    },
};

use self::{
    drain::Drain,
    ip_id::Ids,
    load::Load,
    own::OwnValues,
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
            ServiceKey,
            Statistics,
            TunnelSpec, //
        },
        drain::{
            is_idle,
            DrainPhase,
            DrainSpec,
            DrainWord, //
        },
        family::Family,
        own_options::OwnOptions,
        packet::UDP,
        sched::algorithm::Candidate, //
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// Real server of a service.
#[pin_data]
pub(crate) struct Destination {
    pub(crate) id: DestinationId,
    /// Identity of the service it was added to. A service with that identity may revive it from the
    /// trash (V-13).
    pub(crate) service: ServiceId,
    /// Serial number of the present, or the last, service. Protected by the configuration mutex.
    owner: Word<u64>,
    pub(crate) counted: Counted,
    /// Slot in the table of real servers, or `NO_SLOT`. Protected by the configuration mutex.
    pub(super) rs_slot: Word<u32>,
    route: RcuCell<Route>,
    /// Options of its service, and whether it is in its service's list.
    pub(crate) own: OwnValues,
    /// Last weight above 0, or the initial one (V-15).
    last_weight: Word<i32>,
    method: Word<u32>,
    load: Load,
    drain: Drain,
    /// Told of changes of the OVERLOAD flag.
    overloads: Arc<Overloads>,
    /// 1 if listeners were last told that the flag is set. Written by the work that tells them.
    told_overload: Word<u32>,
    /// Tunnel type, flags and port, packed.
    tunnel: Word<u64>,
    /// Identifications of the outer IPv4 headers.
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
    /// Serial number that no service has.
    pub(crate) const NO_SERVICE: u64 = 0;

    /// Returns whether this is the placeholder of a server that is not configured.
    pub(crate) fn is_placeholder(&self) -> bool {
        self.owner.load() == Self::NO_SERVICE
    }

    /// Creates a destination without connections.
    pub(crate) fn new(
        counting: &Counting,
        service: &ServiceId,
        owner: u64,
        spec: &DestinationSpec,
        own: &OwnOptions,
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
                rs_slot: Word::new(rcu_hash::NO_SLOT),
                route: RcuCell::empty(),
                own: OwnValues::new(own),
                last_weight: Word::new(weight),
                method: Word::new(method),
                load: Load::new(weight, thresholds),
                drain: Drain::none(),
                overloads: counting.overloads.clone(),
                told_overload: Word::new(0),
                tunnel: Word::new(tunnel),
                ids: Ids::new(),
                base <- new_mutex!(StatsBase::new()),
            }),
            GFP_KERNEL,
        )
    }

    /// Changes the options (V-14).
    pub(crate) fn edit(&self, _: &mut ConfigHeld, spec: &DestinationSpec) {
        self.load
            .set_weight(spec.weight, self.drain.word().is_drained());
        if spec.weight != 0 {
            self.last_weight.store(spec.weight);
        }
        self.method.store(spec.method.0.into());
        self.tunnel.store(pack(&spec.tunnel));
        if self.load.set_thresholds((spec.upper, spec.lower)) {
            self.overloads.note();
        }
        self.forget_route();
    }

    /// Sets the options of a destination that is taken from the trash (V-13).
    ///
    /// Zeroes the statistics if `owner` shows that the service has been deleted and added anew.
    pub(crate) fn revive(
        &self,
        held: &mut ConfigHeld,
        owner: u64,
        spec: &DestinationSpec,
        own: &OwnOptions,
    ) {
        self.own.set(held, own);
        if self.owner.load() != owner {
            self.owner.store(owner);
            self.zero();
        }
        self.edit(held, spec);
        self.last_weight.store(spec.weight);
        self.set_available(held, true);
    }

    /// Returns whether the destination is in its service's list (C: `IP_VS_DEST_F_AVAILABLE`).
    #[inline(always)]
    pub(crate) fn is_available(&self) -> bool {
        self.own.is_available()
    }

    /// Sets whether the destination is in its service's list.
    pub(crate) fn set_available(&self, held: &mut ConfigHeld, available: bool) {
        self.own.set_available(held, available);
        self.forget_route();
    }

    /// Sets the options of its service. Connections take timeouts with their next packet.
    pub(crate) fn set_own(&self, held: &mut ConfigHeld, own: &OwnOptions) {
        self.own.set(held, own);
    }

    /// Returns the address; the unspecified one if it is of another family.
    #[inline(always)]
    pub(crate) fn addr<F: Family>(&self) -> F::Addr {
        F::from_ip(self.id.addr).unwrap_or(F::UNSPECIFIED)
    }

    /// Returns the weight as it was set.
    pub(crate) fn weight(&self) -> i32 {
        self.load.weight()
    }

    /// Returns the share of new connections: the weight, or 0 while the destination is drained.
    /// With 0 it gets none.
    #[inline(always)]
    pub(crate) fn share(&self) -> i32 {
        self.load.share()
    }

    /// Returns the phase and the flags of its drain.
    #[inline(always)]
    pub(crate) fn drain_word(&self) -> DrainWord {
        self.drain.word()
    }

    /// Returns the options of its drain, if it is drained.
    pub(crate) fn drain_spec(&self) -> Option<DrainSpec> {
        self.drain.spec()
    }

    /// Begins a drain, or begins the present one anew with other options. No scheduler chooses the
    /// destination any more.
    pub(crate) fn begin_drain(&self, held: &mut ConfigHeld, spec: &DrainSpec) {
        // Before the share, so that a packet that sees none finds out that templates are not kept.
        self.drain.begin(held, spec);
        self.load.set_weight(self.weight(), true);
    }

    /// Ends the drain, if there is one. Schedulers may choose the destination by its weight.
    pub(crate) fn end_drain(&self, held: &mut ConfigHeld) {
        if self.drain.end(held) {
            self.load.set_weight(self.weight(), false);
        }
    }

    /// Changes the phase of its drain.
    pub(crate) fn set_drain_phase(&self, held: &mut ConfigHeld, phase: DrainPhase) {
        self.drain.set_phase(held, phase);
    }

    /// Returns the phase of its drain that follows. The caller sets it.
    pub(crate) fn next_drain_phase(&self) -> DrainPhase {
        let is_udp = match self.service.key {
            ServiceKey::Address { protocol, .. } => protocol == u16::from(UDP),
            ServiceKey::Mark(_) => false,
        };
        let is_idle = is_idle(is_udp, self.load.active(), self.load.total());
        let phase = self.drain.word().phase();
        phase.next(is_idle, self.drain.is_late())
    }

    /// Counts a connection that the deadline of its drain has ended, or that is told by RST, too.
    /// The only caller is the work that ends them.
    pub(crate) fn count_drained(&self, is_reset: bool) {
        self.drain.count(is_reset);
    }

    /// Sets whether it is in the list of those that are drained. Returns whether that is a change.
    pub(crate) fn set_drain_listed(&self, held: &mut ConfigHeld, is_listed: bool) -> bool {
        self.drain.set_listed(held, is_listed)
    }

    /// Returns whether the OVERLOAD flag is set, if listeners were last told otherwise, and takes
    /// note that they are told now. Of concurrent changes of the flag one queues the work again.
    pub(crate) fn overload_to_tell(&self) -> Option<bool> {
        let is_overloaded = self.load.is_overloaded();
        let told = self.told_overload.load() != 0;
        self.told_overload.store(is_overloaded.into());
        (told != is_overloaded).then_some(is_overloaded)
    }

    /// Returns the forwarding method of new connections.
    pub(crate) fn method(&self) -> ForwardMethod {
        ForwardMethod(self.method.load() as u8)
    }

    /// Returns the tunnel options.
    #[inline(always)]
    pub(crate) fn tunnel(&self) -> TunnelSpec {
        unpack(self.tunnel.load())
    }

    /// Drops the cached route, and with it the references to the kernel's route and its device.
    pub(crate) fn forget_route(&self) {
        self.route.replace(None);
    }

    /// Returns the route: the cached one if it is still valid.
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
        // If another CPU replaces it, the old one is valid until the end of this RCU section.
        let route = self.route.install(rcu, route);
        // A deleted destination must not keep a route, which would pin its device. Deletion clears
        // the flag and then takes the route. Both sides exchange the pointer, a full barrier, so
        // either this load sees the cleared flag, or the deletion sees this route.
        if !self.is_available() {
            self.forget_route();
        }
        Some(route)
    }

    /// Counts a connection (C-22, S-25).
    #[inline(always)]
    pub(crate) fn bind(&self, active: bool) {
        if self.load.bind(active) {
            self.overloads.note();
        }
    }

    /// Removes a connection from the counts.
    #[inline(always)]
    pub(crate) fn unbind(&self, active: bool) {
        if self.load.unbind(active) {
            self.overloads.note();
        }
    }

    /// Counts a template (C-22).
    pub(crate) fn bind_template(&self) {
        self.load.bind_template();
    }

    /// Removes a template from the counts.
    pub(crate) fn unbind_template(&self) {
        self.load.unbind_template();
    }

    /// Counts a connection that became active (`true`) or inactive (`false`) (T-6).
    pub(crate) fn activity(&self, active: bool) {
        self.load.activity(active);
    }

    /// Returns the options.
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

    /// Returns counters and rates.
    fn statistics(&self) -> Statistics {
        self.base.lock().read(self.counted.sums())
    }

    /// Zeroes the statistics (E-10).
    pub(crate) fn zero(&self) {
        self.base.lock().zero(self.counted.sums());
    }

    /// Stops or restarts the estimation (E-8).
    pub(crate) fn freeze(&self, frozen: bool) {
        self.base.lock().freeze(frozen, self.counted.sums());
    }

    /// Returns the destination in the form in which it is dumped.
    pub(crate) fn view(&self) -> DestinationView {
        DestinationView {
            statistics: self.statistics(),
            ..self.outline()
        }
    }

    /// Returns the destination as [`Self::view`] does, without statistics, which take time for each
    /// CPU.
    pub(crate) fn outline(&self) -> DestinationView {
        let count = |count: i32| u32::try_from(count).unwrap_or(0);
        let (active, total) = (count(self.active()), count(self.total()));
        DestinationView {
            spec: self.spec(),
            active,
            inactive: total.saturating_sub(active),
            persistent: count(self.load.persistent()),
            drain: self.drain.view(),
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
        self.share()
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
