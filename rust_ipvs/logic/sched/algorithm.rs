// SPDX-License-Identifier: GPL-2.0

//! What a scheduler is, what it sees, and what several of them do alike.

use super::super::config::{
    DestinationId,
    Ip, //
};
use super::super::family::Family;
use super::cycle::Cycle;
use super::flow::Flow;
use super::position::Position;
use core::ops::{
    Deref,
    Range, //
};

/// A destination, as far as schedulers look at it.
pub(crate) trait Candidate {
    /// Its address and port.
    fn id(&self) -> &DestinationId;

    /// Its weight; none above 0 is no new connections.
    fn weight(&self) -> i32;

    /// The weight that it last had above 0, or the one that it began with (V-15).
    fn last_weight(&self) -> i32;

    /// Whether it has reached its upper threshold (S-24).
    fn overloaded(&self) -> bool;

    /// Whether it still belongs to a service: not so what a scheduler remembers and a user deleted (V-11).
    fn available(&self) -> bool;

    /// Connections in an active state.
    fn active(&self) -> u32;

    /// All connections, without templates.
    fn total(&self) -> u32;
}

/// The destinations of a service.
///
/// Each is in a slot that it keeps. A new one takes the next slot, so the newest has the highest number, and
/// the reference's list, newest first (V-9), is the slots from the last to the first. Slots whose destination
/// was deleted are empty.
pub(crate) trait Servers {
    /// A destination.
    type Server: Copy + Deref<Target: Candidate>;

    /// How many slots there are, empty ones counted.
    fn slots(&self) -> u32;

    /// The destination in a slot.
    fn server(&self, slot: u32) -> Option<Self::Server>;

    /// Those in some of the slots, newest first, each with its slot.
    fn within(&self, slots: Range<u32>) -> impl Iterator<Item = (u32, Self::Server)> {
        slots
            .rev()
            .filter_map(|slot| Some((slot, self.server(slot)?)))
    }

    /// All, newest first.
    fn newest_first(&self) -> impl Iterator<Item = Self::Server> {
        self.within(0..self.slots()).map(|(_, server)| server)
    }

    /// Those that may be chosen, newest first.
    fn usable(&self) -> impl Iterator<Item = Self::Server> {
        self.newest_first().filter(|server| usable(&**server))
    }
}

/// A service when a new connection comes: its destinations, and what its scheduler keeps.
pub(crate) trait View: Servers {
    /// What is remembered of an address (D-17, D-18).
    type Memo: Copy;

    /// The scheduler's position.
    fn position(&self) -> Position;

    /// Moves on, whatever other CPUs did meanwhile.
    fn move_to(&self, position: Position);

    /// Moves on from `old`.
    ///
    /// # Errors
    ///
    /// The present position, where another CPU moved on.
    fn exchange(&self, old: Position, new: Position) -> Result<(), Position>;

    /// The weights' cycle, for schedulers that need it.
    fn cycle(&self) -> Cycle;

    /// The scheduler's table, as it filled it.
    fn table(&self) -> &[u32];

    /// The service's flags.
    fn flags(&self) -> u32;

    /// A random number below `limit`, or 0.
    fn random(&self, limit: u64) -> u64;

    /// What is remembered of an address; asking for it keeps it from being forgotten.
    fn recall(&self, address: Ip) -> Option<Self::Memo>;

    /// The destinations that are remembered, the newest first.
    fn members(&self, memo: Self::Memo) -> impl Iterator<Item = Self::Server>;

    /// Whether there are several, and have been the same for as long as they may be.
    fn is_settled(&self, memo: Self::Memo) -> bool;

    /// Remembers a destination, beside those of `memo` or in their place.
    fn remember(&self, address: Ip, memo: Option<Self::Memo>, server: Self::Server, beside: bool);

    /// Forgets one of the destinations.
    fn forget(&self, memo: Self::Memo, server: Self::Server);
}

/// What a scheduler needs of who keeps the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// How many entries its table has, each the number of a slot or [`EMPTY`]; 0 is no table.
    pub(crate) table: usize,
    /// The most destinations that it can fill its table with.
    pub(crate) most: usize,
    /// Whether it needs room for [`Claim`]s to fill it.
    pub(crate) claims: bool,
    /// Whether it wants to know of a destination that was edited, and not only of those that come and go.
    pub(crate) edits: bool,
    /// Whether it goes by the weights' cycle.
    pub(crate) cycle: bool,
    /// Whether it remembers addresses.
    pub(crate) memory: bool,
}

