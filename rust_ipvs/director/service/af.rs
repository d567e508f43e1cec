// SPDX-License-Identifier: GPL-2.0

//! [`AfState`]: services and connections of an address family in a namespace.

use super::Service;
use crate::{
    director::{
        conn::{
            AfQueues,
            ConnTable,
            Connection,
            InetFamily,
            NoCport, //
        },
        dest::{
            rcu_hash::{
                address_hash,
                mix,
                HashEntry,
                HashPos,
                RcuHash, //
            },
            AddrFilter,
            ConfigHeld,
            Counting,
            Destination, //
        },
    },
    kapi::{
        net::Net,
        once::Word,
        rcu::{
            self,
            Rcu, //
        },
        shared::{
            RcuArc,
            RcuRef, //
        },
        slab::Slab,
        time, //
    },
    logic::{
        config::{
            DestinationId,
            DestinationSpec,
            ForwardMethod,
            ServiceId,
            ServiceKey,
            TunnelSpec, //
        },
        family::{
            Endpoint,
            V4,
            V6, //
        },
        ftp::{
            FTP_DATA_PORT,
            FTP_PORT, //
        },
        own_options::OwnOptions,
        packet::TCP,
        sizing, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        Arc,
        SetOnce, //
    },
};

/// Minimum and maximum number of buckets of a service table, as powers of two (V-7).
const SERVICE_BITS: (u32, u32) = (4, 20);

/// Services between two calls of `cond_resched()`.
const PAGE: usize = 64;

/// Position in the order of a family's services.
pub(crate) type ServicePos = HashPos;

/// State of an address family in a namespace.
///
/// Writers prove with [`ConfigHeld`] that they hold the configuration mutex.
pub(crate) struct AfState<F: InetFamily> {
    /// Connection table; allocated with the family's first service, and kept (C-5).
    pub(crate) connections: SetOnce<ConnTable<F>>,
    /// Time until which entries without the client's port may be in the connection table.
    pub(crate) no_cport: NoCport,
    /// Work items of the connection table; set before the table.
    pub(crate) queues: SetOnce<Arc<AfQueues>>,
    /// Services by their keys.
    services: RcuHash<Service<F>>,
    /// Filter of source addresses of replies; read by forwarded packets.
    pub(crate) reply_filter: AddrFilter,
    /// Filter of VIPs; read at the ingress of devices.
    pub(crate) vip_filter: AddrFilter,
    pub(crate) slab: Arc<Slab<Connection<F>>>,
    /// Maximum number of buckets of a connection table, as a power of two.
    most_bits: u32,
    /// Port of the services of the FTP helper; `None` if there is no helper.
    pub(crate) helper_port: Option<u16>,
    /// Destination of `cache_bypass` connections, whose counters are not shown. Created when it is
    /// first needed.
    pub(crate) bypass_dest: SetOnce<RcuArc<Destination>>,
    marked: Word<u32>,
    plain: Word<u32>,
    ftp: Word<u32>,
    any_port: Word<u32>,
    /// Number of services with the helper's port.
    app_services: Word<u32>,
    /// Number of services with a persistence engine, whose destinations may begin connections
    /// (V-3).
    engines: Word<u32>,
    /// Number of services with a `fast_path` of their own above 0.
    fast: Word<u32>,
}

/// Evaluates an expression with the state of one address family.
macro_rules! for_af {
    ($ipvs:expr, $family:expr, $af:ident => $work:expr) => {
        match $family {
            $crate::logic::config::AddressFamily::V4 => {
                let $af = &$ipvs.v4;
                $work
            }
            $crate::logic::config::AddressFamily::V6 => {
                let $af = &$ipvs.v6;
                $work
            }
        }
    };
}
pub(crate) use for_af;

/// Returns the hash of a service's key.
fn key_hash<F: InetFamily>(key: &ServiceKey) -> u32 {
    match *key {
        ServiceKey::Mark(mark) => mix([mark].into_iter()),
        ServiceKey::Address {
            protocol,
            addr,
            port,
        } => {
            let addr = F::from_ip(addr).unwrap_or(F::UNSPECIFIED);
            address_hash(addr.as_ref(), port, protocol)
        }
    }
}

impl<F: InetFamily> HashEntry for Service<F> {
    fn hash(&self) -> Option<u32> {
        Some(key_hash::<F>(&self.id.key))
    }

    fn slot(&self) -> &Word<u32> {
        &self.slot
    }
}

/// Returns the position that follows `place`.
pub(crate) fn pos_after(place: ServicePos) -> ServicePos {
    (place.0, place.1.saturating_add(1))
}

