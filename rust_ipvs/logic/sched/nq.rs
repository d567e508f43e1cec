// SPDX-License-Identifier: GPL-2.0

//! Never queue: an idle destination if there is one, otherwise as `sed` (D-10).
//!
//! The newest idle destination is chosen, even if it is slow and a fast one has little load.
//!
//! Cost of a decision: one access to each destination up to the first idle one, with two
//! multiplications for each.

use super::super::family::Family;
use super::algorithm::{
    least,
    Algorithm,
    Candidate,
    Servers,
    View, //
};
use super::flow::Flow;

/// Scheduler `nq`.
pub(super) struct NeverQueue;

impl Algorithm for NeverQueue {
    const NAME: &'static str = "nq";

    fn pick<V: View, F: Family>(view: &V, _flow: &Flow<F>) -> Option<V::Server> {
        idle_or_shortest(view)
    }
}

/// Returns an idle destination, or the one with the shortest expected delay.
///
/// Not generic over the family, so that both share one copy.
fn idle_or_shortest<S: Servers>(servers: &S) -> Option<S::Server> {
    // An idle destination has delay 0, which no other compares lighter than.
    let delay = |server: &S::Server| match i64::from(server.active()) {
        0 => 0,
        active => active.wrapping_add(1),
    };
    least(servers, delay)
}

#[cfg(test)]
mod tests {
    use crate::model::{chooses_as, least_for_weight, Server, Service};

    // D-10
    #[test]
    fn as_the_naive_one() {
        chooses_as("nq", |servers| {
            let idle = servers.iter().find(|server| server.active.get() == 0);
            let load = |server: &Server| 1 + i64::from(server.active.get());
            idle.map_or_else(
                || least_for_weight(servers, load),
                |server| Some(server.name),
            )
        });
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
