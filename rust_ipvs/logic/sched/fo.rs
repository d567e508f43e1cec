// SPDX-License-Identifier: GPL-2.0

//! Failover: the usable destination of the greatest weight gets all connections (D-11).
//!
//! Another one gets them if its weight becomes 0, it is deleted, or it is overloaded. Of equals the
//! newest is chosen.
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

/// Scheduler `fo`.
pub(super) struct Failover;

impl Algorithm for Failover {
    const NAME: &'static str = "fo";

    fn pick<V: View, F: Family>(view: &V, _flow: &Flow<F>) -> Option<V::Server> {
        greatest(view, |server| server.offer())
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{chooses_as, greatest_weight, Service};

    // D-11
    #[test]
    fn as_the_naive_one() {
        chooses_as("fo", greatest_weight);
    }

    // D-11
    #[test]
    fn the_next_when_the_first_is_gone() {
        let mut service = Service::of("fo", &[('A', 1), ('B', 9), ('C', 9), ('D', 3)]);
        assert_eq!(service.picks(3), "CCC");
        service.named('C').overloaded.set(true);
        assert_eq!(service.picks(1), "B");
        service.edit('B', 0);
        assert_eq!(service.picks(1), "D");
        service.remove('D');
        assert_eq!(service.picks(1), "A");
    }
}
