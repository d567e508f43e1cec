// SPDX-License-Identifier: GPL-2.0

//! Round robin: each destination in turn (D-6).
//!
//! The position is the destination used last. The next older usable one is chosen, and the newest
//! after the oldest. Two CPUs that read the position at the same time choose the same destination.
//! That only sends two consecutive connections there, so no lock is taken.
//!
//! Cost of a decision: the destinations up to the first usable one.

use super::super::family::Family;
use super::algorithm::{
    usable,
    Algorithm,
    View, //
};
use super::flow::Flow;
use super::position::Position;

/// Scheduler `rr`.
pub(super) struct RoundRobin;

impl Algorithm for RoundRobin {
    const NAME: &'static str = "rr";

    fn pick<V: View, F: Family>(view: &V, _flow: &Flow<F>) -> Option<V::Server> {
        let slots = view.slots();
        let position = view.position();
        // A slot beyond the list, which may have become shorter, counts as the head.
        let last = position.last.filter(|last| *last < slots).unwrap_or(slots);
        // The destination used last is tried last.
        let (slot, server) = view
            .within(0..last)
            .chain(view.within(last..slots))
            .find(|(_, server)| usable(&**server))?;
        view.move_to(Position {
            last: Some(slot),
            ..position
        });
        Some(server)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scheduler;
    use crate::model::{seeds, shake, Change, Service};
    use crate::reference::Ring;

    fn of(names: &str) -> Service {
        let mut service = Service::new("rr");
        names.chars().for_each(|name| service.add(name, 1));
        service
    }

    #[test]
    fn schedulers_are_found_by_name() {
        for scheduler in Scheduler::ALL {
            let name = scheduler.name().as_bytes();
            assert_eq!(Scheduler::by_name(name), Some(*scheduler));
        }
        for other in [&b""[..], b"r", b"rrr", b"RR", b"none"] {
            assert_eq!(Scheduler::by_name(other), None);
        }
    }

    // D-6, A-1
    #[test]
    fn newest_first_in_turn() {
        assert_eq!(of("ABC").picks(6), "CBACBA");
        assert_eq!(of("").picks(1), "-");
    }

    // A-1
    #[test]
    fn the_one_last_used_is_deleted() {
        let mut service = of("ABC");
        assert_eq!(service.picks(2), "CB");
        service.remove('B');
        assert_eq!(service.picks(4), "ACAC");
    }

    // D-6, Q-47: the newest was used last, and its predecessor is the list's head.
    #[test]
    fn the_newest_is_deleted_and_another_one_comes() {
        let mut service = of("ABC");
        assert_eq!(service.picks(1), "C");
        service.remove('C');
        service.add('D', 1);
        assert_eq!(service.picks(3), "DBA");
    }

    // A-1
    #[test]
    fn an_addition_waits_its_turn() {
        let mut service = of("ABC");
        assert_eq!(service.picks(1), "C");
        service.add('D', 1);
        assert_eq!(service.picks(5), "BADCB");
    }

    // D-6
    #[test]
    fn an_addition_before_the_first_use_is_first() {
        let mut service = of("AB");
        service.add('C', 1);
        assert_eq!(service.picks(3), "CBA");
    }

    // D-6
    #[test]
    fn without_weight_or_with_too_many_they_are_skipped() {
        let mut service = of("ABCD");
        service.edit('C', 0);
        service.edit('D', -1);
        service.named('B').overloaded.set(true);
        assert_eq!(service.picks(3), "AAA");
        service.edit('A', 0);
        assert_eq!(service.picks(2), "--");
        service.named('B').overloaded.set(false);
        assert_eq!(service.picks(2), "BB");
    }

    /// A stale position, as a concurrent change leaves it, is accepted.
    #[test]
    fn stale_positions() {
        let service = of("AB");
        for stale in [3, 1000, u64::from(u32::MAX), u64::MAX] {
            service.force(stale);
            assert_eq!(service.picks(1), "B");
        }
    }

    // D-6, A-1, Q-47: slots and a number behave as a ring and a pointer.
    #[test]
    fn as_on_a_ring() {
        for seed in seeds(300) {
            let mut ring = Ring::new();
            let mut nodes = Vec::new();
            shake("rr", seed, |service, change| match change {
                Change::Added(name) => nodes.push((ring.insert(), name)),
                Change::Removed(name) => {
                    let index = nodes.iter().position(|(_, other)| *other == name);
                    ring.remove(nodes.remove(index.unwrap()).0);
                }
                _ => {
                    let name = |node| nodes.iter().find(|(other, _)| *other == node).unwrap().1;
                    let expected = ring.pick(|node| service.named(name(node)).usable());
                    assert_eq!(service.pick().map(|server| server.name), expected.map(name));
                }
            });
        }
    }
}
