// SPDX-License-Identifier: GPL-2.0

//! Weighted least connections: the destination with the fewest for its weight (D-9).
//!
//! An active connection counts as much as 257 others. Of equals the newest destination is chosen.
//!
//! Cost of a decision: one look at each destination, and two multiplications.

use super::super::family::Family;
use super::algorithm::{
    least,
    overhead,
    Algorithm,
    Servers,
    View, //
};
use super::flow::Flow;

/// The algorithm.
pub(super) struct WeightedLeastConnection;

impl Algorithm for WeightedLeastConnection {
    const NAME: &'static str = "wlc";

    fn pick<V: View, F: Family>(view: &V, _flow: &Flow<F>) -> Option<V::Server> {
        least_loaded(view)
    }
}

/// The destination of a service that has the fewest connections for its weight.
pub(super) fn least_loaded<S: Servers>(servers: &S) -> Option<S::Server> {
    least(servers.newest_first(), |server| overhead(&**server))
}

#[cfg(test)]
mod tests {
    use crate::model::{shake, Server, Service};

    /// The first with the least load for its weight.
    fn naive(servers: &[&Server]) -> Option<char> {
        let load =
            |server: &Server| 256 * i64::from(server.active.get()) + i64::from(server.total.get());
        let mut best = servers.first()?;
        for server in servers {
            if load(server) * i64::from(best.weight.get())
                < load(best) * i64::from(server.weight.get())
            {
                best = server;
            }
        }
        Some(best.name)
    }

    // D-9
    #[test]
    fn as_the_naive_one() {
        for seed in 0..300 {
            shake("wlc", seed, |service, _| {
                let usable = |server: &&Server| server.weight.get() > 0 && !server.overloaded.get();
                let usable: Vec<_> = service.list().into_iter().filter(usable).collect();
                assert_eq!(service.pick().map(|server| server.name), naive(&usable));
            });
        }
    }

    //
    #[test]
    fn without_load_the_newest() {
        let service = Service::of("wlc", &[('A', 1), ('B', 1), ('C', 1)]);
        assert_eq!(service.picks(2), "CC");
        let newest = service.named('C');
        newest.active.set(1);
        newest.total.set(1);
        assert_eq!(service.picks(2), "BB");
    }
}
