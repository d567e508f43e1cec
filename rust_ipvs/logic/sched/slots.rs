// SPDX-License-Identifier: GPL-2.0

//! Capacity of a list of slots, so that a change takes amortized constant time.
//!
//! A new destination takes the next slot, a deleted one leaves its slot empty. If no slot is left,
//! or most are empty, the destinations are renumbered in a list of another size. That costs an
//! access to each, but happens only after about as many changes as there are destinations.

/// Minimum capacity of a list.
const FEWEST: usize = 8;

/// Returns the capacity of a new list: twice the number of destinations and a constant.
pub(crate) fn capacity_for(destinations: usize) -> usize {
    destinations.saturating_mul(2).max(FEWEST)
}

/// Returns true if so many of the `slots` in use are empty that the list should be renumbered, as
/// packets scan the empty ones.
pub(crate) fn is_sparse(slots: usize, destinations: usize) -> bool {
    slots > destinations.saturating_mul(2).saturating_add(FEWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adding and deleting destinations moves each a constant number of times on average.
    #[test]
    fn moves_are_as_many_as_changes() {
        for (adds, deletes) in [(1, 0), (1, 1), (3, 1), (1, 3), (100, 99)] {
            let (mut capacity, mut slots, mut live) = (FEWEST, 0, 0);
            let (mut changes, mut moves) = (0usize, 0usize);
            for step in 0..20_000 {
                changes += 1;
                if step % (adds + deletes) < adds {
                    live += 1;
                    if slots == capacity {
                        moves += live;
                        (capacity, slots) = (capacity_for(live), live - 1);
                    }
                    slots += 1;
                } else if live > 0 {
                    live -= 1;
                    if is_sparse(slots, live) {
                        moves += live;
                        (capacity, slots) = (capacity_for(live), live);
                    }
                }
                assert!(slots <= capacity && live <= slots);
            }
            assert!(moves <= 3 * changes, "{moves} moves in {changes} changes");
        }
    }
}
