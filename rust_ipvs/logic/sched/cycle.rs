// SPDX-License-Identifier: GPL-2.0

//! Greatest common divisor and maximum of weights that change one at a time.
//!
//! A weighted round starts near the greatest weight and goes down in steps of the divisor (D-7).
//! Reading all weights after each change would make `n` additions cost `n` squared. So the weights
//! are the leaves of a binary tree whose nodes hold both numbers for the leaves below: a change
//! updates the nodes above one leaf.

/// Divisor and maximum of a set of weights; both 0 if none is above 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cycle {
    divisor: u32,
    greatest: u32,
}

/// Returns the greatest common divisor; `gcd(n, 0)` is `n`.
pub(super) fn gcd(a: u32, b: u32) -> u32 {
    let (mut a, mut b) = (a, b);
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}

impl Cycle {
    /// Returns the cycle of one weight. A weight that is not above 0 does not count.
    pub(crate) fn of(weight: i32) -> Self {
        let weight = u32::try_from(weight).unwrap_or(0);
        Self {
            divisor: weight,
            greatest: weight,
        }
    }

    /// Returns the cycle of the union of both sets.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            divisor: gcd(self.divisor, other.divisor),
            greatest: self.greatest.max(other.greatest),
        }
    }

    /// Returns the step by which the level of a round goes down, at least 1.
    pub(super) fn step(self) -> u32 {
        self.divisor.max(1)
    }

    /// Returns the initial level of a round: the lowest one that only the greatest weight reaches,
    /// or 0 if no weight is above 0.
    pub(super) fn top(self) -> u32 {
        self.greatest.saturating_sub(self.step().saturating_sub(1))
    }
}

/// Returns the number of nodes of the tree for `slots` weights.
pub(crate) fn tree_size(slots: usize) -> usize {
    slots.saturating_mul(2)
}

/// Sets the weight of a slot and updates the nodes above it. A new tree is all default values.
pub(crate) fn set(tree: &mut [Cycle], slot: usize, weight: i32) {
    let mut at = (tree.len() / 2).saturating_add(slot);
    if let Some(leaf) = tree.get_mut(at) {
        *leaf = Cycle::of(weight);
    }
    // Node `i` has the children `2 i` and `2 i + 1`; the root is node 1.
    while at > 1 {
        at /= 2;
        let (left, right) = (at.saturating_mul(2), at.saturating_mul(2).saturating_add(1));
        if let (Some(left), Some(right)) = (tree.get(left), tree.get(right)) {
            let both = left.and(*right);
            if let Some(node) = tree.get_mut(at) {
                *node = both;
            }
        }
    }
}

/// Returns the cycle of all weights in the tree.
pub(crate) fn whole(tree: &[Cycle]) -> Cycle {
    tree.get(1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divisors() {
        for (a, b, expected) in [(0, 0, 0), (0, 5, 5), (5, 0, 5), (12, 18, 6), (7, 3, 1)] {
            assert_eq!(gcd(a, b), expected);
        }
        assert_eq!(gcd(u32::MAX, u32::MAX), u32::MAX);
    }

    // D-7
    #[test]
    fn rounds() {
        let of = |weights: &[i32]| {
            let parts = weights.iter().map(|weight| Cycle::of(*weight));
            let cycle = parts.fold(Cycle::default(), Cycle::and);
            (cycle.step(), cycle.top())
        };
        assert_eq!(of(&[]), (1, 0));
        assert_eq!(of(&[0, -5]), (1, 0));
        assert_eq!(of(&[3, 2, 1]), (1, 3));
        assert_eq!(of(&[300, 200, 0, 100]), (100, 201));
        assert_eq!(of(&[i32::MAX]), (i32::MAX as u32, 1));
    }

    /// The root of the tree equals the result over all weights.
    #[test]
    fn a_tree_is_as_good_as_all_weights() {
        let mut seed = 1u32;
        for slots in [1usize, 2, 3, 4, 5, 8, 11, 32, 33] {
            let mut tree = vec![Cycle::default(); tree_size(slots)];
            let mut weights = vec![0i32; slots];
            assert_eq!(whole(&tree), Cycle::default());
            for _ in 0..if cfg!(miri) { 5 } else { 200 } {
                seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
                let slot = (seed >> 16) as usize % slots;
                weights[slot] = ((seed >> 8) % 8) as i32 * 6;
                set(&mut tree, slot, weights[slot]);
                let parts = weights.iter().map(|weight| Cycle::of(*weight));
                assert_eq!(whole(&tree), parts.fold(Cycle::default(), Cycle::and));
            }
        }
        // A slot beyond the tree changes nothing.
        let mut tree = vec![Cycle::default(); 8];
        set(&mut tree, 4, 7);
        assert_eq!(whole(&tree), Cycle::default());
        set(&mut [], 0, 7);
    }
}
