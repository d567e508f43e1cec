// SPDX-License-Identifier: GPL-2.0

//! Weighted round robin: in turn, as often as the weights say (D-7).
//!
//! A round passes the list several times, from newest to oldest, each time with a lower *level*.
//! Every destination whose weight is at least the level gets a connection. The first level is the
//! lowest that only the greatest weight reaches, and each pass lowers it by the greatest common
//! divisor of all weights. So the connections of a heavy destination are spread over the round, as
//! with weights 3, 2, 1: a, a b, a b c.
//!
//! List position and level are one word, which is updated by compare and exchange. Divisor and
//! first level are part of the snapshot of the service.
//!
//! Cost of a decision: the destinations up to the chosen one, at most six times the list. C IPVS
//! passes the list once for each level, even for those that no destination reaches.

use super::super::family::Family;
use super::algorithm::{
    Algorithm,
    Candidate,
    Needs,
    View, //
};
use super::cycle::Cycle;
use super::flow::Flow;
use super::position::Position;

/// Maximum number of compare-and-exchange attempts. After the last one the chosen destination is
/// used although the position was not updated.
const TRIES: usize = 4;

/// Scheduler `wrr`.
pub(super) struct WeightedRoundRobin;

impl Algorithm for WeightedRoundRobin {
    const NAME: &'static str = "wrr";

    const NEEDS: Needs = Needs {
        cycle: true,
        edits: true,
        ..Needs::NOTHING
    };

    fn pick<V: View, F: Family>(view: &V, _flow: &Flow<F>) -> Option<V::Server> {
        let mut position = view.position();
        let mut found = None;
        for _ in 0..TRIES {
            let (next, server) = walk(view, position);
            found = server;
            match view.exchange(position, next) {
                Ok(()) => break,
                Err(other) => position = other,
            }
        }
        found
    }

    fn restart(position: Position, cycle: Cycle) -> Position {
        let (step, top) = (cycle.step(), cycle.top());
        let level = match position.level {
            0 => top,
            level if level > top => top,
            level if step > 1 => level
                .checked_div(step)
                .unwrap_or(0)
                .saturating_mul(step)
                .saturating_add(1),
            level => level,
        };
        Position { last: None, level }
    }
}

/// Returns the next level below `level` that a weight of `greatest` reaches, or the lowest one if
/// it reaches none. Returns `None` at the end of a round.
fn next_level(level: u32, step: u32, greatest: u32) -> Option<u32> {
    let below = level.checked_sub(step).filter(|below| *below > 0)?;
    let gap = below.saturating_sub(greatest);
    // Number of steps, rounded up, limited so that the level stays above 0.
    let needed = gap
        .saturating_add(step.saturating_sub(1))
        .checked_div(step)?;
    let steps = needed.min(below.saturating_sub(1).checked_div(step)?);
    Some(below.saturating_sub(steps.saturating_mul(step)))
}

