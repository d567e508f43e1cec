// SPDX-License-Identifier: GPL-2.0

//! Capacity of a list of slots: changes cost the same however many destinations there are.
//!
//! A new destination takes the next slot, a deleted one leaves its own empty. When no slot is left,
//! or most are empty, those in use are counted anew in a list of another size. That takes a look at
//! each, but comes only after as many changes as there are destinations, or nearly so.

/// The fewest slots that a list has.
const FEWEST: usize = 8;

/// Returns how many slots a new list has for so many destinations: twice as many, and a few for
/// those that have none yet.
pub(crate) fn room_for(destinations: usize) -> usize {
    destinations.saturating_mul(2).max(FEWEST)
}

/// Returns whether so many slots in use are too many for so many destinations, so that packets look
/// at empty ones.
pub(crate) fn is_sparse(slots: usize, destinations: usize) -> bool {
    slots > destinations.saturating_mul(2).saturating_add(FEWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adding and deleting any number of destinations moves each a few times on the average.
    #[test]
    fn moves_are_as_many_as_changes() {
        for (adds, deletes) in [(1, 0), (1, 1), (3, 1), (1, 3), (100, 99)] {
            let (mut room, mut slots, mut live) = (FEWEST, 0, 0);
            let (mut changes, mut moves) = (0usize, 0usize);
            for step in 0..20_000 {
                changes += 1;
                if step % (adds + deletes) < adds {
                    live += 1;
                    if slots == room {
                        moves += live;
                        (room, slots) = (room_for(live), live - 1);
                    }
                    slots += 1;
                } else if live > 0 {
                    live -= 1;
                    if is_sparse(slots, live) {
                        moves += live;
                        (room, slots) = (room_for(live), live);
                    }
                }
                assert!(slots <= room && live <= slots);
            }
            assert!(moves <= 3 * changes, "{moves} moves in {changes} changes");
        }
    }
}
