// SPDX-License-Identifier: GPL-2.0

//! Services: what the world sees, and which destinations stand behind it.

use super::{
    destination::Destination,
    stack::Stack,
    statistics::{
        plus,
        Books, //
    },
};
use crate::{
    kapi::{
        once::Word,
        rcu::{
            self,
            Prepared,
            Rcu,
            RcuCell, //
        },
        shared::{
            RcuArc,
            Seen, //
        },
        time,
    },
    logic::{
        config::{
            service_flags,
            Counters,
            DestinationId,
            EngineName,
            SchedulerName,
            ServiceId,
            ServiceKey,
            ServiceSpec,
            ServiceView,
            Statistics, //
        },
        engine::Engine,
        family::Endpoint,
        packet::UDP,
        sched::{
            Cell32,
            Flow,
            Scheduler, //
        },
    },
};
use core::marker::PhantomData;
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// What of a service a user may change; replaced as a whole.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// `None` is a service that finds no destination (V-18).
    pub(super) scheduler: Option<Scheduler>,
    pub(super) engine: Option<Engine>,
    pub(super) flags: u32,
    pub(super) timeout: u32,
    pub(super) netmask: u32,
}

/// The scheduler's number, which all CPUs read and write.
struct Position(Word<u32>);

impl Cell32 for Position {
    fn load(&self) -> u32 {
        self.0.load()
    }

    fn store(&self, v: u32) {
        self.0.update(v);
    }
}

/// How many destinations are looked at before others get the CPU: adding up the counters of one takes some
/// microseconds on a machine with very many CPUs.
const PAGE: usize = 64;

/// A virtual service.
#[pin_data]
pub(crate) struct Service<F: Stack> {
    pub(super) id: ServiceId,
    /// Tells this service from others that had the same identity.
    pub(super) serial: u64,
    terms: RcuCell<Terms>,
    /// Newest first (V-9).
    destinations: RcuCell<KVec<RcuArc<Destination>>>,
    position: Position,
    /// Counts the destinations that came and went.
    changes: Word<u32>,
    #[pin]
    books: Mutex<Books>,
    _family: PhantomData<F>,
}

impl Terms {
    /// What a user asks for, given the flags that are set now; the scheduler is known to exist.
    pub(super) fn of(spec: &ServiceSpec, scheduler: Option<Scheduler>, flags: u32) -> Self {
        let flags = (flags & !spec.flags_mask) | (spec.flags & spec.flags_mask);
        Self {
            scheduler,
            engine: spec
                .engine
                .and_then(|name| Engine::by_name(name.as_bytes())),
            flags: flags | service_flags::HASHED,
            timeout: spec.timeout,
            netmask: spec.netmask,
        }
    }

    /// Whether clients come back to their destinations (P-1).
    pub(super) fn is_persistent(&self) -> bool {
        self.flags & service_flags::PERSISTENT != 0
    }

    /// Whether each packet of a protocol is a connection by itself (S-12).
    pub(super) fn is_of_single_packets(&self, protocol: u8) -> bool {
        protocol == UDP && self.flags & service_flags::ONEPACKET != 0
    }
}

impl<F: Stack> Service<F> {
    /// A service without destinations.
    pub(super) fn new(id: ServiceId, serial: u64, terms: Terms) -> Result<RcuArc<Self>> {
        let terms = RcuCell::new(Prepared::new(terms, GFP_KERNEL)?);
        RcuArc::pin_init(
            try_pin_init!(Self {
                id,
                serial,
                terms,
                destinations: RcuCell::empty(),
                position: Position(Word::new(0)),
                changes: Word::new(0),
                books <- new_mutex!(Books::new()),
                _family: PhantomData,
            }),
            GFP_KERNEL,
        )
    }

    /// Whether packets to an endpoint are this service's.
    pub(super) fn is_at(&self, protocol: u8, at: &Endpoint<F>) -> bool {
        match self.id.key {
            ServiceKey::Address {
                protocol: own,
                addr,
                port,
            } => own == u16::from(protocol) && port == at.port && addr == F::ip(at.addr),
            ServiceKey::Mark(_) => false,
        }
    }

