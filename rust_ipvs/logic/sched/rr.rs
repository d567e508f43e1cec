// SPDX-License-Identifier: GPL-2.0

//! Round robin: each destination in turn (D-6).
//!
//! The reference keeps a pointer to the list node last used, at first the list's head. A position is that
//! pointer as a number: 0 is the head, `k + 1` the destination at index `k`.

use super::{
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
        // Where the one last used goes, its predecessor takes its place.
        match usize::try_from(position) {
            Ok(position_in_list) if index < position_in_list => position.saturating_sub(1),
            _ => position,
        }
    }
}
