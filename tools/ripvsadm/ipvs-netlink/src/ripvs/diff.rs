// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The difference between what is configured and what is wanted.

use std::collections::{HashMap, HashSet};

use super::change::Change;
use super::snapshot::{Listed, Snapshot};
use crate::destination::{Destination, DestinationEntry, DestinationId};
use crate::drain::DrainOptions;
use crate::forward::{ForwardMethod, Tunnel, TunnelType};
use crate::service::{Service, ServiceFlags, ServiceId};

/// Up to so many destinations are searched without a table.
const FEW: usize = 16;

/// The configuration that is wanted: these services, and no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The services. Of several with the same identity only the first counts.
    pub services: Vec<WantedService>,
    /// Drains of their destinations. Those that are not mentioned stay as they are: a drain that
    /// somebody began is not ended by a configuration that knows nothing of it.
    pub drains: Vec<WantedDrain>,
}

/// A drain that a destination should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedDrain {
    /// The service.
    pub service: ServiceId,
    /// Its destination.
    pub destination: DestinationId,
    /// The options of its drain; `None` for no drain.
    pub options: Option<DrainOptions>,
}

/// A service with the destinations that it should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedService {
    /// The service.
    pub service: Service,
    /// Its destinations. Of several with the same identity only the first counts.
    pub destinations: Vec<Destination>,
}

/// Returns the least changes that make of `now` what is wanted: none if that is configured.
///
/// Additions come first, in the order of `wanted`, then changes, then deletions, in the order of
/// `now`. Options that have no effect make no difference: timeout and netmask of a
/// service without persistence, the tunnel of a destination that is reached otherwise, and the
/// forwarding method of a local destination, which the kernel replaces by its own.
pub fn diff(now: &Snapshot, wanted: &Wanted) -> Vec<Change> {
    let mut found: HashMap<&ServiceId, &Listed> = HashMap::with_capacity(now.services.len());
    for listed in &now.services {
        found.insert(&listed.service.service.id, listed);
    }
    let mut changes = Changes::default();
    let mut kept = HashSet::with_capacity(wanted.services.len());
    for WantedService {
        service,
        destinations,
    } in &wanted.services
    {
        if !kept.insert(&service.id) {
            continue;
        }
        match found.get(&service.id) {
            None => changes.add(service, destinations),
            Some(listed) => changes.change(listed, service, destinations),
        }
    }
    for listed in &now.services {
        let id = &listed.service.service.id;
        if !kept.contains(id) {
            changes.deleted.push(Change::DeleteService(id.clone()));
        }
    }
    for drain in &wanted.drains {
        let listed = found.get(&drain.service);
        changes.drain(listed.copied(), drain);
    }
    changes.in_order()
}

#[derive(Default)]
struct Changes {
    added: Vec<Change>,
    changed: Vec<Change>,
    deleted: Vec<Change>,
}

impl Changes {
    /// Adds a service with its destinations.
    fn add(&mut self, service: &Service, destinations: &[Destination]) {
        self.added.push(Change::AddService(service.clone()));
        let mut seen = HashSet::new();
        for (number, server) in destinations.iter().enumerate() {
            // Few are compared one by one.
            let is_first = match destinations.len() <= FEW {
                true => !destinations
                    .iter()
                    .take(number)
                    .any(|one| one.id == server.id),
                false => seen.insert(server.id),
            };
            if is_first {
                self.add_destination(&service.id, server);
            }
        }
    }

    fn add_destination(&mut self, id: &ServiceId, server: &Destination) {
        let change = Change::AddDestination(id.clone(), server.clone());
        self.added.push(change);
    }

