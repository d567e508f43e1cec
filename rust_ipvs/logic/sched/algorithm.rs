// SPDX-License-Identifier: GPL-2.0

//! Traits of schedulers, and functions that several of them share.

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

/// Properties of a destination that schedulers read.
pub(crate) trait Candidate {
    /// Returns its address and port, its identity within the service.
    fn id(&self) -> &DestinationId;

    /// Returns its weight. It takes no new connections if that is not above 0.
    fn weight(&self) -> i32;

    /// Returns its last weight above 0, or its initial weight if it never had one (V-15).
    fn last_weight(&self) -> i32;

    /// Returns its weight, or a negative number if it is overloaded (`IP_VS_DEST_F_OVERLOAD`,
    /// S-24).
    fn offer(&self) -> i32;

    /// Returns true if it still belongs to a service. A cached destination may have been deleted
    /// (V-11).
    fn available(&self) -> bool;

    /// Returns the number of active connections. Concurrent updates may make it negative briefly.
    fn active(&self) -> i32;

    /// Returns the number of all connections, templates excluded.
    fn total(&self) -> i32;
}

/// Destinations of a service.
///
/// A destination keeps its slot. A new one takes the next slot, so the newest has the highest
/// number, and the slots from last to first are C IPVS's list, newest first (V-9). The slot of a
/// deleted destination is empty.
pub(crate) trait Servers {
    /// Reference to a destination.
    type Server: Copy + Deref<Target: Candidate>;

    /// Returns the number of slots, empty ones included.
    fn slots(&self) -> u32;

    /// Returns the destination in `slot`, if there is one.
    fn server(&self, slot: u32) -> Option<Self::Server>;

    /// Returns the destinations in a range of slots with their slots, newest first.
    fn within(&self, slots: Range<u32>) -> impl Iterator<Item = (u32, Self::Server)> {
        slots
            .rev()
            .filter_map(|slot| Some((slot, self.server(slot)?)))
    }

    /// Returns all destinations, newest first.
    fn newest_first(&self) -> impl Iterator<Item = Self::Server> {
        self.within(0..self.slots()).map(|(_, server)| server)
    }

    /// Returns the first destination that `is` accepts, from slot `below - 1` downwards, with its
    /// slot. `is` is called on every destination before it.
    fn find_below(
        &self,
        below: u32,
        mut is: impl FnMut(Self::Server) -> bool,
    ) -> Option<(u32, Self::Server)> {
        self.within(0..below).find(|(_, server)| is(*server))
    }

    /// Returns the first destination that `is` accepts, newest first.
    #[inline(always)]
    fn find(&self, is: impl FnMut(Self::Server) -> bool) -> Option<Self::Server> {
        Some(self.find_below(self.slots(), is)?.1)
    }

    /// Returns the destinations that may be chosen, newest first.
    fn usable(&self) -> impl Iterator<Item = Self::Server> {
        self.newest_first().filter(|server| usable(&**server))
    }
}

/// Service as its scheduler sees it: destinations, and state that the scheduler keeps.
pub(crate) trait View: Servers {
    /// Cache entry of a destination address (D-17, D-18).
    type LblcEntry: Copy;

    /// Returns the position of the scheduler.
    fn position(&self) -> Position;

    /// Sets the position, and overwrites concurrent updates.
    fn move_to(&self, position: Position);

    /// Replaces the position `old` by `new` (compare and exchange).
    ///
    /// # Errors
    ///
    /// The current position, if it is not `old`.
    fn exchange(&self, old: Position, new: Position) -> Result<(), Position>;

    /// Returns the divisor and the maximum of the weights, if [`Needs::cycle`] is set.
    fn cycle(&self) -> Cycle;

    /// Returns the table that [`Algorithm::fill`] filled.
    fn table(&self) -> &[u32];

    /// Returns the flags of the service (`IP_VS_SVC_F_*`).
    fn flags(&self) -> u32;

    /// Returns a random number in `0..limit`, or 0 if `limit` is 0.
    fn random(&self, limit: u64) -> u64;

    /// Looks up the cache entry of an address and records the time of use.
    fn recall(&self, address: Ip) -> Option<Self::LblcEntry>;

    /// Returns the destinations of a cache entry, newest first.
    fn members(&self, entry: Self::LblcEntry) -> impl Iterator<Item = Self::Server>;

    /// Returns true if the entry has several destinations that have not changed for
    /// `lblcr_expiration` seconds (D-18).
    fn is_expired(&self, entry: Self::LblcEntry) -> bool;

    /// Adds a destination to `entry` if `beside`, otherwise replaces the destinations of `entry`.
    /// Creates the entry of `address` if `entry` is `None`.
    fn remember(
        &self,
        address: Ip,
        entry: Option<Self::LblcEntry>,
        server: Self::Server,
        beside: bool,
    );

    /// Removes a destination from a cache entry.
    fn evict(&self, entry: Self::LblcEntry, server: Self::Server);
}

