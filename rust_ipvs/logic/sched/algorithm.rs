// SPDX-License-Identifier: GPL-2.0

//! Traits of schedulers, and code that several of them share.

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

    /// Returns what it offers new connections: its weight, or less than 0 once it has reached its
    /// upper threshold (S-24).
    fn offer(&self) -> i32;

    /// Returns whether it still belongs to a service: not so what a scheduler remembers and a user
    /// deleted (V-11).
    fn available(&self) -> bool;

    /// Connections in an active state; for a moment below 0, where several CPUs count.
    fn active(&self) -> i32;

    /// All connections, without templates.
    fn total(&self) -> i32;
}

/// The destinations of a service.
///
/// Each is in a slot that it keeps. A new one takes the next slot, so the newest has the highest
/// number, and C IPVS's list, newest first (V-9), is the slots from the last to the first. Slots
/// whose destination was deleted are empty.
pub(crate) trait Servers {
    /// A destination.
    type Server: Copy + Deref<Target: Candidate>;

    /// Returns how many slots there are, empty ones counted.
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

    /// The newest of those below a slot that is as `is` says, which sees all that are newer, with
    /// its own slot.
    fn find_below(
        &self,
        below: u32,
        mut is: impl FnMut(Self::Server) -> bool,
    ) -> Option<(u32, Self::Server)> {
        self.within(0..below).find(|(_, server)| is(*server))
    }

    /// The same of all.
    #[inline(always)]
    fn find(&self, is: impl FnMut(Self::Server) -> bool) -> Option<Self::Server> {
        Some(self.find_below(self.slots(), is)?.1)
    }

    /// Those that may be chosen, newest first.
    fn usable(&self) -> impl Iterator<Item = Self::Server> {
        self.newest_first().filter(|server| usable(&**server))
    }
}

/// A service when a new connection comes: its destinations, and what its scheduler keeps.
pub(crate) trait View: Servers {
    /// Entry of an address (D-17, D-18).
    type LblcEntry: Copy;

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

    /// Entry of an address; asking for it keeps it from being forgotten.
    fn recall(&self, address: Ip) -> Option<Self::LblcEntry>;

    /// The destinations that are remembered, the newest first.
    fn members(&self, entry: Self::LblcEntry) -> impl Iterator<Item = Self::Server>;

    /// Returns whether there are several, and have been the same for as long as they may be.
    fn is_expired(&self, entry: Self::LblcEntry) -> bool;

    /// Remembers a destination, beside those of `entry` or in their place.
    fn remember(
        &self,
        address: Ip,
        entry: Option<Self::LblcEntry>,
        server: Self::Server,
        beside: bool,
    );

    /// Removes one of the destinations.
    fn evict(&self, entry: Self::LblcEntry, server: Self::Server);
}

/// Data that a scheduler needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// Number of entries of its table, each the number of a slot or [`EMPTY`]; 0 is no table.
    pub(crate) table: usize,
    /// The most destinations that it can fill its table with.
    pub(crate) most: usize,
    /// True if it needs a [`Scratch`] for each destination to fill it.
    pub(crate) scratch: bool,
    /// True if it wants to know of a destination that was edited, and not only of those that come
    /// and go.
    pub(crate) edits: bool,
    /// True if it goes by the weights' cycle.
    pub(crate) cycle: bool,
    /// True if it remembers addresses.
    pub(crate) lblc: bool,
}

impl Needs {
    /// A scheduler that takes the destinations as they are.
    pub(crate) const NOTHING: Self = Self {
        table: 0,
        most: usize::MAX,
        scratch: false,
        edits: false,
        cycle: false,
        lblc: false,
    };
}

/// An entry of a scheduler's table for which there is no destination.
pub(crate) const EMPTY: u32 = u32::MAX;

