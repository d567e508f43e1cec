// SPDX-License-Identifier: GPL-2.0

//! [`TransactionPlan`]: the services that a transaction touches, as they are and as they are to be.

use super::super::config::{
    check_address,
    check_count,
    check_families,
    check_options,
    memory, //
};
use crate::{
    director::{
        conn::InetFamily,
        dest::Destination,
        netns::NetnsIpvs,
        service::{
            AfState,
            Service, //
        },
    },
    kapi::{
        net::Net,
        shared::RcuArc,
        time, //
    },
    logic::{
        config::{
            AddressFamily,
            ConfigError,
            DestinationId,
            DestinationSpec,
            Errno,
            ServiceId,
            ServiceKey,
            ServiceSpec, //
        },
        drain::DrainSpec,
        family::{
            V4,
            V6, //
        },
        ripvs::ConfigChange,
        sched::Scheduler, //
    },
};
use kernel::{
    prelude::*,
    rbtree::{
        Entry,
        RBTree,
        RBTreeNodeReservation, //
    },
};

/// Room for new destinations that is made with the first one.
const FEW: usize = 8;

/// The end of a drain that there is not.
const NOT_DRAINED: ConfigError =
    ConfigError::new(Errno::NoEntry, c"the destination is not drained");

/// A destination, as it is and as it is to be; `None` if it is not there.
pub(super) struct DestPlan {
    pub(super) before: Option<RcuArc<Destination>>,
    pub(super) after: Option<DestinationSpec>,
    /// The drain that it is to have, if that is another one.
    pub(super) drain: Option<Option<DrainSpec>>,
    /// True if it is in the list of those to add.
    is_listed: bool,
}

/// A service, as it is and as it is to be; `None` if it does not exist.
pub(super) struct ServicePlan<F: InetFamily> {
    pub(super) before: Option<RcuArc<Service<F>>>,
    pub(super) after: Option<(ServiceSpec, Option<Scheduler>)>,
    /// True if the present destinations go that `dests` has no plan for.
    pub(super) is_cleared: bool,
    /// Destinations that changes are about.
    pub(super) dests: RBTree<DestinationId, DestPlan>,
    /// New destinations in the order of their first addition, and some that were deleted again.
    pub(super) added: KVVec<DestinationId>,
    /// Number of destinations that are to be.
    pub(super) live: usize,
}

impl DestPlan {
    /// Returns the drain that it is to have.
    fn drain_after(&self) -> Option<DrainSpec> {
        let before = self.before.as_ref();
        self.drain
            .unwrap_or_else(|| before.and_then(|destination| destination.drain_spec()))
    }

    /// Returns the share of new connections that it is to have; `None` if it is not to be there.
    pub(super) fn share_after(&self) -> Option<i32> {
        let weight = self.after?.weight;
        Some(self.drain_after().map_or(weight, |_| 0))
    }
}

impl<F: InetFamily> ServicePlan<F> {
    /// Describes a service as it is.
    fn of(before: Option<RcuArc<Service<F>>>) -> Self {
        let after = before.as_ref().map(|service| {
            let options = service.options();
            (service.spec(), options.scheduler)
        });
        Self {
            live: before.as_ref().map_or(0, |service| service.count()),
            before,
            after,
            is_cleared: false,
            dests: RBTree::new(),
            added: KVVec::new(),
        }
    }