impl<F: InetFamily> AfState<F> {
    pub(crate) fn new(
        slab: Arc<Slab<Connection<F>>>,
        most_bits: u32,
        helper_port: Option<u16>,
    ) -> Self {
        Self {
            connections: SetOnce::new(),
            no_cport: NoCport::new(),
            queues: SetOnce::new(),
            services: RcuHash::new(),
            reply_filter: AddrFilter::new(),
            vip_filter: AddrFilter::new(),
            slab,
            most_bits,
            helper_port,
            bypass_dest: SetOnce::new(),
            marked: Word::new(0),
            plain: Word::new(0),
            ftp: Word::new(0),
            any_port: Word::new(0),
            app_services: Word::new(0),
            engines: Word::new(0),
            fast: Word::new(0),
        }
    }

    /// Creates the connection table, if it does not exist yet (C-5). Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` if the table's work items are not set.
    pub(crate) fn open(&self, lfactor: i32) -> Result {
        if self.connections.as_ref().is_some() {
            return Ok(());
        }
        let queues = self.queues.as_ref().ok_or(EINVAL)?;
        let connections = ConnTable::new(queues.clone(), lfactor, self.most_bits)?;
        self.connections.populate(connections);
        Ok(())
    }

    /// Creates the bypass destination, if it does not exist yet. Process context.
    pub(crate) fn open_bypass_dest(&self, counting: &Counting) -> Result {
        if self.bypass_dest.as_ref().is_some() {
            return Ok(());
        }
        let service = ServiceId {
            family: F::FAMILY,
            key: ServiceKey::Mark(0),
        };
        let bypass_dest = DestinationSpec {
            id: DestinationId {
                addr: F::ip(F::UNSPECIFIED),
                port: 0,
            },
            method: ForwardMethod::BYPASS,
            weight: 1,
            upper: 0,
            lower: 0,
            tunnel: TunnelSpec::default(),
        };
        self.bypass_dest.populate(Destination::new(
            counting,
            &service,
            Destination::NO_SERVICE,
            &bypass_dest,
            &OwnOptions::NONE,
        )?);
        Ok(())
    }