/// Data that a scheduler needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// Number of entries of its table, each a slot number or [`EMPTY`]; 0 if it has no table.
    pub(crate) table: usize,
    /// Maximum number of destinations that it can fill its table with.
    pub(crate) most: usize,
    /// True if filling the table needs a [`Scratch`] for each destination.
    pub(crate) scratch: bool,
    /// True if the position is restarted after edits of destinations, not only after additions and
    /// removals.
    pub(crate) edits: bool,
    /// True if it needs [`View::cycle`].
    pub(crate) cycle: bool,
    /// True if it caches destinations by address (lblc, lblcr).
    pub(crate) lblc: bool,
}

impl Needs {
    /// Needs of a scheduler without data of its own.
    pub(crate) const NOTHING: Self = Self {
        table: 0,
        most: usize::MAX,
        scratch: false,
        edits: false,
        cycle: false,
        lblc: false,
    };
}

/// Table entry without a destination.
pub(crate) const EMPTY: u32 = u32::MAX;

/// Temporary data of one destination while the table is filled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scratch {
    /// The destination's slot.
    pub(super) slot: u32,
    /// Table entry to try next.
    pub(super) next: u32,
    /// Distance to the following entry of its permutation.
    pub(super) skip: u32,
    /// Number of entries that it takes in each turn.
    pub(super) turns: u32,
}

/// Scheduling algorithm.
pub(super) trait Algorithm {
    /// Name by which administrators select it.
    const NAME: &'static str;

    /// Data that it needs from the service.
    const NEEDS: Needs = Needs::NOTHING;

    /// Chooses a destination.
    fn pick<V: View, F: Family>(view: &V, flow: &Flow<F>) -> Option<V::Server>;

    /// Fills the table. `scratch` holds one element per destination.
    fn fill<F: Family>(_servers: &impl Servers, _table: &mut [u32], _scratch: &mut [Scratch]) {}

    /// Returns the position after the destinations changed. `position` is the default one before
    /// the first change.
    fn restart(position: Position, _cycle: Cycle) -> Position {
        position
    }
}

/// Returns true if a scheduler may choose the destination (D-1).
#[inline(always)]
pub(super) fn usable(candidate: &(impl Candidate + ?Sized)) -> bool {
    candidate.offer() > 0
}

/// Load of a destination: `active * 256 + total` (D-3, `ip_vs_dest_conn_overhead()`).
#[inline(always)]
pub(super) fn overhead(candidate: &(impl Candidate + ?Sized)) -> i64 {
    (i64::from(candidate.active()) << 8).wrapping_add(i64::from(candidate.total()))
}

/// Load and weight.
pub(super) type Burden = (i64, i64);

/// Returns true if `a` has the higher load for its weight: `a.0 / a.1 > b.0 / b.1`.
///
/// A load with weight 0 is higher than any other, and equal to another one with weight 0.
#[inline(always)]
pub(super) fn heavier(a: Burden, b: Burden) -> bool {
    let product = |load: i64, weight: i64| i128::from(load).wrapping_mul(i128::from(weight));
    product(a.0, b.1) > product(b.0, a.1)
}

/// As [`heavier`], for loads below 2^32, whose products fit in 64 bits.
#[inline(always)]
fn heavier_of_few(a: Burden, b: Burden) -> bool {
    a.0.wrapping_mul(b.1) > b.0.wrapping_mul(a.1)
}

/// Returns the best destination of a service, the first of equals.
///
/// `none` is the initial rank. `better` returns the rank of a destination if it exceeds the best
/// one so far. `is_top` ends the search at a rank that cannot be exceeded. The inner loop carries
/// only the slot, as the best rank is constant until a better destination is found.
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

/// Initial rank. It compares heavier than every destination that may be chosen and than no other,
/// so the search needs no separate check of [`usable`].
const NOBODY: Burden = (1, 0);

/// Returns the destination with the least load for its weight among those that may be chosen, the
/// first of equals.
///
/// The search is repeated with 128-bit products if a load does not fit in 32 bits, which takes 2^24
/// active connections.
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

/// Slow path of [`least`], for loads of any size.
#[cold]
#[inline(never)]
fn least_of_many<S: Servers>(servers: &S, load: impl Fn(&S::Server) -> i64) -> Option<S::Server> {
    least_of(servers.usable(), load)
}

/// As [`least`], for an iterator over destinations that may be chosen.
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

/// Returns the destination with the least load whatever its weight, the first of equals.
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

/// Returns the destination with the greatest rank, the first of equals. One whose rank is not above
/// 0 is not chosen.
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
        // 2^24 active connections are the first load that does not fit in 32 bits.
        for edge in [1 << 23, (1 << 24) - 1, 1 << 24, i32::MAX - 1] {
            load('A', 1);
            load('B', edge);
            load('C', edge);
            assert_eq!(service.picks(1), "B");
            load('B', edge + 1);
            assert_eq!(service.picks(1), "C");
        }
    }

    // D-9: a destination that may not be chosen is skipped, whatever the load of the others.
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