    /// The port that it was made for; 0 for a marked service and for one of all ports.
    pub(super) fn port(&self) -> u16 {
        match self.id.key {
            ServiceKey::Address { port, .. } => port,
            ServiceKey::Mark(_) => 0,
        }
    }

    /// Whether a mark decides what belongs to it.
    pub(super) fn is_marked(&self) -> bool {
        matches!(self.id.key, ServiceKey::Mark(_))
    }

    /// Its terms as a packet finds them.
    pub(super) fn terms_seen<'g>(&'g self, rcu: Rcu<'g>) -> Option<&'g Terms> {
        self.terms.get(rcu)
    }

    /// Its terms now.
    pub(super) fn terms(&self) -> Terms {
        let now = rcu::read(|rcu| self.terms.get(rcu).copied());
        // The cell is never emptied.
        now.unwrap_or(Terms {
            scheduler: None,
            engine: None,
            flags: service_flags::HASHED,
            timeout: 0,
            netmask: 0,
        })
    }

    /// Changes its terms, all at once (V-17).
    pub(super) fn set_terms(&self, terms: Terms) -> Result {
        self.terms.replace(Some(Prepared::new(terms, GFP_KERNEL)?));
        Ok(())
    }

    /// Chooses the destination of a new connection, which may take a reference to it.
    ///
    /// The flow's addresses and ports are for schedulers that go by them.
    pub(super) fn choose<'g>(
        &'g self,
        rcu: Rcu<'g>,
        _flow: &Flow<F>,
    ) -> Option<Seen<'g, Destination>> {
        let scheduler = self.terms.get(rcu)?.scheduler?;
        let list = self.destinations.get(rcu)?;
        Some(list.get(scheduler.pick(list, &self.position)?)?.seen())
    }

    /// Calls `visit` for each destination from the `from`th on, until it returns `false`.
    pub(super) fn each<'g>(
        &'g self,
        rcu: Rcu<'g>,
        mut visit: impl FnMut(&'g RcuArc<Destination>) -> bool,
    ) {
        for destination in self
            .destinations
            .get(rcu)
            .into_iter()
            .flat_map(|l| l.iter())
        {
            if !visit(destination) {
                return;
            }
        }
    }

    /// The destination of an identity, with a reference.
    pub(super) fn destination(&self, id: &DestinationId) -> Option<RcuArc<Destination>> {
        rcu::read(|rcu| {
            let list = self.destinations.get(rcu)?;
            list.iter().find(|d| d.id == *id).cloned()
        })
    }

    /// Some destinations from the `from`th on, with references; none where there are no more. Process context.
    pub(super) fn page(&self, from: usize) -> Result<KVec<RcuArc<Destination>>> {
        let mut list = KVec::with_capacity(PAGE, GFP_KERNEL)?;
        rcu::read(|rcu| {
            let all = self.destinations.get(rcu).map_or(&[][..], |list| list);
            for destination in all.iter().skip(from).take(PAGE) {
                list.push_within_capacity(destination.clone()).ok();
            }
        });
        Ok(list)
    }

    /// All destinations, with references. Process context.
    pub(super) fn destinations(&self, room: usize) -> Result<KVec<RcuArc<Destination>>> {
        let len = rcu::read(|rcu| self.destinations.get(rcu).map_or(0, |list| list.len()));
        let mut list = KVec::with_capacity(len.saturating_add(room), GFP_KERNEL)?;
        rcu::read(|rcu| self.each(rcu, |d| list.push_within_capacity(d.clone()).is_ok()));
        Ok(list)
    }

    /// Adds a destination at the head of the list. The caller holds the director's mutex.
    ///
    /// What it has counted already, if it comes from the trash of another service, is not this one's.
    pub(super) fn add(&self, destination: RcuArc<Destination>) -> Result {
        let old = self.destinations(0)?;
        let mut list = KVec::with_capacity(old.len().saturating_add(1), GFP_KERNEL)?;
        let counted = destination.counted.sums();
        list.push(destination, GFP_KERNEL)?;
        for other in old {
            list.push(other, GFP_KERNEL)?;
        }
        let list = Prepared::new(list, GFP_KERNEL)?;
        if let Some(scheduler) = self.terms().scheduler {
            self.position
                .store(scheduler.inserted(self.position.load()));
        }
        self.books.lock().readmit(&counted);
        self.changed();
        self.destinations.replace(Some(list));
        Ok(())
    }

    /// Takes a destination out of the list. The caller holds the director's mutex.
    pub(super) fn remove(&self, destination: &RcuArc<Destination>) -> Result {
        let mut list = self.destinations(0)?;
        let Some(index) = list.iter().position(|other| other.same(destination)) else {
            return Ok(());
        };
        list.retain(|other| !other.same(destination));
        let list = Prepared::new(list, GFP_KERNEL)?;
        self.destinations.replace(Some(list));
        if let Some(scheduler) = self.terms().scheduler {
            self.position
                .store(scheduler.removed(self.position.load(), index));
        }
        self.books.lock().retire(&destination.counted.sums());
        self.changed();
        Ok(())
    }

    /// The list of destinations is another one now. The caller holds the director's mutex.
    fn changed(&self) {
        self.changes.store(self.changes.load().wrapping_add(1));
    }

    /// What its destinations, present and gone, counted while they were its own.
    pub(super) fn sums(&self) -> Counters {
        let retired = self.books.lock().retired();
        plus(&self.present(), &retired)
    }

    /// What its present destinations counted. There may be very many: others get the CPU in between, and where a
    /// destination comes or goes meanwhile, it is done again.
    fn present(&self) -> Counters {
        let mut tries = 8u32;
        loop {
            let changes = self.changes.load();
            let sums = self.sum_pages();
            tries = tries.saturating_sub(1);
            if tries == 0 || self.changes.load() == changes {
                return sums;
            }
        }
    }

    fn sum_pages(&self) -> Counters {
        let mut sums = Counters::default();
        let mut from = 0usize;
        loop {
            let seen = rcu::read(|rcu| {
                let all = self.destinations.get(rcu).map_or(&[][..], |list| list);
                let page = all.get(from..).unwrap_or(&[]);
                let page = page.get(..PAGE).unwrap_or(page);
                for destination in page {
                    sums = plus(&sums, &destination.counted.sums());
                }
                page.len()
            });
            if seen < PAGE {
                return sums;
            }
            from = from.saturating_add(seen);
            time::give_way();
        }
    }

    fn statistics(&self) -> Statistics {
        let present = self.present();
        self.books.lock().read(present)
    }

    /// Starts the statistics of the service and its destinations over (E-10).
    pub(super) fn zero(&self) -> Result {
        let present = self.present();
        self.books.lock().zero(present);
        self.each_paged(Destination::zero)
    }

    /// Stops or restarts the statistics of the service and its destinations (E-8). The caller holds the director's
    /// mutex.
    pub(super) fn freeze(&self, frozen: bool) -> Result {
        let present = self.present();
        self.books.lock().freeze(frozen, present);
        self.each_paged(|destination| destination.freeze(frozen))
    }

    /// Does something to each destination. The caller holds the director's mutex, so that none comes or goes.
    fn each_paged(&self, work: impl Fn(&Destination)) -> Result {
        let mut from = 0usize;
        loop {
            let page = self.page(from)?;
            if page.is_empty() {
                return Ok(());
            }
            from = from.saturating_add(page.len());
            for destination in page {
                work(&destination);
            }
            time::give_way();
        }
    }

    /// How people see it.
    pub(super) fn view(&self) -> ServiceView {
        let terms = self.terms();
        let scheduler = terms.scheduler.map_or("none", Scheduler::name);
        ServiceView {
            id: self.id,
            scheduler: SchedulerName::new(scheduler.as_bytes()).unwrap_or(SchedulerName::EMPTY),
            engine: terms
                .engine
                .and_then(|engine| EngineName::new(engine.name().as_bytes())),
            flags: terms.flags,
            timeout: terms.timeout,
            netmask: terms.netmask,
            statistics: self.statistics(),
        }
    }
}