/// Room for what a scheduler has to know of a destination while it fills its table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scratch {
    /// The destination's slot.
    pub(super) slot: u32,
    /// The entry that it asks for next.
    pub(super) next: u32,
    /// Step to the next entry if that is taken.
    pub(super) skip: u32,
    /// Number of entries that it takes at a time.
    pub(super) turns: u32,
}

/// One way of choosing.
pub(super) trait Algorithm {
    /// Its name, as users write it.
    const NAME: &'static str;

    /// Its needs.
    const NEEDS: Needs = Needs::NOTHING;

    /// Chooses a destination.
    fn pick<V: View, F: Family>(view: &V, flow: &Flow<F>) -> Option<V::Server>;

    /// Fills the table; `scratch` has room for each destination.
    fn fill<F: Family>(_servers: &impl Servers, _table: &mut [u32], _scratch: &mut [Scratch]) {}

    /// The position after the destinations changed; that before the first change is the default
    /// one.
    fn restart(position: Position, _cycle: Cycle) -> Position {
        position
    }
}

/// Returns whether a scheduler may choose a destination at all.
#[inline(always)]
pub(super) fn usable(candidate: &(impl Candidate + ?Sized)) -> bool {
    candidate.offer() > 0
}

/// Returns what a destination's connections weigh, an active one as much as 257 others (D-3).
#[inline(always)]
pub(super) fn overhead(candidate: &(impl Candidate + ?Sized)) -> i64 {
    (i64::from(candidate.active()) << 8).wrapping_add(i64::from(candidate.total()))
}

/// A load, and the weight that bears it.
pub(super) type Burden = (i64, i64);

/// Returns whether `a` is a higher load for its weight than `b` for its own: `a.0 / a.1 > b.0 /
/// b.1`.
///
/// A load for no weight is the highest, and as high as any other such.
#[inline(always)]
pub(super) fn heavier(a: Burden, b: Burden) -> bool {
    let product = |load: i64, weight: i64| i128::from(load).wrapping_mul(i128::from(weight));
    product(a.0, b.1) > product(b.0, a.1)
}

/// The same for loads of less than 32 bits, whose products have room in 64.
#[inline(always)]
fn heavier_of_few(a: Burden, b: Burden) -> bool {
    a.0.wrapping_mul(b.1) > b.0.wrapping_mul(a.1)
}

/// The best destination of a service; the first of equals.
///
/// `better` says how good one is, where that is more than the best so far, which is `none` before
/// the first; and `is_top`, whether nothing can be better. What is the best does not change while
/// destinations that are not better are passed over, so that these cost little.
#[inline(always)]
fn best<S: Servers, R: Copy>(
    servers: &S,
    none: R,
    mut better: impl FnMut(R, &S::Server) -> Option<R>,
    is_top: impl Fn(R) -> bool,
) -> Option<S::Server> {
    let (mut best, mut highest, mut below) = (None, none, servers.slots());
    loop {
        let mut higher = highest;
        let found = servers.find_below(below, |server| {
            let rank = better(highest, &server);
            higher = rank.unwrap_or(higher);
            rank.is_some()
        });
        let Some((slot, server)) = found else {
            return best;
        };
        (best, highest, below) = (Some(server), higher, slot);
        if is_top(highest) {
            return best;
        }
    }
}

/// Without a weight it is heavier than whoever may be chosen, and than nobody else: whether one may
/// be needs no question of its own.
const NOBODY: Burden = (1, 0);

/// The destination of a service with the least load for its weight, of those that may be chosen;
/// the first of equals.
///
/// Where there is a load of more than 32 bits, which are 16 million active connections, all is done
/// again with longer numbers.
#[inline(always)]
pub(super) fn least<S: Servers>(
    servers: &S,
    load: impl Fn(&S::Server) -> i64,
) -> Option<S::Server> {
    let mut bits = 0;
    let lighter = |least: Burden, server: &S::Server| {
        let burden = (load(server), i64::from(server.offer()));
        bits |= burden.0;
        heavier_of_few(least, burden).then_some(burden)
    };
    let found = best(servers, NOBODY, lighter, |least| least.0 == 0);
    if u32::try_from(bits).is_ok() {
        return found;
    }
    least_of_many(servers, load)
}

