// SPDX-License-Identifier: GPL-2.0

//! Least connections: the destination with the fewest, whatever its weight (D-8).
//!
//! An active connection counts as much as 257 inactive ones. Of equals the newest is chosen.
//!
//! Cost of a decision: one access to each destination up to the first without connections.

use super::super::family::Family;
use super::algorithm::{
    idlest,
    overhead,
    Algorithm,
    View, //
};
use super::flow::Flow;

/// Scheduler `lc`.
pub(super) struct LeastConnection;

impl Algorithm for LeastConnection {
    const NAME: &'static str = "lc";

    fn pick<V: View, F: Family>(view: &V, _flow: &Flow<F>) -> Option<V::Server> {
        idlest(view, |server| overhead(&**server))
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{chooses_as, Service};

    // D-8, U-18: by `active * 256 + total`.
    #[test]
    fn as_the_naive_one() {
        chooses_as("lc", |servers| {
            let least = servers.iter().map(|server| server.load()).min();
            let found = servers.iter().find(|server| Some(server.load()) == least);
            found.map(|server| server.name)
        });
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