    /// Makes of a service what is wanted.
    fn change(&mut self, listed: &Listed, service: &Service, destinations: &[Destination]) {
        if !same_service(&listed.service.service, service) {
            self.changed.push(Change::SetService(service.clone()));
        }
        // Mostly they are the same ones in the order of the dump, or the other way round.
        let mut places: Option<HashMap<DestinationId, usize>> = None;
        let found = &listed.destinations;
        let mut is_kept = vec![false; found.len()];
        let mut added = HashSet::new();
        for (number, server) in destinations.iter().enumerate() {
            let is = |place: &usize| at(found, *place).is_some_and(|one| one.id == server.id);
            let guess = Some(number).filter(is);
            let guess = guess.or_else(|| found.len().checked_sub(number + 1).filter(is));
            let place = guess.or_else(|| {
                let places = places.get_or_insert_with(|| by_id(found));
                places.get(&server.id).copied()
            });
            let kept = place.and_then(|place| is_kept.get_mut(place));
            match (place.and_then(|place| at(found, place)), kept) {
                (Some(one), Some(kept)) => {
                    if !std::mem::replace(kept, true) && !same_destination(one, server) {
                        let change = Change::SetDestination(service.id.clone(), server.clone());
                        self.changed.push(change);
                    }
                }
                _ => {
                    if added.insert(server.id) {
                        self.add_destination(&service.id, server);
                    }
                }
            }
        }
        for (entry, is_kept) in found.iter().zip(is_kept) {
            if !is_kept {
                let server = entry.destination.id;
                let change = Change::DeleteDestination(service.id.clone(), server);
                self.deleted.push(change);
            }
        }
    }

    /// Drains a destination as it is wanted, or ends its drain.
    fn drain(&mut self, listed: Option<&Listed>, wanted: &WantedDrain) {
        let entry = listed.and_then(|listed| {
            let is = |entry: &&DestinationEntry| entry.destination.id == wanted.destination;
            listed.destinations.iter().find(is)
        });
        let now = entry
            .and_then(|entry| entry.drain)
            .map(|drain| drain.options);
        let (id, server) = (wanted.service.clone(), wanted.destination);
        match wanted.options {
            Some(options) if now != Some(options) => {
                let change = Change::DrainDestination(id, server, options);
                self.changed.push(change);
            }
            None if now.is_some() => self.changed.push(Change::UndrainDestination(id, server)),
            _ => {}
        }
    }

    fn in_order(mut self) -> Vec<Change> {
        self.added.append(&mut self.changed);
        self.added.append(&mut self.deleted);
        self.added
    }
}

fn at(found: &[DestinationEntry], place: usize) -> Option<&Destination> {
    found.get(place).map(|entry| &entry.destination)
}

fn by_id(found: &[DestinationEntry]) -> HashMap<DestinationId, usize> {
    let ids = found.iter().map(|entry| entry.destination.id);
    ids.zip(0..).collect()
}

/// Returns whether a service has the options that are wanted, as far as they have an effect.
fn same_service(now: &Service, wanted: &Service) -> bool {
    let flags = |service: &Service| service.flags.without(ServiceFlags::HASHED);
    let is_persistent = wanted.flags.contains(ServiceFlags::PERSISTENT);
    flags(now) == flags(wanted)
        && now.scheduler == wanted.scheduler
        && now.persistence_engine == wanted.persistence_engine
        && now.own == wanted.own
        && (!is_persistent || (now.timeout == wanted.timeout && now.netmask == wanted.netmask))
}

/// Returns whether a destination has the options that are wanted, as far as they have an effect.
fn same_destination(now: &Destination, wanted: &Destination) -> bool {
    // The kernel finds out by itself what is local.
    let is_local = now.forward == ForwardMethod::Local;
    let is_tunnel = !is_local && wanted.forward == ForwardMethod::Tunnel;
    (is_local || now.forward == wanted.forward)
        && now.weight == wanted.weight
        && now.upper_threshold == wanted.upper_threshold
        && now.lower_threshold == wanted.lower_threshold
        && (!is_tunnel || same_tunnel(&now.tunnel, &wanted.tunnel))
}

fn same_tunnel(now: &Tunnel, wanted: &Tunnel) -> bool {
    now.kind == wanted.kind
        && match wanted.kind {
            TunnelType::Ipip => true,
            TunnelType::Gre => now.flags == wanted.flags,
            TunnelType::Gue | TunnelType::Other(_) => now == wanted,
        }
}