    /// Looks up the service of a packet (V-2).
    ///
    /// Most packets have no mark that is one of a service, and are for a service of their port.
    #[inline(always)]
    pub(crate) fn service<'g>(
        &'g self,
        rcu: Rcu<'g>,
        net: &Net,
        mark: u32,
        protocol: u8,
        at: &Endpoint<F>,
    ) -> Option<&'g Service<F>> {
        let is_plain = mark == 0 || self.marked.load() == 0;
        let service = match is_plain {
            true => self.by_port(rcu, protocol, at, at.port),
            false => None,
        };
        service.or_else(|| self.other_service(rcu, net, mark, (protocol, *at)))
    }

    /// [`Self::service`] if it is not one of the packet's port, or may be one of a mark.
    #[inline(never)]
    fn other_service<'g>(
        &'g self,
        rcu: Rcu<'g>,
        net: &Net,
        mark: u32,
        (protocol, at): (u8, Endpoint<F>),
    ) -> Option<&'g Service<F>> {
        if mark != 0 && self.marked.load() != 0 {
            let key = ServiceKey::Mark(mark);
            if let Some(service) = self.find(rcu, mix([mark].into_iter()), |s| s.id.key == key) {
                return Some(service);
            }
        }
        if self.plain.load() == 0 {
            return None;
        }
        if let Some(service) = self.by_port(rcu, protocol, &at, at.port) {
            return Some(service);
        }
        let may_be_data =
            || at.port == FTP_DATA_PORT || u32::from(at.port) >= net.unprivileged_port_start();
        if protocol == TCP && self.ftp.load() != 0 && may_be_data() {
            if let Some(service) = self.by_port(rcu, protocol, &at, FTP_PORT) {
                return Some(service);
            }
        }
        if self.any_port.load() != 0 {
            return self.by_port(rcu, protocol, &at, 0);
        }
        None
    }

    /// Looks up the service at an address and a port.
    #[inline(always)]
    fn by_port<'g>(
        &'g self,
        rcu: Rcu<'g>,
        protocol: u8,
        at: &Endpoint<F>,
        port: u16,
    ) -> Option<&'g Service<F>> {
        let at = Endpoint::<F> {
            addr: at.addr,
            port,
        };
        let hash = address_hash(at.addr.as_ref(), port, protocol.into());
        self.find(rcu, hash, |s| s.is_at(protocol, &at))
    }

    #[inline(always)]
    fn find<'g>(
        &'g self,
        rcu: Rcu<'g>,
        hash: u32,
        is: impl Fn(&Service<F>) -> bool,
    ) -> Option<&'g Service<F>> {
        let found = self.services.find(rcu, hash, |service| is(&service));
        found.map(RcuRef::get)
    }

    /// Looks up a service by its key.
    pub(crate) fn by_id<'g>(
        &'g self,
        rcu: Rcu<'g>,
        id: &ServiceId,
    ) -> Option<RcuRef<'g, Service<F>>> {
        let hash = key_hash::<F>(&id.key);
        self.services.find(rcu, hash, |service| service.id == *id)
    }

    /// Returns the number of services.
    pub(crate) fn count(&self) -> usize {
        (self.marked.load() as usize).saturating_add(self.plain.load() as usize)
    }

    /// Calls `visit` for each service from a position on, in order and with a reference, until it
    /// returns `false`.
    pub(crate) fn each(
        &self,
        rcu: Rcu<'_>,
        from: ServicePos,
        mut visit: impl FnMut(ServicePos, RcuArc<Service<F>>) -> bool,
    ) {
        let mut from = from;
        while let Some((place, service)) = self.services.next(rcu, from) {
            // Without a reference it has been removed meanwhile.
            if service.try_get().is_some_and(|kept| !visit(place, kept)) {
                return;
            }
            from = pos_after(place);
        }
    }

    /// Calls `work` for each service from a position on, until it returns `false`. Returns that
    /// position, or `None` at the end. Process context; calls `cond_resched()`.
    pub(crate) fn each_paged(
        &self,
        from: ServicePos,
        mut work: impl FnMut(ServicePos, &RcuArc<Service<F>>) -> bool,
    ) -> Result<Option<ServicePos>> {
        let mut from = from;
        let mut page = KVec::with_capacity(PAGE, GFP_KERNEL)?;
        loop {
            rcu::read(|rcu| {
                self.each(rcu, from, |place, service| {
                    page.push_within_capacity((place, service)).is_ok()
                })
            });
            if page.is_empty() {
                return Ok(None);
            }
            for (place, service) in page.drain_all() {
                if !work(place, &service) {
                    return Ok(Some(place));
                }
                from = pos_after(place);
            }
            time::give_way();
        }
    }

    /// Returns the first service at or after a position, with a reference.
    pub(crate) fn next_service(
        &self,
        from: ServicePos,
    ) -> Option<(ServicePos, RcuArc<Service<F>>)> {
        let mut found = None;
        rcu::read(|rcu| {
            self.each(rcu, from, |place, service| {
                found = Some((place, service));
                false
            })
        });
        found
    }

    /// Returns the number of services in each bucket, from the bucket `from` on.
    pub(crate) fn lengths<'g>(
        &'g self,
        rcu: Rcu<'g>,
        from: usize,
    ) -> impl Iterator<Item = usize> + 'g {
        self.services.lengths(rcu, from)
    }

    /// Adds a service. The caller has checked that there is none with its key.
    pub(crate) fn add(
        &self,
        held: &mut ConfigHeld,
        service: RcuArc<Service<F>>,
        lfactor: i32,
    ) -> Result {
        let key = service.id.key;
        if let Some(size) = self.wanted_size(1, lfactor, false) {
            self.services.resize(held, size)?;
        }
        if let Err(error) = self.services.insert(held, &service) {
            // Back to the size for the present services, which have no table if there are none.
            self.fit_services(held, lfactor, false).ok();
            return Err(error);
        }
        self.admit(&key);
        Ok(())
    }

    /// Makes room for services with these keys, so that [`add_reserved`](Self::add_reserved) cannot
    /// fail before [`release`](Self::release).
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the caller has to release what was reserved.
    pub(crate) fn reserve(
        &self,
        held: &mut ConfigHeld,
        keys: &[ServiceKey],
        lfactor: i32,
    ) -> Result {
        let mut hashes = KVVec::with_capacity(keys.len(), GFP_KERNEL)?;
        for key in keys {
            hashes.push(key_hash::<F>(key), GFP_KERNEL)?;
        }
        if let Some(size) = self.wanted_size(keys.len(), lfactor, false) {
            if !keys.is_empty() {
                self.services.resize(held, size)?;
            }
        }
        self.services.reserve(held, &hashes)
    }

    /// Ends a reservation, and fits the table to the services.
    pub(crate) fn release(&self, held: &mut ConfigHeld, lfactor: i32) {
        self.services.release(held);
        // Without memory the table keeps its size.
        self.fit_services(held, lfactor, false).ok();
    }

    /// Adds a service, for whose key room was reserved, and which does not exist.
    ///
    /// # Errors
    ///
    /// `ENOMEM` without a reservation.
    pub(crate) fn add_reserved(
        &self,
        held: &mut ConfigHeld,
        service: &RcuArc<Service<F>>,
    ) -> Result {
        self.services.insert(held, service)?;
        self.admit(&service.id.key);
        Ok(())
    }

    /// Removes a service as [`remove`](Self::remove) does, and leaves the table as large as it is.
    pub(crate) fn remove_reserved(&self, held: &mut ConfigHeld, service: &RcuArc<Service<F>>) {
        self.services.remove(held, service);
        self.count_gates(&service.id.key, false);
    }

    /// Lets packets to a new service pass the filters.
    fn admit(&self, key: &ServiceKey) {
        self.reply_filter.add_service(key);
        self.vip_filter.add_service(key);
        self.count_gates(key, true);
    }

    /// Removes a service.
    pub(crate) fn remove(&self, held: &mut ConfigHeld, service: &RcuArc<Service<F>>, lfactor: i32) {
        self.remove_reserved(held, service);
        // Without memory the table keeps its size.
        self.fit_services(held, lfactor, false).ok();
    }

    /// Resizes the table of services if necessary (V-7).
    pub(crate) fn fit_services(
        &self,
        held: &mut ConfigHeld,
        lfactor: i32,
        changed: bool,
    ) -> Result {
        if self.count() == 0 {
            self.services.clear(held);
        } else if let Some(size) = self.wanted_size(0, lfactor, changed) {
            self.services.resize(held, size)?;
        }
        Ok(())
    }

    /// Returns the number of buckets that the table should have with `more` additional services.
    /// Returns `None` if that is the present one.
    fn wanted_size(&self, more: usize, lfactor: i32, changed: bool) -> Option<usize> {
        let services = self.count().saturating_add(more);
        let size = self.services.size();
        let bits = size.checked_ilog2().unwrap_or(0);
        let (least, most) = SERVICE_BITS;
        let wanted = sizing::wanted_bits(services, lfactor, bits, least, most, changed);
        let wanted = 1usize << wanted;
        (wanted != size).then_some(wanted)
    }

    /// Returns whether a service has a persistence engine.
    #[inline(always)]
    pub(crate) fn has_engines(&self) -> bool {
        self.engines.load() != 0
    }

    /// Returns whether there is a service with the helper's port.
    pub(crate) fn has_app_service(&self) -> bool {
        self.app_services.load() != 0
    }

    /// Updates the number of services with a persistence engine.
    pub(crate) fn count_engine(&self, _: &mut ConfigHeld, before: bool, now: bool) {
        let others = self.engines.load().saturating_sub(before.into());
        self.engines.store(others.saturating_add(now.into()));
    }

    /// Returns whether a service has a `fast_path` of its own above 0.
    pub(crate) fn has_fast(&self) -> bool {
        self.fast.load() != 0
    }

    /// Updates the number of services with a `fast_path` of their own above 0. Returns whether it
    /// changes, so that the hooks of the fast path may have to be arranged.
    #[must_use]
    pub(crate) fn count_fast(
        &self,
        _: &mut ConfigHeld,
        before: &OwnOptions,
        now: &OwnOptions,
    ) -> bool {
        let (before, now) = (before.wants_fast_path(), now.wants_fast_path());
        let others = self.fast.load().saturating_sub(before.into());
        self.fast.store(others.saturating_add(now.into()));
        before != now
    }

    fn count_gates(&self, key: &ServiceKey, more: bool) {
        let step = |word: &Word<u32>| {
            let now = word.load();
            word.store(if more {
                now.saturating_add(1)
            } else {
                now.saturating_sub(1)
            });
        };
        match *key {
            ServiceKey::Mark(_) => step(&self.marked),
            ServiceKey::Address { port, .. } => {
                step(&self.plain);
                if port == FTP_PORT {
                    step(&self.ftp);
                }
                if port == 0 {
                    step(&self.any_port);
                }
                if Some(port) == self.helper_port {
                    step(&self.app_services);
                }
            }
        }
    }
}

/// Address family that selects its state in a namespace.
pub(crate) trait HasAfState: InetFamily {
    /// Returns the state of this family.
    fn af_state<'a>(v4: &'a AfState<V4>, v6: &'a AfState<V6>) -> &'a AfState<Self>;
}

impl HasAfState for V4 {
    #[inline(always)]
    fn af_state<'a>(v4: &'a AfState<V4>, _: &'a AfState<V6>) -> &'a AfState<Self> {
        v4
    }
}

impl HasAfState for V6 {
    #[inline(always)]
    fn af_state<'a>(_: &'a AfState<V4>, v6: &'a AfState<V6>) -> &'a AfState<Self> {
        v6
    }
}
