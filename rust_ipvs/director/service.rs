// SPDX-License-Identifier: GPL-2.0

//! Services: what the world sees, and which destinations stand behind it.

use super::{
    destination::Destination,
    locality::Expirations,
    scheduling::Scheduling,
    stack::Stack,
    stage::Terms,
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
            Rcu, //
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
            DestinationSpec,
            EngineName,
            SchedulerName,
            ServiceId,
            ServiceKey,
            ServiceView,
            Statistics, //
        },
        family::Endpoint,
        sched::{
            Flow,
            Scheduler, //
        },
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// How many destinations are looked at before others get the CPU: adding up the counters of one takes some
/// microseconds on a machine with very many CPUs.
const PAGE: usize = 64;
/// How many are held at a time while something is done to all.
const FEW: usize = 16;

/// A virtual service.
#[pin_data]
pub(crate) struct Service<F: Stack> {
    pub(super) id: ServiceId,
    /// Tells this service from others that had the same identity.
    pub(super) serial: u64,
    #[pin]
    scheduling: Scheduling<F>,
    /// Counts the destinations that came and went.
    changes: Word<u32>,
    #[pin]
    books: Mutex<Books>,
}

impl<F: Stack> Service<F> {
    /// A service without destinations.
    pub(super) fn new(
        id: ServiceId,
        serial: u64,
        terms: Terms,
        expirations: Arc<Expirations>,
    ) -> Result<RcuArc<Self>> {
        let scheduling = Scheduling::new(terms, expirations)?;
        RcuArc::pin_init(
            try_pin_init!(Self {
                id,
                serial,
                scheduling <- scheduling,
                changes: Word::new(0),
                books <- new_mutex!(Books::new()),
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
        self.scheduling.terms(rcu)
    }

    /// Its terms now.
    pub(super) fn terms(&self) -> Terms {
        let now = rcu::read(|rcu| self.scheduling.terms(rcu).copied());
        // They are always there.
        now.unwrap_or(Terms {
            scheduler: None,
            engine: None,
            flags: service_flags::HASHED,
            timeout: 0,
            netmask: 0,
        })
    }

    /// Changes its terms, all at once (V-17). The caller holds the director's mutex.
    pub(super) fn set_terms(&self, terms: Terms) -> Result {
        self.scheduling.set_terms(terms)
    }

    /// Chooses the destination of a new connection, which may take a reference to it.
    pub(super) fn choose<'g>(
        &'g self,
        rcu: Rcu<'g>,
        flow: &Flow<F>,
    ) -> Option<Seen<'g, Destination>> {
        self.scheduling.choose(rcu, flow)
    }

    /// How many destinations there are.
    pub(super) fn count(&self) -> usize {
        self.scheduling.count()
    }

    /// The destination of an identity, with a reference.
    pub(super) fn destination(&self, id: &DestinationId) -> Option<RcuArc<Destination>> {
        self.scheduling.destination(id)
    }

    /// All destinations, with references. Process context.
    pub(super) fn destinations(&self) -> Result<KVec<RcuArc<Destination>>> {
        let mut list = KVec::with_capacity(self.count(), GFP_KERNEL)?;
        rcu::read(|rcu| {
            self.scheduling
                .each_below(rcu, u32::MAX, |_, destination| match destination.keep() {
                    Some(kept) => list.push_within_capacity(kept).is_ok(),
                    None => true,
                })
        });
        Ok(list)
    }

    /// Does something to each destination below a slot, newest first, until it returns `false`; returns the slot where
    /// it did, or `None` at the end. Process context; others get the CPU now and then.
    pub(super) fn each_paged(
        &self,
        below: u32,
        mut work: impl FnMut(&Destination) -> bool,
    ) -> Option<u32> {
        let mut below = below;
        loop {
            let mut page = [const { None }; FEW];
            rcu::read(|rcu| {
                let mut rooms = page.iter_mut();
                self.scheduling.each_below(rcu, below, |slot, destination| {
                    let Some(kept) = destination.keep() else {
                        return true;
                    };
                    // No more are looked at than there is room for.
                    if let Some(room) = rooms.next() {
                        *room = Some((slot, kept));
                    }
                    rooms.len() != 0
                })
            });
            let full = page.last().is_some_and(Option::is_some);
            for (slot, destination) in page.into_iter().flatten() {
                if !work(&destination) {
                    return Some(slot);
                }
                below = slot;
            }
            if !full {
                return None;
            }
            time::give_way();
        }
    }

    /// Adds a destination at the head of the list (V-9). The caller holds the director's mutex.
    ///
    /// What it has counted already, if it comes from the trash of another service, is not this one's.
    pub(super) fn add(&self, destination: RcuArc<Destination>) -> Result {
        let counted = destination.counted.sums();
        self.scheduling.add(destination)?;
        self.books.lock().readmit(&counted);
        self.changed();
        Ok(())
    }

    /// Takes over what a user changed of a destination (V-14). The caller holds the director's mutex.
    pub(super) fn edit(&self, destination: &Destination, spec: &DestinationSpec) -> Result {
        self.scheduling.edit(destination, spec)
    }

    /// Takes a destination out of the list. The caller holds the director's mutex.
    pub(super) fn remove(&self, destination: &RcuArc<Destination>) -> Result {
        self.scheduling.remove(&destination.id)?;
        self.books.lock().retire(&destination.counted.sums());
        self.changed();
        Ok(())
    }

    /// Has the scheduler forget what was not asked for in a while. Process context.
    pub(super) fn forget(&self) {
        self.scheduling.expire();
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
        let mut below = u32::MAX;
        while below > 0 {
            below = rcu::read(|rcu| {
                self.scheduling
                    .some(rcu, below, PAGE as u32, |destination| {
                        sums = plus(&sums, &destination.counted.sums());
                    })
            });
            time::give_way();
        }
        sums
    }

    fn statistics(&self) -> Statistics {
        let present = self.present();
        self.books.lock().read(present)
    }

    /// Starts the statistics of the service and its destinations over (E-10).
    pub(super) fn zero(&self) {
        let present = self.present();
        self.books.lock().zero(present);
        self.each_paged(u32::MAX, |destination| {
            destination.zero();
            true
        });
    }

    /// Stops or restarts the statistics of the service and its destinations (E-8). The caller holds the director's
    /// mutex.
    pub(super) fn freeze(&self, frozen: bool) {
        let present = self.present();
        self.books.lock().freeze(frozen, present);
        self.each_paged(u32::MAX, |destination| {
            destination.freeze(frozen);
            true
        });
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
            destinations: u32::try_from(self.count()).unwrap_or(u32::MAX),
            statistics: self.statistics(),
        }
    }
}
