// SPDX-License-Identifier: GPL-2.0

//! Weighted power of two choices: the less loaded of two destinations drawn by weight (D-12).
//!
//! Several directors that share destinations do not all choose the destination that is least loaded
//! at the moment, as they would with `wlc`.
//!
//! Each draw is a number from 0 to the sum of the weights inclusive, so the first destination has
//! one chance more than its weight. C IPVS multiplies in 32 bits, which large weights overflow
//! 128-bit products do not.
//!
//! Cost of a decision: two accesses to each destination, two random numbers and two
//! multiplications.

use super::super::family::Family;
use super::algorithm::{
    heavier,
    overhead,
    Algorithm,
    Candidate,
    View, //
};
use super::flow::Flow;

/// Scheduler `twos`.
pub(super) struct TwoChoices;

impl Algorithm for TwoChoices {
    const NAME: &'static str = "twos";

    fn pick<V: View, F: Family>(view: &V, _flow: &Flow<F>) -> Option<V::Server> {
        // A sum of 2^32 weights of 31 bits fits in 64 bits.
        let weight = |server: &V::Server| i64::from(server.offer().max(0));
        let mut sum = 0i64;
        view.find(|server| {
            sum = sum.wrapping_add(weight(&server));
            false
        });
        if sum == 0 {
            return None;
        }
        let draw = || {
            let drawn = view.random(sum.unsigned_abs().saturating_add(1));
            // Both 0 and 1 select the first usable destination. An unusable one subtracts 0, so
            // that it is never found.
            let mut left = i64::try_from(drawn).unwrap_or(0).max(1);
            view.find(|server| {
                left = left.wrapping_sub(weight(&server));
                left <= 0
            })
        };
        // A draw may find none if weights change between the passes.
        let (first, second) = match (draw(), draw()) {
            (Some(first), Some(second)) => (first, second),
            (one, other) => return one.or(other).or_else(|| view.usable().next()),
        };
        let burden = |server: &V::Server| (overhead(&**server), i64::from(server.weight()));
        Some(if heavier(burden(&first), burden(&second)) {
            second
        } else {
            first
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{seeds, shake, Service};

    // D-12: with equal loads each destination is drawn as often as its weight says; the newest has
    // one chance more.
    #[test]
    #[cfg_attr(miri, ignore = "80,000 picks are for statistics")]
    fn shares_are_the_weights() {
        let weights = [('A', 1), ('B', 2), ('C', 4), ('D', 0)];
        let service = Service::of("twos", &weights);
        let picks = service.picks(80_000);
        for (name, chances) in [('A', 1), ('B', 2), ('C', 5), ('D', 0)] {
            let share = picks.chars().filter(|pick| *pick == name).count();
            assert!(share.abs_diff(chances * 10_000) < 600, "{share} for {name}");
        }
    }

    // D-12: the less loaded of the two. With two servers the loaded one is chosen if both draws
    // give it.
    #[test]
    #[cfg_attr(miri, ignore = "80,000 picks are for statistics")]
    fn the_less_loaded_of_two() {
        let service = Service::of("twos", &[('A', 4), ('B', 3)]);
        service.named('A').active.set(100);
        let picks = service.picks(80_000);
        let share = picks.chars().filter(|pick| *pick == 'A').count();
        // Each draw gives A with probability 1/2.
        assert!(share.abs_diff(20_000) < 600, "{share}");
    }

    // D-12
    #[test]
    fn whoever_may_be_chosen_and_nobody_else() {
        for seed in seeds(100) {
            shake("twos", seed, |service, _| {
                let list = service.list();
                let usable = |name| service.named(name).usable();
                match service.pick() {
                    Some(server) => assert!(usable(server.name)),
                    None => assert!(!list.iter().any(|server| usable(server.name))),
                }
            });
        }
    }
}
