// SPDX-License-Identifier: GPL-2.0

//! [`Transaction`]: a transaction with all memory that it needs.

use super::plan::{
    FamilyPlan,
    ServicePlan, //
    TransactionPlan,
};
use crate::{
    director::{
        conn::InetFamily,
        dest::{
            Destination,
            RsKey,
            TrashNode, //
        },
        netns::{
            ConfigState,
            NetnsIpvs, //
        },
        service::{
            AfState,
            Renewal,
            Service,
            SvcOptions, //
        },
    },
    kapi::{
        shared::RcuArc,
        time, //
    },
    logic::{
        config::{
            AddressFamily,
            DestinationSpec,
            ServiceId,
            ServiceSpec, //
        },
        drain::DrainSpec,
        family::{
            V4,
            V6, //
        },
        own_options::OwnOptions,
        sched::Scheduler, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Destination that comes to a service.
pub(super) struct NewDest {
    pub(super) destination: RcuArc<Destination>,
    pub(super) spec: DestinationSpec,
    /// Its node in the trash, if it comes from there.
    pub(super) node: Option<TrashNode>,
    pub(super) drain: Option<DrainSpec>,
    /// Share of new connections that it is to have.
    share: i32,
}

/// A service that is added or changed, with its next state.
pub(super) struct NextService<F: InetFamily> {
    pub(super) renewal: Renewal,
    pub(super) change: ServiceChange<F>,
}

/// Changes of a service.
pub(super) struct ServiceChange<F: InetFamily> {
    pub(super) service: RcuArc<Service<F>>,
    pub(super) is_new: bool,
    /// True if options of the service itself change.
    pub(super) is_set: bool,
    /// True if there was a persistence engine.
    pub(super) had_engine: bool,
    pub(super) has_engine: bool,
    /// Options in place of the namespace's, before and after.
    pub(super) own: (OwnOptions, OwnOptions),
    pub(super) added: KVVec<NewDest>,
    pub(super) edited: KVVec<(RcuArc<Destination>, DestinationSpec)>,
    /// Destinations that stay and whose drain begins, changes or ends.
    pub(super) drained: KVVec<(RcuArc<Destination>, Option<DrainSpec>)>,
    pub(super) removed: KVVec<(TrashNode, RcuArc<Destination>)>,
}

/// A service that is deleted, with its destinations.
pub(super) struct Deleted<F: InetFamily> {
    pub(super) service: RcuArc<Service<F>>,
    pub(super) removed: KVVec<(TrashNode, RcuArc<Destination>)>,
}

/// Services of a family.
pub(super) struct FamilyTransaction<F: InetFamily> {
    pub(super) next: KVVec<NextService<F>>,
    pub(super) deleted: KVVec<Deleted<F>>,
}

/// A transaction that cannot fail any more.
pub(super) struct Transaction {
    pub(super) v4: FamilyTransaction<V4>,
    pub(super) v6: FamilyTransaction<V6>,
    /// True if a scheduler keeps a table that has to be evicted from.
    pub(super) has_lblc: bool,
}

/// Returns a destination with a node for the trash.
fn removed(destination: RcuArc<Destination>) -> Result<(TrashNode, RcuArc<Destination>)> {
    Ok((TrashNode::new()?, destination))
}

impl NetnsIpvs {
    /// Puts destinations that were to be revived back into the trash.
    fn give_back(&self, added: KVVec<NewDest>) {
        for one in added {
            if let Some(node) = one.node {
                self.trash.lock().insert(node, one.destination);
            }
        }
    }

    /// Allocates a destination, or takes it out of the trash.
    fn new_dest(
        &self,
        service: &ServiceId,
        serial: u64,
        spec: &DestinationSpec,
        (drain, share): (Option<DrainSpec>, i32),
        own: &OwnOptions,
    ) -> Result<NewDest> {
        let revived = self.trash.lock().revive(service, &spec.id);
        let (node, destination) = match revived {
            Some((node, destination)) => (Some(node), destination),
            None => (
                None,
                Destination::new(&self.counting, service, serial, spec, own)?,
            ),
        };
        Ok(NewDest {
            destination,
            spec: *spec,
            node,
            drain,
            share,
        })
    }

    /// Allocates the destinations that a service is to get.
    fn new_dests<F: InetFamily>(
        &self,
        (id, serial, own): (&ServiceId, u64, &OwnOptions),
        plan: &ServicePlan<F>,
        added: &mut KVVec<NewDest>,
    ) -> Result {
        added.reserve(plan.added.len(), GFP_KERNEL)?;
        for dest in &plan.added {
            let plan = plan.dests.get(dest);
            let next = plan.and_then(|plan| Some((plan, plan.after?, plan.share_after()?)));
            if let Some((plan, spec, share)) = next {
                let drain = (plan.drain.flatten(), share);
                let new = self.new_dest(id, serial, &spec, drain, own)?;
                added.push_within_capacity(new).map_err(|_| ENOMEM)?;
            }
        }
        Ok(())
    }

    /// Prepares a service that is to be there.
    fn prepare_service<F: InetFamily>(
        &self,
        config: &mut ConfigState,
        (spec, scheduler): (ServiceSpec, Option<Scheduler>),
        plan: ServicePlan<F>,
    ) -> Result<NextService<F>> {
        let options = SvcOptions::of(&spec, scheduler, 0);
        let service = match &plan.before {
            Some(service) => service.clone(),
            None => {
                config.serial = config.serial.wrapping_add(1);
                let expirations = self.settings.expirations.clone();
                let service = Service::new(spec.id, config.serial, options, expirations)?;
                service.freeze(&mut config.held, self.settings.is_frozen());
                service
            }
        };
        let mut added = KVVec::new();
        let result = self
            .new_dests((&spec.id, service.serial, &spec.own), &plan, &mut added)
            .and_then(|()| Self::with_dests(service, options, &plan, &added));
        match result {
            Ok((renewal, change)) => Ok(NextService {
                renewal,
                change: ServiceChange { added, ..change },
            }),
            Err(error) => {
                self.give_back(added);
                Err(error)
            }
        }
    }

    /// Prepares the next state of a service, given the destinations that it is to get, which the
    /// caller adds to the result.
    fn with_dests<F: InetFamily>(
        service: RcuArc<Service<F>>,
        options: SvcOptions,
        plan: &ServicePlan<F>,
        added: &[NewDest],
    ) -> Result<(Renewal, ServiceChange<F>)> {
        let mut with_weights = KVVec::with_capacity(added.len(), GFP_KERNEL)?;
        for one in added {
            with_weights.push((one.destination.clone(), one.share), GFP_KERNEL)?;
        }
        let kept = |destination: &Destination| match plan.dests.get(&destination.id) {
            Some(plan) => plan.share_after(),
            None => (!plan.is_cleared).then(|| destination.share()),
        };
        let renewal = service.renewal(options, &kept, &with_weights)?;
        let (mut edited, mut gone) = (KVVec::new(), KVVec::new());
        let mut drained = KVVec::new();
        for plan in plan.dests.values() {
            match (&plan.before, plan.after) {
                (Some(before), Some(after)) if before.spec() != after => {
                    edited.push((before.clone(), after), GFP_KERNEL)?
                }
                (Some(before), None) => gone.push(removed(before.clone())?, GFP_KERNEL)?,
                _ => {}
            }
            if let (Some(before), Some(_), Some(drain)) = (&plan.before, plan.after, plan.drain) {
                // What goes and comes again has an end of a drain that there may not have been.
                if drain.is_some() || before.drain_spec().is_some() {
                    drained.push((before.clone(), drain), GFP_KERNEL)?;
                }
            }
        }
        if plan.is_cleared && plan.before.is_some() {
            for destination in service.destinations()? {
                if plan.dests.get(&destination.id).is_none() {
                    gone.push(removed(destination)?, GFP_KERNEL)?;
                }
            }
        }
        let before = plan.before.as_ref();
        let was = before.map(|service| service.options());
        let change = ServiceChange {
            is_new: before.is_none(),
            is_set: was.is_some_and(|was| was != options),
            own: (was.map_or(OwnOptions::NONE, |was| was.own), options.own),
            had_engine: was.is_some_and(|was| was.engine.is_some()),
            has_engine: options.engine.is_some(),
            service,
            added: KVVec::new(),
            edited,
            drained,
            removed: gone,
        };
        Ok((renewal, change))
    }
}

impl<F: InetFamily> FamilyTransaction<F> {
    /// Returns the family without changes.
    fn new() -> Self {
        Self {
            next: KVVec::new(),
            deleted: KVVec::new(),
        }
    }

    /// Prepares each service of a plan.
    fn prepare(
        &mut self,
        ipvs: &NetnsIpvs,
        config: &mut ConfigState,
        plan: FamilyPlan<F>,
        has_lblc: &mut bool,
    ) -> Result {
        self.next.reserve(plan.services.len(), GFP_KERNEL)?;
        for plan in plan.services {
            time::give_way();
            match (plan.after, &plan.before) {
                (Some(after), _) => {
                    let options = SvcOptions::of(&after.0, after.1, 0);
                    *has_lblc |= options.needs().lblc;
                    let next = ipvs.prepare_service(config, after, plan)?;
                    self.next.push_within_capacity(next).map_err(|_| ENOMEM)?;
                }
                (None, Some(service)) => {
                    let mut gone = KVVec::with_capacity(service.count(), GFP_KERNEL)?;
                    for destination in service.destinations()? {
                        gone.push(removed(destination)?, GFP_KERNEL)?;
                    }
                    let deleted = Deleted {
                        service: service.clone(),
                        removed: gone,
                    };
                    self.deleted.push(deleted, GFP_KERNEL)?;
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Makes room in the table of services, and collects the keys of new real servers.
    fn reserve(
        &self,
        ipvs: &NetnsIpvs,
        af: &AfState<F>,
        config: &mut ConfigState,
        keys: &mut KVVec<RsKey>,
    ) -> Result {
        let mut services = KVVec::new();
        for NextService { change, .. } in &self.next {
            if change.is_new {
                services.push(change.service.id.key, GFP_KERNEL)?;
            }
            let added = change.added.iter().filter_map(|one| RsKey::of(&one.spec));
            let edited = change.edited.iter().filter_map(|(destination, spec)| {
                let now = RsKey::of(&destination.spec());
                RsKey::of(spec).filter(|key| Some(*key) != now)
            });
            for key in Iterator::chain(added, edited) {
                keys.push(key, GFP_KERNEL)?;
            }
        }
        let lfactor = ipvs.settings.svc_lfactor.load();
        af.reserve(&mut config.held, &services, lfactor)
    }

    /// Returns whether a service is added.
    fn has_new(&self) -> bool {
        self.next.iter().any(|next| next.change.is_new)
    }

    /// Returns whether a destination of the other family is added, which needs the hooks of that
    /// family (I-5).
    fn has_mixed(&self) -> bool {
        let mut added = self.next.iter().flat_map(|next| next.change.added.iter());
        added.any(|one| one.spec.id.addr.family() != F::FAMILY)
    }

    /// Returns the number of drains that begin, or begin anew.
    fn drains(&self) -> usize {
        let of = |change: &ServiceChange<F>| {
            let kept = change.drained.iter().filter(|(_, drain)| drain.is_some());
            let new = change.added.iter().filter(|one| one.drain.is_some());
            kept.count().saturating_add(new.count())
        };
        self.next
            .iter()
            .fold(0, |sum, next| of(&next.change).saturating_add(sum))
    }

    fn cancel(self, ipvs: &NetnsIpvs) {
        for next in self.next {
            ipvs.give_back(next.change.added);
        }
    }
}

impl Transaction {
    /// Allocates what a plan needs. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and errors of the registration of hooks; nothing is changed.
    pub(super) fn new(
        ipvs: &Arc<NetnsIpvs>,
        config: &mut ConfigState,
        plan: TransactionPlan,
    ) -> Result<Self> {
        let mut prepared = Self {
            v4: FamilyTransaction::new(),
            v6: FamilyTransaction::new(),
            has_lblc: false,
        };
        match prepared.fill(ipvs, config, plan) {
            Ok(()) => Ok(prepared),
            Err(error) => {
                ipvs.release_tables(config);
                prepared.v4.cancel(ipvs);
                prepared.v6.cancel(ipvs);
                Err(error)
            }
        }
    }

    fn fill(
        &mut self,
        ipvs: &Arc<NetnsIpvs>,
        config: &mut ConfigState,
        plan: TransactionPlan,
    ) -> Result {
        let has_lblc = &mut self.has_lblc;
        self.v4.prepare(ipvs, config, plan.v4, has_lblc)?;
        self.v6.prepare(ipvs, config, plan.v6, has_lblc)?;
        if self.v4.has_new() || self.v6.has_mixed() {
            ipvs.prepare(config, AddressFamily::V4)?;
        }
        if self.v6.has_new() || self.v4.has_mixed() {
            ipvs.prepare(config, AddressFamily::V6)?;
        }
        let drains = self.v4.drains().saturating_add(self.v6.drains());
        config.drains.reserve(drains, GFP_KERNEL)?;
        let mut keys = KVVec::new();
        self.v4.reserve(ipvs, &ipvs.v4, config, &mut keys)?;
        self.v6.reserve(ipvs, &ipvs.v6, config, &mut keys)?;
        ipvs.rs_table.reserve(&mut config.held, &keys)
    }
}

impl NetnsIpvs {
    /// Ends the reservations in all tables.
    pub(super) fn release_tables(&self, config: &mut ConfigState) {
        let lfactor = self.settings.svc_lfactor.load();
        self.v4.release(&mut config.held, lfactor);
        self.v6.release(&mut config.held, lfactor);
        self.rs_table.release(&mut config.held);
    }
}
