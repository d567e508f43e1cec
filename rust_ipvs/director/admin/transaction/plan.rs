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
            ServiceId,
            ServiceKey,
            ServiceSpec, //
        },
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
    rbtree::RBTree, //
};

/// A destination, as it is and as it is to be; `None` if it is not there.
pub(super) struct DestPlan {
    pub(super) before: Option<RcuArc<Destination>>,
    pub(super) after: Option<DestinationSpec>,
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
        if self.dests.get(id).is_none() {
            let service = self.before.as_ref();
            let before = service.and_then(|service| service.destination(id));
            let after = before.as_ref().filter(|_| !self.is_cleared);
            let plan = DestPlan {
                after: after.map(|destination| destination.spec()),
                before,
                is_listed: false,
            };
            memory(self.dests.try_create_and_insert(*id, plan, GFP_KERNEL))?;
        }
        self.dests.get_mut(id).ok_or(ConfigError::NO_MEMORY)
    }

    /// Deletes the service with its destinations.
    fn delete(&mut self) {
        self.after = None;
        self.is_cleared = true;
        self.live = 0;
        for plan in self.dests.values_mut() {
            plan.after = None;
        }
    }

    fn set_dest(
        &mut self,
        id: &DestinationId,
        after: Option<DestinationSpec>,
    ) -> Result<(), ConfigError> {
        let plan = self.dest(id)?;
        let was = plan.after.is_some();
        let is_new = plan.before.is_none() && after.is_some() && !plan.is_listed;
        plan.after = after;
        plan.is_listed |= is_new;
        if is_new {
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

/// Services of an address family that changes are about.
pub(super) struct FamilyPlan<F: InetFamily>(pub(super) RBTree<ServiceKey, ServicePlan<F>>);

impl<F: InetFamily> FamilyPlan<F> {
    /// Returns the plan of a service.
    fn service(
        &mut self,
        af: &AfState<F>,
        id: &ServiceId,
    ) -> Result<&mut ServicePlan<F>, ConfigError> {
        if self.0.get(&id.key).is_none() {
            let plan = ServicePlan::of(af.get(id).ok());
            memory(self.0.try_create_and_insert(id.key, plan, GFP_KERNEL))?;
        }
        self.0.get_mut(&id.key).ok_or(ConfigError::NO_MEMORY)
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
                if plan.dest(&spec.id)?.after.is_some() {
                    return Err(ConfigError::DESTINATION_EXISTS);
                }
                check_address(net, &spec.id)?;
                plan.set_dest(&spec.id, Some(*spec))?;
            }
            ConfigChange::SetDest(id, at, edit) => {
                let plan = self.existing(af, id)?;
                let before = plan.dest(at)?.after.ok_or(ConfigError::NO_DESTINATION)?;
                let spec = edit.of(before)?;
                check_families(ipvs, id, &spec)?;
                plan.set_dest(at, Some(spec))?;
            }
            ConfigChange::DelDest(id, at) => {
                let plan = self.existing(af, id)?;
                if plan.dest(at)?.after.is_none() {
                    return Err(ConfigError::NO_DESTINATION);
                }
                plan.set_dest(at, None)?;
            }
            ConfigChange::Flush => {}
        }
        Ok(())
    }

    /// Deletes all services, those that are yet to be among them.
    fn flush(&mut self, af: &AfState<F>) -> Result<(), ConfigError> {
        for plan in self.0.values_mut() {
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
            v4: FamilyPlan(RBTree::new()),
            v6: FamilyPlan(RBTree::new()),
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
            | ConfigChange::DelDest(id, _) => id.family,
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
