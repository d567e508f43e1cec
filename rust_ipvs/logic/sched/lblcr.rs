// SPDX-License-Identifier: GPL-2.0

//! Locality-based least connections with replication: an address stays with a set of destinations
//! (D-18).
//!
//! As `lblc`, but the least loaded destination of the service joins the set if the set's
//! destinations are full. A set that has not changed for `lblcr_expiration` seconds loses its most
//! loaded member, so an address that is no longer in demand does not occupy many caches.
//!
//! Cost of a decision: one look-up by address and one access to each member of its set; otherwise
//! as `lblc`.

use super::super::family::Family;
use super::algorithm::{
    heavier,
    least_of,
    overhead,
    usable,
    Algorithm,
    Burden,
    Candidate,
    Needs,
    View, //
};
use super::flow::Flow;
use super::lblc::is_full;
use super::wlc;
use core::ops::Deref;

/// Scheduler `lblcr`.
pub(super) struct LocalityReplicated;

impl Algorithm for LocalityReplicated {
    const NAME: &'static str = "lblcr";

    const NEEDS: Needs = Needs {
        lblc: true,
        ..Needs::NOTHING
    };

    fn pick<V: View, F: Family>(view: &V, flow: &Flow<F>) -> Option<V::Server> {
        let address = F::ip(flow.addressee);
        let entry = view.recall(address);
        if let Some(entry) = entry {
            let members = || view.members(entry);
            let available = members().filter(|server| server.available() && usable(&**server));
            let known = least_of(available, |server| overhead(&**server));
            if view.is_expired(entry) {
                if let Some(server) = most_loaded(members()) {
                    view.evict(entry, server);
                }
            }
            if let Some(server) = known.filter(|server| !is_full(view, &**server)) {
                return Some(server);
            }
        }
        let server = wlc::least_loaded(view)?;
        view.remember(address, entry, server, true);
        Some(server)
    }
}

/// Returns the most loaded destination for its weight among those with a weight, the first of
/// equals.
fn most_loaded<S>(servers: impl Iterator<Item = S>) -> Option<S>
where
    S: Copy + Deref<Target: Candidate>,
{
    let mut worst: Option<(S, Burden)> = None;
    for server in servers {
        let burden = (overhead(&*server), i64::from(server.weight()));
        match worst {
            _ if burden.1 <= 0 => {}
            Some((_, other)) if !heavier(burden, other) => {}
            _ => worst = Some((server, burden)),
        }
    }
    worst.map(|(server, _)| server)
}

#[cfg(test)]
mod tests {
    use crate::model::{least_for_weight, seeds, shake, Server, Service};
    use std::collections::HashMap;

    // D-18
    #[test]
    fn a_set_grows_with_the_load_and_shrinks_with_time() {
        let service = Service::of("lblcr", &[('A', 10), ('B', 10), ('C', 10)]);
        assert_eq!(service.pick_to(1), Some('C'));
        service.busy('C', 10);
        assert_eq!(service.pick_to(1), Some('C'));
        service.busy('C', 11);
        // B joins, and is the less loaded of the two from then on.
        assert_eq!(service.pick_to(1), Some('B'));
        service.busy('C', 0);
        service.busy('B', 1);
        assert_eq!(service.pick_to(1), Some('C'));
        service.busy('A', 1);
        // The set has not changed for long enough: B leaves, which has the most connections.
        service.now.set(101);
        assert_eq!(service.pick_to(1), Some('C'));
        service.busy('C', 3);
        assert_eq!(service.pick_to(1), Some('C'));
    }

    // D-18, with sets of names.
    #[test]
    fn as_the_naive_one() {
        for seed in seeds(300) {
            // Members, the newest first, and the time of the last change of the set.
            let mut sets: HashMap<u8, (Vec<char>, u64)> = HashMap::new();
            shake("lblcr", seed, |service, _| {
                let list = service.list();
                let now = service.now.get();
                let less = |a: &Server, b: &Server| {
                    a.load() * i64::from(b.weight.get()) < b.load() * i64::from(a.weight.get())
                };
                let least = |servers: &[&Server]| {
                    let usable = servers.iter().copied().filter(|server| server.usable());
                    least_for_weight(&usable.collect::<Vec<_>>(), Server::load)
                };
                let half_empty = |s: &&Server| 2 * s.active.get() < s.weight.get();
                let full = |name: char| {
                    let server = service.named(name);
                    server.active.get() > server.weight.get() && list.iter().any(half_empty)
                };
                for address in 0..3u8 {
                    let mut chosen = None;
                    if let Some((set, changed)) = sets.get_mut(&address) {
                        let present = |name: &char| list.iter().find(|s| s.name == *name).copied();
                        let members: Vec<_> = set.iter().filter_map(present).collect();
                        chosen = least(&members).filter(|name| !full(*name));
                        if set.len() > 1 && now > *changed + 100 {
                            let mut most: Option<char> = None;
                            for name in &*set {
                                let server = service.former(*name);
                                let worse = |most| less(service.former(most), server);
                                if server.weight.get() > 0 && most.is_none_or(worse) {
                                    most = Some(*name);
                                }
                            }
                            if let Some(most) = most {
                                set.retain(|name| *name != most);
                                *changed = now;
                            }
                        }
                    }
                    if chosen.is_none() {
                        chosen = least(&list);
                        if let Some(name) = chosen {
                            let (set, changed) = sets.entry(address).or_default();
                            if !set.contains(&name) {
                                set.insert(0, name);
                                *changed = now;
                            }
                        }
                    }
                    assert_eq!(service.pick_to(address), chosen);
                }
            });
        }
    }
}
