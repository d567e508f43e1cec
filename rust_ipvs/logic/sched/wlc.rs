// SPDX-License-Identifier: GPL-2.0

//! Weighted least connections: the destination with the fewest for its weight (D-9).
//!
//! An active connection counts as much as 257 inactive ones. Of equals the newest is chosen.
//!
//! Cost of a decision: one access to each destination up to the first without connections, with two
//! multiplications for each.

use super::super::family::Family;
use super::algorithm::{
    least,
    overhead,
    Algorithm,
    Servers,
    View, //
};
use super::flow::Flow;

/// Scheduler `wlc`.
pub(super) struct WeightedLeastConnection;

impl Algorithm for WeightedLeastConnection {
    const NAME: &'static str = "wlc";

    fn pick<V: View, F: Family>(view: &V, _flow: &Flow<F>) -> Option<V::Server> {
        least_loaded(view)
    }
}

/// Returns the destination with the fewest connections for its weight.
pub(super) fn least_loaded<S: Servers>(servers: &S) -> Option<S::Server> {
    least(servers, |server| overhead(&**server))
}

#[cfg(test)]
mod tests {
    use crate::model::{chooses_as, least_for_weight, Server, Service};

    // D-9, U-18: by `active * 256 + total`.
    #[test]
    fn as_the_naive_one() {
        chooses_as("wlc", |servers| least_for_weight(servers, Server::load));
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