/// The same, whatever the loads are.
#[cold]
#[inline(never)]
fn least_of_many<S: Servers>(servers: &S, load: impl Fn(&S::Server) -> i64) -> Option<S::Server> {
    least_of(servers.usable(), load)
}

/// The same of some destinations that may be chosen.
#[inline(always)]
pub(super) fn least_of<S>(servers: impl Iterator<Item = S>, load: impl Fn(&S) -> i64) -> Option<S>
where
    S: Copy + Deref<Target: Candidate>,
{
    let (mut best, mut least) = (None, NOBODY);
    for server in servers {
        let burden = (load(&server), i64::from(server.offer()));
        if heavier(least, burden) {
            (best, least) = (Some(server), burden);
        }
    }
    best
}

/// The destination of a service with the least load, whatever its weight; the first of equals.
#[inline(always)]
pub(super) fn idlest<S: Servers>(
    servers: &S,
    load: impl Fn(&S::Server) -> i64,
) -> Option<S::Server> {
    let less = |least: i64, server: &S::Server| {
        if !usable(&**server) {
            return None;
        }
        let load = load(server);
        (load < least).then_some(load)
    };
    best(servers, i64::MAX, less, |least| least == 0)
}

/// The destination of a service that has the greatest rank; the first of equals. Those with none
/// above 0 are not chosen.
#[inline(always)]
pub(super) fn greatest<S: Servers>(
    servers: &S,
    rank: impl Fn(&S::Server) -> i32,
) -> Option<S::Server> {
    let greater = |greatest: i32, server: &S::Server| {
        let rank = rank(server);
        (rank > greatest).then_some(rank)
    };
    best(servers, 0, greater, |_| false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Service;

    // D-9
    #[test]
    fn the_fast_way_says_what_the_long_one_says() {
        let most = i64::from(u32::MAX);
        let loads = [0, 1, 2, 257, most - 1, most];
        let weights = [i32::MIN, -1, 0, 1, 2, 3, 65_535, i32::MAX];
        let burdens = || {
            loads
                .into_iter()
                .flat_map(|load| weights.map(|weight| (load, i64::from(weight))))
        };
        for a in burdens() {
            for b in burdens() {
                assert_eq!(heavier_of_few(a, b), heavier(a, b), "{a:?} {b:?}");
            }
        }
        assert!(heavier((most + 1, 1), (most, 1)));
        assert!(!heavier((most, 2), (most, 1)));
        assert!(!heavier((most + 1, 1), (most + 1, 1)));
        assert!(heavier((i64::MAX, 1), (i64::MAX, 2)));
    }

    // D-9
    #[test]
    fn loads_of_any_size() {
        let service = Service::of("wlc", &[('A', 1), ('B', i32::MAX), ('C', i32::MAX - 1)]);
        let load = |name, active| service.named(name).active.set(active);
        // 2^24 active ones are the first that 32 bits have no room for.
        for edge in [1 << 23, (1 << 24) - 1, 1 << 24, i32::MAX - 1] {
            load('A', 1);
            load('B', edge);
            load('C', edge);
            assert_eq!(service.picks(1), "B");
            load('B', edge + 1);
            assert_eq!(service.picks(1), "C");
        }
    }

    // D-9: who may not be chosen is not, whatever the others bear.
    #[test]
    fn neither_overloaded_nor_without_a_weight() {
        for active in [0, 1, 1 << 24, i32::MAX] {
            let mut service = Service::of("wlc", &[('A', 1), ('B', 0), ('C', 1)]);
            service.named('A').active.set(active);
            service.named('C').overloaded.set(true);
            assert_eq!(service.picks(1), "A");
            service.remove('A');
            assert_eq!(service.picks(1), "-");
        }
    }
}
