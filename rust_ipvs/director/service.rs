// SPDX-License-Identifier: GPL-2.0

//! Virtual services: their options, destinations and schedulers, and the state of an address family
//! that holds them.
//!
//! Main types: [`Service`] is a virtual service, [`AfState`] the services and connections of an
//! address family in a namespace, [`SvcSnapshot`](snapshot::SvcSnapshot) what a packet reads of a
//! service under RCU, and [`LblcTable`](lblc::LblcTable) the table of the `lblc` and `lblcr`
//! schedulers. This folder may use `conn` and `dest` of the director's folders.

mod af;
mod dests;
mod lblc;
mod no_choice;
mod prealloc;
mod renewal;
mod snapshot;

pub(crate) use self::{
    af::{
        for_af,
        pos_after,
        AfState,
        HasAfState,
        ServicePos, //
    },
    lblc::Expirations,
    renewal::{
        Kept,
        Renewal, //
    },
    snapshot::SvcOptions, //
};

use self::dests::Scheduling;
use crate::{
    director::{
        conn::InetFamily,
        dest::reasons::ReasonCounters,
        dest::{
            plus,
            rcu_hash::NO_SLOT,
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
            ServiceSpec,
            ServiceView,
            Statistics, //
        },
        family::Endpoint,
        own_options::OwnOptions,
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

/// Destinations per read-side critical section: the sum over one's per-CPU counters takes some
/// microseconds on a machine with very many CPUs.
const PAGE: usize = 64;
/// Destinations that are referenced at a time.
const FEW: usize = 16;

/// Consecutive destinations with their slots.
pub(crate) struct Page([Option<(u32, RcuArc<Destination>)>; FEW]);

impl Page {
    /// Returns whether the page is full, so that more destinations may follow.
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

/// Virtual service.
///
/// Writers prove with [`ConfigHeld`] that they hold the configuration mutex.
#[pin_data]
pub(crate) struct Service<F: InetFamily> {
    pub(crate) id: ServiceId,
    /// Number that distinguishes this service from earlier ones with the same identity.
    pub(crate) serial: u64,
    /// Slot in the table of services, or [`NO_SLOT`]. Protected by the configuration mutex.
    slot: Word<u32>,
    #[pin]
    scheduling: Scheduling<F>,
    /// Number of additions and removals of destinations.
    changes: Word<u32>,
    #[pin]
    base: Mutex<stats::StatsBase>,
    /// Packets that were dropped, refused or left untouched.
    pub(crate) reasons: ReasonCounters,
}

impl<F: InetFamily> Service<F> {
    /// Creates a service without destinations.
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
                slot: Word::new(NO_SLOT),
                scheduling <- scheduling,
                changes: Word::new(0),
                base <- new_mutex!(stats::StatsBase::new()),
                reasons: ReasonCounters::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns whether packets to an endpoint belong to this service.
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

    /// Returns the service's port; 0 for a firewall mark service and for one of all ports.
    pub(crate) fn port(&self) -> u16 {
        match self.id.key {
            ServiceKey::Address { port, .. } => port,
            ServiceKey::Mark(_) => 0,
        }
    }

    /// Returns whether the service is identified by a firewall mark.
    pub(crate) fn is_marked(&self) -> bool {
        matches!(self.id.key, ServiceKey::Mark(_))
    }

    /// Returns the options under RCU; `None` if the service has been deleted.
    pub(crate) fn options_at<'g>(&'g self, rcu: Rcu<'g>) -> Option<&'g SvcOptions> {
        self.scheduling.options(rcu)
    }

    /// Returns a copy of the options.
    pub(crate) fn options(&self) -> SvcOptions {
        let now = rcu::read(|rcu| self.scheduling.options(rcu).copied());
        // If the service has been deleted meanwhile: no scheduler.
        now.unwrap_or(SvcOptions {
            scheduler: None,
            engine: None,
            flags: service_flags::HASHED,
            timeout: 0,
            netmask: 0,
            own: OwnOptions::NONE,
        })
    }

    /// Replaces all options at once (V-17).
    pub(crate) fn set_options(&self, _: &mut ConfigHeld, options: SvcOptions) -> Result {
        self.scheduling.set_options(options)
    }

    /// Chooses the destination of a new connection. The caller may try to take a reference to it.
    pub(crate) fn choose<'g>(
        &'g self,
        rcu: Rcu<'g>,
        flow: &Flow<F>,
    ) -> Option<RcuRef<'g, Destination>> {
        self.scheduling.choose(rcu, flow)
    }

    /// Returns the number of destinations.
    pub(crate) fn count(&self) -> usize {
        self.scheduling.count()
    }

    /// Looks up a destination by its identity; returns it with a reference.
    pub(crate) fn destination(&self, id: &DestinationId) -> Option<RcuArc<Destination>> {
        self.scheduling.destination(id)
    }

    /// Returns all destinations, with references. Process context; calls `cond_resched()`.
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
                // The loop ends when the page is full, so there is a free element.
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
    /// It holds no lock in between. A concurrent copy of the list gives destinations lower slots
    /// than they had, never higher ones, and pages go from high slots to low ones. So each
    /// destination that is in the list from beginning to end is visited, some of them twice.
    fn each_in_pages(&self, mut work: impl FnMut(RcuRef<'_, Destination>)) {
        let mut below = u32::MAX;
        while below > 0 {
            below = rcu::read(|rcu| self.scheduling.some(rcu, below, PAGE as u32, &mut work));
            time::give_way();
        }
    }

    /// Gives all destinations the options in place of the namespace's. Process context.
    pub(crate) fn set_own(&self, held: &mut ConfigHeld, own: &OwnOptions) {
        self.each_in_pages(|destination| destination.set_own(held, own));
    }

    /// Drops the cached routes of all destinations. Process context.
    pub(crate) fn forget_routes(&self) {
        self.each_in_pages(|destination| destination.forget_route());
    }

    /// Calls `work` for each destination below a slot, newest first, until it returns `false`.
    /// Returns the slot of that destination, or `None` at the end. Process context; calls
    /// `cond_resched()`.
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
    /// If it comes from the trash, its previous counts are excluded from this service's.
    pub(crate) fn add(&self, held: &mut ConfigHeld, destination: RcuArc<Destination>) -> Result {
        let counted = destination.counted.sums();
        self.scheduling.add(destination)?;
        self.base.lock().readmit(&counted);
        self.changed(held);
        Ok(())
    }

    /// Changes a destination's options (V-14).
    pub(crate) fn edit(
        &self,
        held: &mut ConfigHeld,
        destination: &Destination,
        spec: &DestinationSpec,
    ) -> Result {
        self.scheduling.edit(held, destination, spec)
    }

    /// Removes a destination from the list.
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

    /// Prepares many changes at once; see [`Renewal`]. `added` has destinations, oldest first, with
    /// their weights.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; nothing is changed.
    pub(crate) fn renewal(
        &self,
        options: SvcOptions,
        kept: Kept<'_>,
        added: &[(RcuArc<Destination>, i32)],
    ) -> Result<Renewal> {
        self.scheduling.renewal(options, kept, added)
    }

    /// Carries out a renewal. `edit` changes the options of destinations that stay; it must not
    /// sleep. The `added` and `removed` destinations are those of the renewal.
    pub(crate) fn renew<'a>(
        &self,
        held: &mut ConfigHeld,
        renewal: Renewal,
        edit: impl FnOnce(&mut ConfigHeld),
        added: impl Iterator<Item = &'a RcuArc<Destination>>,
        removed: impl Iterator<Item = &'a RcuArc<Destination>>,
    ) {
        self.scheduling.renew(renewal, || edit(held));
        for destination in added {
            self.base.lock().readmit(&destination.counted.sums());
        }
        for destination in removed {
            self.base.lock().retire(&destination.counted.sums());
        }
        self.changed(held);
    }

    /// Returns the service as an administrator would add it.
    pub(crate) fn spec(&self) -> ServiceSpec {
        let outline = self.outline();
        ServiceSpec {
            id: outline.id,
            scheduler: outline.scheduler,
            engine: outline.engine,
            flags: outline.flags,
            flags_mask: u32::MAX,
            timeout: outline.timeout,
            netmask: outline.netmask,
            own: outline.own,
        }
    }

    /// Releases the destinations of a deleted service. Process context.
    pub(crate) fn clear(&self) {
        self.scheduling.clear();
    }

    /// Evicts expired entries of the scheduler's table. Process context.
    ///
    /// Returns whether the scheduler has such a table (`lblc`, `lblcr`).
    pub(crate) fn forget(&self) -> bool {
        self.scheduling.expire()
    }

    /// Records a change of the list, for [`Self::present`].
    fn changed(&self, _: &mut ConfigHeld) {
        self.changes.store(self.changes.load().wrapping_add(1));
    }

    /// Returns the sum of the present destinations' counters. Calls `cond_resched()`, and starts
    /// again if a destination is added or removed meanwhile.
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

    /// Zeroes the statistics of the service and its destinations (E-10).
    pub(crate) fn zero(&self) {
        let present = self.present();
        self.base.lock().zero(present);
        self.each_paged(u32::MAX, |destination| {
            destination.zero();
            true
        });
    }

    /// Stops or restarts the estimation of the service and its destinations (E-8).
    pub(crate) fn freeze(&self, _: &mut ConfigHeld, frozen: bool) {
        let present = self.present();
        self.base.lock().freeze(frozen, present);
        self.each_paged(u32::MAX, |destination| {
            destination.freeze(frozen);
            true
        });
    }

    /// Returns the service in the form in which it is dumped.
    pub(crate) fn view(&self) -> ServiceView {
        ServiceView {
            statistics: self.statistics(),
            ..self.outline()
        }
    }

    /// Returns the service as [`Self::view`] does, without statistics, which take time for each
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
            own: options.own,
            destinations: u32::try_from(self.count()).unwrap_or(u32::MAX),
            statistics: Statistics::default(),
        }
    }
}
