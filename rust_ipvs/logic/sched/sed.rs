// SPDX-License-Identifier: GPL-2.0

//! Shortest expected delay: the destination with the fewest active connections for its weight, the
//! new one included (D-10).
//!
//! Unlike in `wlc` the new connection counts, so the fastest of several idle destinations is
//! chosen. Of equals it is the newest.
//!
//! Cost of a decision: one access to each destination, with two multiplications for each.

use super::super::family::Family;
use super::algorithm::{
    least,
    Algorithm,
    Candidate,
    Servers,
    View, //
};
use super::flow::Flow;

/// Scheduler `sed`.
pub(super) struct ShortestExpectedDelay;

impl Algorithm for ShortestExpectedDelay {
    const NAME: &'static str = "sed";

    fn pick<V: View, F: Family>(view: &V, _flow: &Flow<F>) -> Option<V::Server> {
        shortest(view)
    }
}

/// Returns the destination with the shortest expected delay.
///
/// Not generic over the family, so that both share one copy.
fn shortest<S: Servers>(servers: &S) -> Option<S::Server> {
    let delay = |server: &S::Server| i64::from(server.active()).wrapping_add(1);
    least(servers, delay)
}

#[cfg(test)]
mod tests {
    use crate::model::{chooses_as, least_for_weight, Service};

    // D-10
    #[test]
    fn as_the_naive_one() {
        chooses_as("sed", |servers| {
            least_for_weight(servers, |server| 1 + i64::from(server.active.get()))
        });
    }

    //
    #[test]
    fn without_load_the_newest() {
        let service = Service::of("sed", &[('A', 1), ('B', 1), ('C', 1)]);
        assert_eq!(service.picks(2), "CC");
        let newest = service.named('C');
        newest.active.set(1);
        newest.total.set(1);
        assert_eq!(service.picks(2), "BB");
    }

    // D-10
    #[test]
    fn of_idle_ones_the_fastest() {
        let service = Service::of("sed", &[('A', 3), ('B', 5), ('C', 1)]);
        assert_eq!(service.picks(1), "B");
    }
}
