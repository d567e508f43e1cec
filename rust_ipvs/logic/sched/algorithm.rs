// SPDX-License-Identifier: GPL-2.0

//! What a scheduler is, and what it sees.

use core::ops::Deref;

/// A destination, as far as schedulers look at it.
// The counts are for schedulers that weigh load; round robin does not.
#[allow(dead_code)]
pub(crate) trait Candidate {
    /// Its weight; none above 0 is no new connections.
    fn weight(&self) -> i32;

    /// Whether it has reached its upper threshold (S-24).
    fn overloaded(&self) -> bool;

    /// Connections in an active state.
    fn active(&self) -> u32;

    /// All connections, without templates.
    fn total(&self) -> u32;
}

/// Whether a scheduler may choose a destination at all.
pub(super) fn usable(candidate: &(impl Candidate + ?Sized)) -> bool {
    candidate.weight() > 0 && !candidate.overloaded()
}

/// A number that a scheduler keeps between calls, shared by all CPUs.
///
/// Packets on several CPUs read and write it at once. Each sees some earlier value; that two
/// of them start from the same one is harmless.
pub(crate) trait Cell32 {
    /// Reads the number.
    fn load(&self) -> u32;

    /// Writes the number.
    fn store(&self, v: u32);
}

/// One way of choosing.
pub(super) trait Algorithm {
    /// Its name, as users write it.
    const NAME: &'static str;

    /// Chooses a destination: its index in the list.
    fn pick<T>(list: &[T], state: &impl Cell32) -> Option<usize>
    where
        T: Deref<Target: Candidate>;

    /// The position after a destination was inserted at the head of the list.
    fn inserted(position: u32) -> u32;

    /// The position after the destination at `index` was removed.
    fn removed(position: u32, index: usize) -> u32;
}
