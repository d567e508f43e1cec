// SPDX-License-Identifier: GPL-2.0

//! Most room: the destination with the greatest free capacity gets the connection.
//!
//! A weight is a number of connections here, as for `ovf`, and an active connection takes one. Of
//! equals the newest destination is chosen. No destination is chosen if all are full.
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

/// Scheduler `room`.
pub(super) struct MostRoom;

impl Algorithm for MostRoom {
    const NAME: &'static str = "room";

    fn pick<V: View, F: Family>(view: &V, _flow: &Flow<F>) -> Option<V::Server> {
        greatest(view, |server| match server.offer() {
            places @ 1.. => places.saturating_sub(server.active()),
            _ => 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::family::{Endpoint, V4};
    use super::*;
    use crate::model::Service;

    #[test]
    fn most_room_first() {
        let flow = Flow::<V4> {
            protocol: 6,
            client: Endpoint {
                addr: [192, 0, 2, 1],
                port: 40000,
            },
            addressee: [198, 51, 100, 1],
        };
        let service = Service::of("rr", &[('A', 3), ('B', 2), ('C', 0)]);
        let mut picks = String::new();
        while let Some(server) = MostRoom::pick(&&service, &flow) {
            server.active.set(server.active.get() + 1);
            picks.push(server.name);
        }
        assert_eq!(picks, "ABABA");
    }
}
