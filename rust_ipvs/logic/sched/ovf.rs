// SPDX-License-Identifier: GPL-2.0

//! Overflow: the destination of the greatest weight until it has more active connections than its
//! weight, then the next (D-11).
//!
//! The weight is a capacity, which is exceeded by one connection. Of equals the newest is chosen.
//! No destination is chosen if all are full.
//!
//! Cost of a decision: one access to each destination.

use super::super::family::Family;
use super::algorithm::{
    greatest,
    Algorithm,
    Candidate,
    View, //
};
use super::flow::Flow;

/// Scheduler `ovf`.
pub(super) struct Overflow;

impl Algorithm for Overflow {
    const NAME: &'static str = "ovf";

    fn pick<V: View, F: Family>(view: &V, _flow: &Flow<F>) -> Option<V::Server> {
        greatest(view, |server| match server.offer() {
            offer if server.active() <= offer => offer,
            _ => 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{chooses_as, greatest_weight, Server, Service};

    // D-11
    #[test]
    fn as_the_naive_one() {
        chooses_as("ovf", |servers| {
            let has_capacity = |server: &&Server| server.active.get() <= server.weight.get();
            greatest_weight(
                &servers
                    .iter()
                    .copied()
                    .filter(has_capacity)
                    .collect::<Vec<_>>(),
            )
        });
    }

    // D-11: one connection more than the weight is accepted.
    #[test]
    fn the_next_when_the_first_is_full() {
        let service = Service::of("ovf", &[('A', 1), ('B', 3)]);
        service.named('B').active.set(3);
        assert_eq!(service.picks(1), "B");
        service.named('B').active.set(4);
        assert_eq!(service.picks(1), "A");
        service.named('A').active.set(2);
        assert_eq!(service.picks(1), "-");
    }
}