impl Needs {
    /// A scheduler that takes the destinations as they are.
    pub(crate) const NOTHING: Self = Self {
        table: 0,
        most: usize::MAX,
        claims: false,
        edits: false,
        cycle: false,
        memory: false,
    };
}

/// An entry of a scheduler's table for which there is no destination.
pub(crate) const EMPTY: u32 = u32::MAX;

/// Room for what a scheduler has to know of a destination while it fills its table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Claim {
    /// The destination's slot.
    pub(super) slot: u32,
    /// The entry that it asks for next.
    pub(super) next: u32,
    /// How far on it asks when that is taken.
    pub(super) skip: u32,
    /// How many entries it takes at a time.
    pub(super) turns: u32,
}

/// One way of choosing.
pub(super) trait Algorithm {
    /// Its name, as users write it.
    const NAME: &'static str;

    /// What it needs.
    const NEEDS: Needs = Needs::NOTHING;

    /// Chooses a destination.
    fn pick<V: View, F: Family>(view: &V, flow: &Flow<F>) -> Option<V::Server>;

    /// Fills the table; `claims` has room for each destination.
    fn fill<F: Family>(_servers: &impl Servers, _table: &mut [u32], _claims: &mut [Claim]) {}

    /// The position after the destinations changed; that before the first change is the default one.
    fn restart(position: Position, _cycle: Cycle) -> Position {
        position
    }
}

/// Whether a scheduler may choose a destination at all.
#[inline(always)]
pub(super) fn usable(candidate: &(impl Candidate + ?Sized)) -> bool {
    candidate.weight() > 0 && !candidate.overloaded()
}

/// What a destination's connections weigh, an active one as much as 257 others (D-3).
#[inline(always)]
pub(super) fn overhead(candidate: &(impl Candidate + ?Sized)) -> u64 {
    (u64::from(candidate.active()) << 8).saturating_add(u64::from(candidate.total()))
}

/// Whether `a` is a higher load for its weight than `b` for its own: `a.0 / a.1 > b.0 / b.1`.
///
/// A weight below 0 counts as 0.
#[inline(always)]
pub(super) fn heavier(a: (u64, i32), b: (u64, i32)) -> bool {
    let ((load, weight), (other, beside)) = (a, b);
    match (u32::try_from(load), u32::try_from(other)) {
        // Loads of up to 16 million active connections: 64 bits have room for the products.
        (Ok(load), Ok(other)) => {
            let product =
                |load: u32, weight: i32| u64::from(load).wrapping_mul(weight.max(0) as u64);
            product(load, beside) > product(other, weight)
        }
        _ => far_heavier(a, b),
    }
}

/// The same, whatever the loads are.
#[cold]
#[inline(never)]
fn far_heavier(a: (u64, i32), b: (u64, i32)) -> bool {
    let product = |load: u64, weight: i32| u128::from(load).wrapping_mul(weight.max(0) as u128);
    product(a.0, b.1) > product(b.0, a.1)
}

/// The destination with the least load for its weight, of those that may be chosen; the first of equals.
#[inline(always)]
pub(super) fn least<S>(servers: impl Iterator<Item = S>, load: impl Fn(&S) -> u64) -> Option<S>
where
    S: Copy + Deref<Target: Candidate>,
{
    let mut best: Option<(S, (u64, i32))> = None;
    for server in servers {
        if !usable(&*server) {
            continue;
        }
        let burden = (load(&server), server.weight());
        match best {
            Some((_, other)) if !heavier(other, burden) => {}
            _ => best = Some((server, burden)),
        }
    }
    best.map(|(server, _)| server)
}

#[cfg(test)]
mod tests {
    use super::*;

    // D-9
    #[test]
    fn the_fast_way_says_what_the_long_one_says() {
        let edge = u64::from(u32::MAX);
        let loads = [0, 1, 2, 257, edge - 1, edge, edge + 1, edge + 2, 1 << 40];
        let weights = [i32::MIN, -1, 0, 1, 2, 3, 65_535, i32::MAX];
        let burdens = || {
            loads
                .into_iter()
                .flat_map(|load| weights.map(|weight| (load, weight)))
        };
        for a in burdens() {
            for b in burdens() {
                assert_eq!(heavier(a, b), far_heavier(a, b), "{a:?} {b:?}");
            }
        }
        assert!(heavier((edge + 1, 1), (edge, 1)));
        assert!(!heavier((edge, 2), (edge, 1)));
        assert!(!heavier((edge + 1, 1), (edge + 1, 1)));
    }
}
