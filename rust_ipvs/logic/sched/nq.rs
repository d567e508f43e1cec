// SPDX-License-Identifier: GPL-2.0

//! Never queue: an idle destination, if there is one, and else as `sed` (D-10).
//!
//! The newest idle destination is chosen, even where it is slow and a fast one has little to do.
//!
//! Cost of a decision: one look at each destination up to the first idle one; where none is idle two looks, and
//! two multiplications.

use super::super::family::Family;
use super::algorithm::{
    Algorithm,
    Candidate,
    View, //
};
use super::flow::Flow;
use super::sed;

/// The algorithm.
pub(super) struct NeverQueue;

impl Algorithm for NeverQueue {
    const NAME: &'static str = "nq";

    fn pick<V: View, F: Family>(view: &V, _flow: &Flow<F>) -> Option<V::Server> {
        let idle = view.usable().find(|server| server.active() == 0);
        idle.or_else(|| sed::shortest(view))
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{shake, Server, Service};

    /// The first that is idle, or else the first with the fewest active connections for its weight, one more counted.
    fn naive(servers: &[&Server]) -> Option<char> {
        if let Some(idle) = servers.iter().find(|server| server.active.get() == 0) {
            return Some(idle.name);
        }
        let load = |server: &Server| 1 + i64::from(server.active.get());
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

    // D-10
    #[test]
    fn as_the_naive_one() {
        for seed in 0..300 {
            shake("nq", seed, |service, _| {
                let usable = |server: &&Server| server.weight.get() > 0 && !server.overloaded.get();
                let usable: Vec<_> = service.list().into_iter().filter(usable).collect();
                assert_eq!(service.pick().map(|server| server.name), naive(&usable));
            });
        }
    }

    //
    #[test]
    fn an_idle_one_however_slow() {
        let service = Service::of("nq", &[('A', 100), ('B', 1)]);
        assert_eq!(service.picks(2), "BB");
        service.named('B').active.set(1);
        assert_eq!(service.picks(2), "AA");
        service.named('A').active.set(1);
        assert_eq!(service.picks(2), "AA");
    }
}
