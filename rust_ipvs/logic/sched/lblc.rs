// SPDX-License-Identifier: GPL-2.0

//! Locality-based least connections: a destination address stays with its destination (D-17).
//!
//! Meant for firewall-mark services in front of caches, as `dh`. An address is scheduled by `wlc`
//! at first, and again if its destination has more active connections than its weight while another
//! one has fewer than half of its own. A cache maps addresses to destinations; a cached destination
//! is used even if it is overloaded.
//!
//! Cost of a decision: one look-up by address. A new address takes one access to each destination,
//! and an address whose destination is full one access to each destination up to the first that is
//! less than half full.

use super::super::family::Family;
use super::algorithm::{
    Algorithm,
    Candidate,
    Needs,
    Servers,
    View, //
};
use super::flow::Flow;
use super::wlc;

/// Scheduler `lblc`.
pub(super) struct Locality;

impl Algorithm for Locality {
    const NAME: &'static str = "lblc";

    const NEEDS: Needs = Needs {
        lblc: true,
        ..Needs::NOTHING
    };

    fn pick<V: View, F: Family>(view: &V, flow: &Flow<F>) -> Option<V::Server> {
        let address = F::ip(flow.addressee);
        let entry = view.recall(address);
        let known = entry
            .and_then(|entry| view.members(entry).next())
            .filter(|server| server.available() && server.weight() > 0);
        if let Some(server) = known.filter(|server| !is_full(view, &**server)) {
            return Some(server);
        }
        let server = wlc::least_loaded(view)?;
        view.remember(address, entry, server, false);
        Some(server)
    }
}

/// Returns true if the destination has more active connections than its weight and another one has
/// fewer than half of its weight (`is_overloaded()` in C IPVS).
pub(super) fn is_full<S: Servers>(servers: &S, server: &(impl Candidate + ?Sized)) -> bool {
    let weight = |server: i32| i64::from(server);
    if i64::from(server.active()) <= weight(server.weight()) {
        return false;
    }
    let half_empty =
        |other: S::Server| i64::from(other.active()).wrapping_mul(2) < weight(other.weight());
    servers.find(half_empty).is_some()
}

#[cfg(test)]
mod tests {
    use crate::model::{least_for_weight, seeds, shake, Server, Service};
    use std::collections::HashMap;

    // D-17
    #[test]
    fn an_address_stays_until_its_destination_is_full() {
        let mut service = Service::of("lblc", &[('A', 10), ('B', 10)]);
        assert_eq!(service.pick_to(1), Some('B'));
        service.busy('B', 10);
        assert_eq!(service.pick_to(2), Some('A'));
        assert_eq!(service.pick_to(1), Some('B'));
        // More than its weight, but the other destination is not less than half full.
        service.busy('B', 11);
        service.busy('A', 5);
        assert_eq!(service.pick_to(1), Some('B'));
        service.busy('A', 4);
        assert_eq!(service.pick_to(1), Some('A'));
        service.busy('B', 0);
        assert_eq!(service.pick_to(1), Some('A'));
        // overload of a cached destination is not checked; weight 0 and deletion are.
        service.named('A').overloaded.set(true);
        assert_eq!(service.pick_to(1), Some('A'));
        assert_eq!(service.pick_to(3), Some('B'));
        service.edit('A', 0);
        assert_eq!(service.pick_to(2), Some('B'));
        service.remove('B');
        assert_eq!(service.pick_to(2), None);
        assert_eq!(service.pick_to(3), None);
    }

    // D-17
    #[test]
    fn as_the_naive_one() {
        for seed in seeds(200) {
            let mut known = HashMap::new();
            shake("lblc", seed, |service, _| {
                for address in 0..3u8 {
                    let list = service.list();
                    let kept = known
                        .get(&address)
                        .and_then(|name| list.iter().find(|server| server.name == *name));
                    let half_empty =
                        |server: &&Server| 2 * server.active.get() < server.weight.get();
                    let full = |server: &Server| {
                        server.active.get() > server.weight.get() && list.iter().any(half_empty)
                    };
                    let expected = match kept {
                        Some(server) if server.weight.get() > 0 && !full(server) => {
                            Some(server.name)
                        }
                        _ => {
                            let usable = list.iter().copied().filter(|server| server.usable());
                            least_for_weight(&usable.collect::<Vec<_>>(), Server::load)
                        }
                    };
                    if let Some(name) = expected {
                        known.insert(address, name);
                    }
                    assert_eq!(service.pick_to(address), expected);
                }
            });
        }
    }
}