/// Searches the next destination from a position on. Returns the new position too.
fn walk<V: View>(view: &V, position: Position) -> (Position, Option<V::Server>) {
    let cycle = view.cycle();
    let (step, top) = (cycle.step(), cycle.top());
    if top == 0 {
        return (position, None);
    }
    let slots = view.slots();
    let last = position.last.filter(|last| *last < slots);
    let mut level = position.level;
    let mut rest = 0..last.unwrap_or(slots);
    // `lowest`: the whole list is compared with the lowest level; `again`: a new round began;
    // `stop`: slot at which the search ends.
    let (mut lowest, mut again, mut stop) = (false, false, None);
    loop {
        let whole = rest.end == slots && stop.is_none();
        let mut greatest = 0;
        let from = stop.unwrap_or(rest.start);
        for (slot, server) in view.within(from..rest.end) {
            let Ok(weight @ 1..) = u32::try_from(server.offer()) else {
                continue;
            };
            if weight >= level {
                let last = Some(slot);
                return (Position { last, level }, Some(server));
            }
            greatest = greatest.max(weight);
        }
        if stop.is_some() {
            return (Position { last: stop, level }, None);
        }
        rest = 0..slots;
        // Levels above every weight are skipped once the whole list has been read.
        let greatest = if whole { greatest } else { u32::MAX };
        level = match next_level(level, step, greatest) {
            Some(level) => level,
            None if lowest || last.is_none() => {
                let level = top;
                return (Position { last: None, level }, None);
            }
            None => {
                again = true;
                top
            }
        };
        lowest = level <= step;
        if lowest && again {
            stop = last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cycle::gcd;
    use super::next_level;
    use crate::model::{seeds, shake, Change, Service};

    // The level stays at 1, where the additions left it.
    #[test]
    fn the_order_of_the_specification() {
        for unit in [1, 100] {
            let service = Service::of("wrr", &[('c', unit), ('b', 2 * unit), ('a', 3 * unit)]);
            assert_eq!(service.picks(3), "abc");
            assert_eq!(service.picks(12), "aababcaababc");
        }
        let service = Service::of("wrr", &[('a', 0), ('b', 0)]);
        assert_eq!(service.picks(2), "--");
        assert_eq!(Service::new("wrr").picks(1), "-");
    }

    // D-7
    #[test]
    fn shares_are_the_weights() {
        let weights = [('A', 1), ('B', 7), ('C', 10), ('D', 0), ('E', 4)];
        let service = Service::of("wrr", &weights);
        let picks = service.picks(22 * 5);
        for (name, weight) in weights {
            let share = picks.chars().filter(|pick| *pick == name).count();
            assert_eq!(share, 5 * weight as usize, "{name} in {picks}");
        }
    }

    /// Weights of any size cost only a few passes.
    #[test]
    fn great_weights() {
        let service = Service::of("wrr", &[('A', i32::MAX), ('B', i32::MAX - 1), ('C', 1)]);
        service.named('A').overloaded.set(true);
        service.named('B').overloaded.set(true);
        assert_eq!(service.picks(3), "CCC");
        service.named('C').overloaded.set(true);
        assert_eq!(service.picks(3), "---");
        service.named('B').overloaded.set(false);
        assert_eq!(service.picks(3), "BBB");
    }

    #[test]
    fn levels_that_nobody_reaches() {
        for step in 1..5u32 {
            for level in 1..40u32 {
                for greatest in 0..45u32 {
                    // One step after the other. The lowest level is always tried.
                    let mut next = level.checked_sub(step).filter(|next| *next > 0);
                    while let Some(lower) =
                        next.and_then(|n| n.checked_sub(step)).filter(|n| *n > 0)
                    {
                        if next <= Some(greatest) {
                            break;
                        }
                        next = Some(lower);
                    }
                    assert_eq!(
                        next_level(level, step, greatest),
                        next,
                        "{level} {step} {greatest}"
                    );
                }
            }
        }
    }

    /// State of C IPVS by destination name; `None` is the head of the list.
    #[derive(Default)]
    struct Mark {
        last: Option<char>,
        level: i64,
        step: i64,
        top: i64,
    }

    impl Mark {
        fn change(&mut self, service: &Service) {
            let weights = || {
                service
                    .list()
                    .into_iter()
                    .map(|server| server.weight.get().max(0) as u32)
            };
            self.last = None;
            self.step = i64::from(weights().fold(0, gcd).max(1));
            self.top = i64::from(weights().max().unwrap_or(0)) - (self.step - 1);
            if self.level > self.top || self.level == 0 {
                self.level = self.top;
            } else if self.step > 1 {
                self.level = self.level / self.step * self.step + 1;
            }
        }

        /// Level by level and node by node, as C IPVS does.
        fn pick(&mut self, service: &Service) -> Option<char> {
            if self.top == 0 {
                return None;
            }
            let list = service.list();
            let begin = self.last;
            let mut at = match begin {
                None => 0,
                Some(name) => list.iter().position(|server| server.name == name).unwrap() + 1,
            };
            let (mut lowest, mut again, mut stop) = (false, false, None);
            loop {
                while at < list.len() {
                    let server = list[at];
                    if !server.overloaded.get() && i64::from(server.weight.get()) >= self.level {
                        self.last = Some(server.name);
                        return self.last;
                    }
                    if stop == Some(server.name) {
                        self.last = stop;
                        return None;
                    }
                    at += 1;
                }
                at = 0;
                self.level -= self.step;
                if self.level <= 0 {
                    self.level = self.top;
                    if lowest || begin.is_none() {
                        self.last = None;
                        return None;
                    }
                    again = true;
                }
                lowest = self.level <= self.step;
                if lowest && again && begin.is_some() {
                    stop = begin;
                }
            }
        }
    }

    // D-7
    #[test]
    fn as_the_slow_one() {
        for seed in seeds(400) {
            let mut mark = Mark::default();
            shake("wrr", seed, |service, change| {
                if change != Change::Load {
                    mark.change(service);
                }
                for _ in 0..5 {
                    assert_eq!(service.pick().map(|server| server.name), mark.pick(service));
                }
            });
        }
    }
}
