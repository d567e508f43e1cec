// SPDX-License-Identifier: GPL-2.0

//! Least connections: the destination with the fewest, whatever its weight (D-8).
//!
//! An active connection counts as much as 257 others. Of equals the newest destination is chosen.
//!
//! Cost of a decision: one look at each destination.

use super::super::family::Family;
use super::algorithm::{
    overhead,
    Algorithm,
    View, //
};
use super::flow::Flow;

/// The algorithm.
pub(super) struct LeastConnection;

impl Algorithm for LeastConnection {
    const NAME: &'static str = "lc";

    fn pick<V: View, F: Family>(view: &V, _flow: &Flow<F>) -> Option<V::Server> {
        // Of several that are least, the first.
        view.usable().min_by_key(|server| overhead(&**server))
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{shake, Server, Service};

    /// The first with the least load.
    fn naive(servers: &[&Server]) -> Option<char> {
        let load =
            |server: &Server| 256 * i64::from(server.active.get()) + i64::from(server.total.get());
        let least = servers.iter().map(|server| load(server)).min();
        let found = servers.iter().find(|server| Some(load(server)) == least);
        found.map(|server| server.name)
    }

    // D-8
    #[test]
    fn as_the_naive_one() {
        for seed in 0..300 {
            shake("lc", seed, |service, _| {
                let usable = |server: &&Server| server.weight.get() > 0 && !server.overloaded.get();
                let usable: Vec<_> = service.list().into_iter().filter(usable).collect();
                assert_eq!(service.pick().map(|server| server.name), naive(&usable));
            });
        }
    }

    //
    #[test]
    fn without_load_the_newest() {
        let service = Service::of("lc", &[('A', 1), ('B', 1), ('C', 1)]);
        assert_eq!(service.picks(2), "CC");
        let newest = service.named('C');
        newest.active.set(1);
        newest.total.set(1);
        assert_eq!(service.picks(2), "BB");
    }
}