    /// Returns the plan of a destination.
    fn dest(&mut self, id: &DestinationId) -> Result<&mut DestPlan, ConfigError> {
        match self.dests.entry(*id) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let service = self.before.as_ref();
                let before = service.and_then(|service| service.destination(id));
                let after = before.as_ref().filter(|_| !self.is_cleared);
                let plan = DestPlan {
                    after: after.map(|destination| destination.spec()),
                    // A destination that goes and comes again is not drained any more.
                    drain: (self.is_cleared && before.is_some()).then_some(None),
                    before,
                    is_listed: false,
                };
                let node = memory(RBTreeNodeReservation::new(GFP_KERNEL))?;
                Ok(entry.insert(plan, node))
            }
        }
    }

    /// Deletes the service with its destinations.
    fn delete(&mut self) {
        self.after = None;
        self.is_cleared = true;
        self.live = 0;
        for plan in self.dests.values_mut() {
            plan.after = None;
            plan.drain = Some(None);
        }
    }

    /// Replaces a destination that may be there by what `edit` makes of it.
    fn set_dest(
        &mut self,
        id: &DestinationId,
        edit: impl FnOnce(Option<DestinationSpec>) -> Result<Option<DestinationSpec>, ConfigError>,
    ) -> Result<(), ConfigError> {
        let plan = self.dest(id)?;
        let was = plan.after.is_some();
        let after = edit(plan.after)?;
        let is_new = plan.before.is_none() && after.is_some() && !plan.is_listed;
        if after.is_none() {
            plan.drain = Some(None);
        }
        plan.after = after;
        plan.is_listed |= is_new;
        if is_new {
            if self.added.is_empty() {
                memory(self.added.reserve(FEW, GFP_KERNEL).map_err(Error::from))?;
            }
            memory(self.added.push(*id, GFP_KERNEL).map_err(Error::from))?;
        }
        self.live = match (was, after.is_some()) {
            (false, true) => self.live.saturating_add(1),
            (true, false) => self.live.saturating_sub(1),
            _ => self.live,
        };
        Ok(())
    }
}

/// Services of an address family that changes are about, in the order of their first change.
pub(super) struct FamilyPlan<F: InetFamily> {
    pub(super) services: KVVec<ServicePlan<F>>,
    /// Their places.
    places: RBTree<ServiceKey, usize>,
    /// The place of the last one: mostly the next change is about it, too.
    last: Option<(ServiceKey, usize)>,
}

impl<F: InetFamily> FamilyPlan<F> {
    fn new() -> Self {
        Self {
            services: KVVec::new(),
            places: RBTree::new(),
            last: None,
        }
    }

