// SPDX-License-Identifier: GPL-2.0

//! Round robin: each destination in turn (D-6).
//!
//! The reference keeps a pointer to the list node last used, at first the list's head. A position is that
//! pointer as a number: 0 is the head, `k + 1` the destination at index `k`.

use super::algorithm::{
    usable,
    Algorithm,
    Candidate,
    Cell32, //
};
use core::ops::Deref;

/// The algorithm.
pub(super) struct RoundRobin;

impl Algorithm for RoundRobin {
    const NAME: &'static str = "rr";

    fn pick<T>(list: &[T], state: &impl Cell32) -> Option<usize>
    where
        T: Deref<Target: Candidate>,
    {
        // Those after the one last used, then from the front up to and with it. A position from a
        // list that has since become shorter starts over.
        let (first, second) = usize::try_from(state.load())
            .ok()
            .and_then(|used| list.split_at_checked(used))
            .unwrap_or((&[], list));
        let after = first.len();
        let index = match second.iter().position(|candidate| usable(&**candidate)) {
            Some(index) => after.saturating_add(index),
            None => first.iter().position(|candidate| usable(&**candidate))?,
        };
        state.store(u32::try_from(index).ok()?.saturating_add(1));
        Some(index)
    }

    fn inserted(position: u32) -> u32 {
        // The one last used moved on by one; the head stays the head.
        match position {
            0 => 0,
            used => used.saturating_add(1),
        }
    }

    fn removed(position: u32, index: usize) -> u32 {
        // Where the one last used goes, its predecessor takes its place (Q-47).
        match usize::try_from(position) {
            Ok(position_in_list) if index < position_in_list => position.saturating_sub(1),
            _ => position,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scheduler;
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    impl Cell32 for Cell<u32> {
        fn load(&self) -> u32 {
            self.get()
        }

        fn store(&self, v: u32) {
            self.set(v);
        }
    }

    #[derive(Clone, Debug)]
    struct Server {
        name: char,
        weight: i32,
        overloaded: bool,
    }

    impl Candidate for Server {
        fn weight(&self) -> i32 {
            self.weight
        }

        fn overloaded(&self) -> bool {
            self.overloaded
        }

        fn active(&self) -> u32 {
            0
        }

        fn total(&self) -> u32 {
            0
        }
    }

    /// A service: its servers, newest first, and the scheduler's state.
    #[derive(Default)]
    struct Service {
        servers: Vec<Rc<Server>>,
        state: Cell<u32>,
    }

    impl Service {
        fn of(names: &str) -> Self {
            let mut service = Self::default();
            names.chars().for_each(|name| service.add(name));
            service
        }

        fn add(&mut self, name: char) {
            let server = Server {
                name,
                weight: 1,
                overloaded: false,
            };
            self.servers.insert(0, Rc::new(server));
            let state = Scheduler::RoundRobin.inserted(self.state.get());
            self.state.set(state);
        }

        fn remove(&mut self, name: char) {
            let index = self.servers.iter().position(|server| server.name == name);
            self.servers.remove(index.unwrap());
            let state = Scheduler::RoundRobin.removed(self.state.get(), index.unwrap());
            self.state.set(state);
        }

        fn server(&mut self, name: char) -> &mut Server {
            let mut servers = self.servers.iter_mut();
            let server = servers.find(|server| server.name == name);
            Rc::make_mut(server.unwrap())
        }

        fn pick(&self) -> Option<char> {
            let index = Scheduler::RoundRobin.pick(&self.servers, &self.state)?;
            Some(self.servers[index].name)
        }

        fn picks(&self, n: usize) -> String {
            (0..n).map(|_| self.pick().unwrap_or('-')).collect()
        }
    }

    #[test]
    fn found_by_name() {
        assert_eq!(Scheduler::by_name(b"rr"), Some(Scheduler::RoundRobin));
        assert_eq!(Scheduler::RoundRobin.name(), "rr");
        for other in [&b""[..], b"r", b"rrr", b"RR", b"none"] {
            assert_eq!(Scheduler::by_name(other), None);
        }
    }

    // D-6, A-1
    #[test]
    fn newest_first_in_turn() {
        assert_eq!(Service::of("ABC").picks(6), "CBACBA");
    }

    // A-1
    #[test]
    fn the_one_last_used_is_deleted() {
        let mut service = Service::of("ABC");
        assert_eq!(service.picks(2), "CB");
        service.remove('B');
        assert_eq!(service.picks(4), "ACAC");
    }

    // A-1
    #[test]
    fn an_addition_waits_its_turn() {
        let mut service = Service::of("ABC");
        assert_eq!(service.picks(1), "C");
        service.add('D');
        assert_eq!(service.picks(5), "BADCB");
    }

    // D-6
    #[test]
    fn an_addition_before_the_first_use_is_first() {
        let mut service = Service::of("AB");
        service.add('C');
        assert_eq!(service.picks(3), "CBA");
    }

    // D-6
    #[test]
    fn without_weight_or_with_too_many_they_are_skipped() {
        let mut service = Service::of("ABCD");
        service.server('C').weight = 0;
        service.server('B').overloaded = true;
        service.server('D').weight = -1;
        assert_eq!(service.picks(3), "AAA");
        service.server('A').weight = 0;
        assert_eq!(service.picks(2), "--");
        service.server('B').overloaded = false;
        assert_eq!(service.picks(2), "BB");
        assert_eq!(Service::default().pick(), None);
    }

    /// A position that a concurrent change left behind is no harm.
    #[test]
    fn stale_positions() {
        let service = Service::of("AB");
        for stale in [3, 1000, u32::MAX] {
            service.state.set(stale);
            assert_eq!(service.pick(), Some('B'));
        }
        assert_eq!(RoundRobin::inserted(u32::MAX), u32::MAX);
        assert_eq!(RoundRobin::removed(0, 0), 0);
        assert_eq!(RoundRobin::removed(1, usize::MAX), 1);
    }
}
