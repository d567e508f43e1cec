// SPDX-License-Identifier: GPL-2.0

//! Services: what the world sees, and which destinations stand behind it.

mod af;
mod dests;
mod lblc;
mod prealloc;
mod snapshot;

pub(crate) use self::{
    af::{
        for_af,
        AfState,
        HasAfState,
        ServicePos, //
    },
    lblc::Expirations,
    snapshot::SvcOptions, //
};

use self::dests::Scheduling;
use crate::{
    director::{
        conn::InetFamily,
        dest::{
            plus,
            stats,
            ConfigHeld,
            Destination, //
        },
    },
    kapi::{
        once::Word,
        rcu::{
            self,
            Rcu, //
        },
        shared::{
            RcuArc,
            RcuRef, //
        },
        time, //
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
use core::{
    array::IntoIter,
    iter::Flatten, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// Destinations that are looked at before others get the CPU: adding up the counters of one takes
/// some microseconds on a machine with very many CPUs.
const PAGE: usize = 64;
/// Destinations that are referenced at a time while something is done to all.
const FEW: usize = 16;

/// Destinations that follow each other, each with its slot.
pub(crate) struct Page([Option<(u32, RcuArc<Destination>)>; FEW]);

impl Page {
    /// Returns whether others may follow.
    pub(crate) fn is_full(&self) -> bool {
        self.0.last().is_some_and(Option::is_some)
    }
}

impl IntoIterator for Page {
    type Item = (u32, RcuArc<Destination>);
    type IntoIter = Flatten<IntoIter<Option<Self::Item>, FEW>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

/// A virtual service.
///
/// Whoever changes it shows [`ConfigHeld`]: there is one of them at a time.
#[pin_data]
pub(crate) struct Service<F: InetFamily> {
    pub(crate) id: ServiceId,
    /// Tells this service from others that had the same identity.
    pub(crate) serial: u64,
    #[pin]
    scheduling: Scheduling<F>,
    /// Counts the destinations that came and went.
    changes: Word<u32>,
    #[pin]
    base: Mutex<stats::StatsBase>,
}

impl<F: InetFamily> Service<F> {
    /// A service without destinations.
    pub(crate) fn new(
        id: ServiceId,
        serial: u64,
        options: SvcOptions,
        expirations: Arc<Expirations>,
    ) -> Result<RcuArc<Self>> {
        let scheduling = Scheduling::new(options, expirations)?;
        RcuArc::pin_init(
            try_pin_init!(Self {
                id,
                serial,
                scheduling <- scheduling,
                changes: Word::new(0),
                base <- new_mutex!(stats::StatsBase::new()),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns whether packets to an endpoint are this service's.
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
    pub(crate) fn port(&self) -> u16 {
        match self.id.key {
            ServiceKey::Address { port, .. } => port,
            ServiceKey::Mark(_) => 0,
        }
    }

    /// Returns whether a mark decides what belongs to it.
    pub(crate) fn is_marked(&self) -> bool {
        matches!(self.id.key, ServiceKey::Mark(_))
    }

    /// Returns its options as a packet finds them.
    pub(crate) fn options_at<'g>(&'g self, rcu: Rcu<'g>) -> Option<&'g SvcOptions> {
        self.scheduling.options(rcu)
    }

    /// Returns its options now.
    pub(crate) fn options(&self) -> SvcOptions {
        let now = rcu::read(|rcu| self.scheduling.options(rcu).copied());
        // Of a service that has been deleted meanwhile, those of one without a scheduler.
        now.unwrap_or(SvcOptions {
            scheduler: None,
            engine: None,
            flags: service_flags::HASHED,
            timeout: 0,
            netmask: 0,
        })
    }

    /// Changes its options, all at once (V-17).
    pub(crate) fn set_options(&self, _: &mut ConfigHeld, options: SvcOptions) -> Result {
        self.scheduling.set_options(options)
    }

    /// Chooses the destination of a new connection, which may take a reference to it.
    pub(crate) fn choose<'g>(
        &'g self,
        rcu: Rcu<'g>,
        flow: &Flow<F>,
    ) -> Option<RcuRef<'g, Destination>> {
        self.scheduling.choose(rcu, flow)
    }

    /// Number of destinations.
    pub(crate) fn count(&self) -> usize {
        self.scheduling.count()
    }

    /// The destination of an identity, with a reference.
    pub(crate) fn destination(&self, id: &DestinationId) -> Option<RcuArc<Destination>> {
        self.scheduling.destination(id)
    }

    /// Returns all destinations, with references. Process context; others get the CPU now and then.
    pub(crate) fn destinations(&self) -> Result<KVVec<RcuArc<Destination>>> {
        let count = self.count();
        let mut list = KVVec::with_capacity(count, GFP_KERNEL)?;
        let mut below = u32::MAX;
        loop {
            let page = self.page(below);
            let is_last = !page.is_full();
            for (slot, destination) in page {
                below = slot;
                list.push(destination, GFP_KERNEL)?;
            }
            if is_last {
                return Ok(list);
            }
            time::give_way();
        }
    }

    /// Returns the next destinations below a slot, newest first. Any context.
    pub(crate) fn page(&self, below: u32) -> Page {
        let mut page = Page([const { None }; FEW]);
        rcu::read(|rcu| {
            let mut left = page.0.iter_mut();
            self.scheduling.each_below(rcu, below, |slot, destination| {
                let Some(kept) = destination.try_get() else {
                    return true;
                };
                // No more are looked at than the page holds.
                if let Some(free) = left.next() {
                    *free = Some((slot, kept));
                }
                left.len() != 0
            })
        });
        page
    }

    /// Calls `work` for all destinations, a page of slots in each read-side critical section, and
    /// `cond_resched()` in between. Process context.
    ///
    /// It holds nothing in between. A list that is copied meanwhile gives destinations lower slots
    /// than they had, never higher ones, and pages go from high slots to low ones: so each
    /// destination that is there from beginning to end is seen, some of them twice.
    fn each_in_pages(&self, mut work: impl FnMut(RcuRef<'_, Destination>)) {
        let mut below = u32::MAX;
        while below > 0 {
            below = rcu::read(|rcu| self.scheduling.some(rcu, below, PAGE as u32, &mut work));
            time::give_way();
        }
    }

    /// Drops the cached routes of all destinations. Process context.
    pub(crate) fn forget_routes(&self) {
        self.each_in_pages(|destination| destination.forget_route());
    }

    /// Does something to each destination below a slot, newest first, until it returns `false`;
    /// returns the slot where it did, or `None` at the end. Process context; others get the CPU now
    /// and then.
    pub(crate) fn each_paged(
        &self,
        below: u32,
        mut work: impl FnMut(&Destination) -> bool,
    ) -> Option<u32> {
        let mut below = below;
        loop {
            let page = self.page(below);
            let is_last = !page.is_full();
            for (slot, destination) in page {
                if !work(&destination) {
                    return Some(slot);
                }
                below = slot;
            }
            if is_last {
                return None;
            }
            time::give_way();
        }
    }

    /// Adds a destination at the head of the list (V-9).
    ///
    /// What it has counted already, if it comes from the trash of another service, is not this
    /// one's.
    pub(crate) fn add(&self, held: &mut ConfigHeld, destination: RcuArc<Destination>) -> Result {
        let counted = destination.counted.sums();
        self.scheduling.add(destination)?;
        self.base.lock().readmit(&counted);
        self.changed(held);
        Ok(())
    }

    /// Takes over what a user changed of a destination (V-14).
    pub(crate) fn edit(
        &self,
        _: &mut ConfigHeld,
        destination: &Destination,
        spec: &DestinationSpec,
    ) -> Result {
        self.scheduling.edit(destination, spec)
    }

    /// Takes a destination out of the list.
    pub(crate) fn remove(
        &self,
        held: &mut ConfigHeld,
        destination: &RcuArc<Destination>,
    ) -> Result {
        self.scheduling.remove(&destination.id)?;
        self.base.lock().retire(&destination.counted.sums());
        self.changed(held);
        Ok(())
    }

    /// Lets go of the destinations of a service that is gone. Process context.
    pub(crate) fn clear(&self) {
        self.scheduling.clear();
    }

    /// Has the scheduler forget what was not asked for in a while. Process context.
    ///
    /// Returns whether it is one that remembers anything.
    pub(crate) fn forget(&self) -> bool {
        self.scheduling.expire()
    }

    /// The list of destinations is another one now.
    fn changed(&self, _: &mut ConfigHeld) {
        self.changes.store(self.changes.load().wrapping_add(1));
    }

    /// Returns what its present destinations counted. There may be very many: others get the CPU in
    /// between, and where a destination comes or goes meanwhile, it is done again.
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
        self.each_in_pages(|destination| sums = plus(&sums, &destination.counted.sums()));
        sums
    }

    fn statistics(&self) -> Statistics {
        let present = self.present();
        self.base.lock().read(present)
    }

    /// Starts the statistics of the service and its destinations over (E-10).
    pub(crate) fn zero(&self) {
        let present = self.present();
        self.base.lock().zero(present);
        self.each_paged(u32::MAX, |destination| {
            destination.zero();
            true
        });
    }

    /// Stops or restarts the statistics of the service and its destinations (E-8).
    pub(crate) fn freeze(&self, _: &mut ConfigHeld, frozen: bool) {
        let present = self.present();
        self.base.lock().freeze(frozen, present);
        self.each_paged(u32::MAX, |destination| {
            destination.freeze(frozen);
            true
        });
    }

    /// Returns it as administrators see it.
    pub(crate) fn view(&self) -> ServiceView {
        ServiceView {
            statistics: self.statistics(),
            ..self.outline()
        }
    }

    /// Returns it as administrators see it, without statistics, which cost a look at each
    /// destination and CPU.
    pub(crate) fn outline(&self) -> ServiceView {
        let options = self.options();
        let scheduler = options.scheduler.map_or("none", Scheduler::name);
        ServiceView {
            id: self.id,
            scheduler: SchedulerName::new(scheduler.as_bytes()).unwrap_or(SchedulerName::EMPTY),
            engine: options
                .engine
                .and_then(|engine| EngineName::new(engine.name().as_bytes())),
            flags: options.flags,
            timeout: options.timeout,
            netmask: options.netmask,
            destinations: u32::try_from(self.count()).unwrap_or(u32::MAX),
            statistics: Statistics::default(),
        }
    }
}