    /// Returns the place of a service's plan, which is made if there is none.
    fn place(&mut self, af: &AfState<F>, id: &ServiceId) -> Result<usize, ConfigError> {
        if let Some((_, place)) = self.last.filter(|(key, _)| *key == id.key) {
            return Ok(place);
        }
        let place = match self.places.entry(id.key) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let node = memory(RBTreeNodeReservation::new(GFP_KERNEL))?;
                let place = self.services.len();
                let plan = ServicePlan::of(af.get(id).ok());
                memory(self.services.push(plan, GFP_KERNEL).map_err(Error::from))?;
                *entry.insert(place, node)
            }
        };
        self.last = Some((id.key, place));
        Ok(place)
    }

    /// Returns the plan of a service.
    fn service(
        &mut self,
        af: &AfState<F>,
        id: &ServiceId,
    ) -> Result<&mut ServicePlan<F>, ConfigError> {
        let place = self.place(af, id)?;
        self.services.get_mut(place).ok_or(ConfigError::NO_MEMORY)
    }

    /// Returns the plan of a service that exists.
    fn existing(
        &mut self,
        af: &AfState<F>,
        id: &ServiceId,
    ) -> Result<&mut ServicePlan<F>, ConfigError> {
        let plan = self.service(af, id)?;
        match plan.after {
            Some(_) => Ok(plan),
            None => Err(ConfigError::NO_SERVICE),
        }
    }

    fn add(
        &mut self,
        ipvs: &NetnsIpvs,
        af: &AfState<F>,
        net: &Net,
        change: &ConfigChange,
    ) -> Result<(), ConfigError> {
        match change {
            ConfigChange::NewService(spec) => {
                let plan = self.service(af, &spec.id)?;
                if plan.after.is_some() {
                    return Err(ConfigError::SERVICE_EXISTS);
                }
                plan.after = Some((*spec, check_options(spec)?));
            }
            ConfigChange::SetService(id, edit) => {
                let plan = self.existing(af, id)?;
                let (before, _) = plan.after.ok_or(ConfigError::NO_SERVICE)?;
                let spec = edit.of(before)?;
                let scheduler = check_options(&spec)?;
                check_count(scheduler, plan.live)?;
                plan.after = Some((spec, scheduler));
            }
            ConfigChange::DelService(id) => self.existing(af, id)?.delete(),
            ConfigChange::NewDest(id, spec) => {
                let plan = self.existing(af, id)?;
                check_families(ipvs, id, spec)?;
                plan.set_dest(&spec.id, |before| match before {
                    Some(_) => Err(ConfigError::DESTINATION_EXISTS),
                    None => check_address(net, &spec.id).map(|()| Some(*spec)),
                })?;
            }
            ConfigChange::SetDest(id, at, edit) => {
                let plan = self.existing(af, id)?;
                plan.set_dest(at, |before| {
                    let spec = edit.of(before.ok_or(ConfigError::NO_DESTINATION)?)?;
                    check_families(ipvs, id, &spec)?;
                    Ok(Some(spec))
                })?;
            }
            ConfigChange::DelDest(id, at) => {
                let plan = self.existing(af, id)?;
                plan.set_dest(at, |before| match before {
                    Some(_) => Ok(None),
                    None => Err(ConfigError::NO_DESTINATION),
                })?;
            }
            ConfigChange::DrainDest(id, at, spec) => {
                let plan = self.existing(af, id)?.dest(at)?;
                plan.after.ok_or(ConfigError::NO_DESTINATION)?;
                plan.drain = Some(Some(*spec));
            }
            ConfigChange::UndrainDest(id, at) => {
                let plan = self.existing(af, id)?.dest(at)?;
                plan.after.ok_or(ConfigError::NO_DESTINATION)?;
                plan.drain_after().ok_or(NOT_DRAINED)?;
                plan.drain = Some(None);
            }
            ConfigChange::Flush => {}
        }
        Ok(())
    }

    /// Deletes all services, those that are yet to be among them.
    fn flush(&mut self, af: &AfState<F>) -> Result<(), ConfigError> {
        for plan in self.services.iter_mut() {
            plan.delete();
        }
        let mut failed = Ok(());
        let walked = af.each_paged((0, 0), |_, service| {
            let plan = self.service(af, &service.id);
            failed = plan.map(ServicePlan::delete);
            failed.is_ok()
        });
        memory(walked)?;
        failed
    }
}

/// Changes of a transaction, applied to a description of the services.
pub(super) struct TransactionPlan {
    pub(super) v4: FamilyPlan<V4>,
    pub(super) v6: FamilyPlan<V6>,
}

impl TransactionPlan {
    /// Creates a plan that changes nothing.
    pub(super) fn new() -> Self {
        Self {
            v4: FamilyPlan::new(),
            v6: FamilyPlan::new(),
        }
    }

    /// Adds a change to the plan. Process context; calls `cond_resched()`.
    ///
    /// # Errors
    ///
    /// Those of the family `IPVS` for the same request; `ENOMEM`. The plan must not be used then.
    pub(super) fn add(
        &mut self,
        ipvs: &NetnsIpvs,
        net: &Net,
        change: &ConfigChange,
    ) -> Result<(), ConfigError> {
        time::give_way();
        let family = match change {
            ConfigChange::NewService(spec) => spec.id.family,
            ConfigChange::SetService(id, _)
            | ConfigChange::DelService(id)
            | ConfigChange::NewDest(id, _)
            | ConfigChange::SetDest(id, ..)
            | ConfigChange::DelDest(id, _)
            | ConfigChange::DrainDest(id, ..)
            | ConfigChange::UndrainDest(id, _) => id.family,
            ConfigChange::Flush => {
                self.v4.flush(&ipvs.v4)?;
                return self.v6.flush(&ipvs.v6);
            }
        };
        match family {
            AddressFamily::V4 => self.v4.add(ipvs, &ipvs.v4, net, change),
            AddressFamily::V6 => self.v6.add(ipvs, &ipvs.v6, net, change),
        }
    }
}
