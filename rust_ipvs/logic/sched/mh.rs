// SPDX-License-Identifier: GPL-2.0

//! Maglev hashing: as `sh`, but few clients move if destinations come or go (D-16).
//!
//! The hash of a destination's address and port gives it a permutation of all entries of a table.
//! In turn, and as often as its weight says, each destination takes the first free entry of its
//! permutation. The shares are as even as the turns, and the owner of an entry depends mostly on
//! the permutations. The weights are the last ones above 0, so a destination that was set to weight
//! 0 keeps its entries: its clients get no destination, or with the fallback flag that of another
//! entry.
//!
//! Eisenbud et al., Maglev: a fast and reliable software network load balancer, 2016.
//!
//! Cost of a decision: one SipHash-1-3 and one table access. The fallback costs at most 4093 more,
//! unless no destination may be chosen. Cost of a change: some 40,000 steps whatever the number of
//! destinations, done before the change is acknowledged.

use super::super::config::service_flags::{
    SCHED1,
    SCHED2, //
};
use super::super::family::Family;
use super::algorithm::{
    usable,
    Algorithm,
    Candidate,
    Needs,
    Scratch,
    Servers,
    View,
    EMPTY, //
};
use super::cycle::gcd;
use super::flow::Flow;
use super::fold;

/// Number of table entries, a prime, so that every step size visits all of them.
const SIZE: u32 = 4093;
/// Number of significant bits of a weight, after division by the greatest common divisor.
const WEIGHT_BITS: u32 = 6;
/// SipHash keys for the start of a permutation and for its step.
const KEYS: (u64, u64) = (2_654_435_761, 2_654_446_892);

/// Scheduler `mh`.
pub(super) struct MaglevHashing;

/// Returns `value` modulo [`SIZE`].
fn modulo(value: u32) -> u32 {
    value % SIZE
}

impl Algorithm for MaglevHashing {
    const NAME: &'static str = "mh";

    const NEEDS: Needs = Needs {
        table: SIZE as usize,
        most: SIZE as usize,
        scratch: true,
        edits: true,
        ..Needs::NOTHING
    };

    fn pick<V: View, F: Family>(view: &V, flow: &Flow<F>) -> Option<V::Server> {
        let flags = view.flags();
        let table = view.table();
        let entry = |value: u32| {
            let entry = modulo(fold::siphash(KEYS.0, value));
            Some((entry, view.server(*table.get(entry as usize)?)))
        };
        let client = fold::client(flow, flags & SCHED2 != 0);
        let (hash, server) = entry(client)?;
        let server = server?;
        if usable(&*server) {
            return Some(server);
        }
        // If no destination is usable, one pass over them is cheaper than a hash for each table
        // entry.
        if flags & SCHED1 == 0 || view.find(|server| usable(&*server)).is_none() {
            return None;
        }
        for offset in 0..SIZE {
            let offset = modulo(offset.wrapping_add(hash));
            let server = entry(client.wrapping_add(offset))?.1?;
            if usable(&*server) {
                return Some(server);
            }
        }
        None
    }

    fn fill<F: Family>(servers: &impl Servers, table: &mut [u32], scratch: &mut [Scratch]) {
        table.fill(EMPTY);
        let scratch = collect::<F>(servers, scratch);
        if scratch.iter().all(|one| one.turns == 0) {
            return;
        }
        let mut left = table.len();
        loop {
            for one in &mut *scratch {
                for _ in 0..one.turns {
                    take(one, table);
                    left = left.saturating_sub(1);
                    if left == 0 {
                        return;
                    }
                }
            }
        }
    }
}

/// Computes permutation and number of turns of each destination, newest first.
fn collect<'c, F: Family>(servers: &impl Servers, scratch: &'c mut [Scratch]) -> &'c mut [Scratch] {
    let weight = |server: &_| last_weight(server);
    let (divisor, greatest) = servers
        .newest_first()
        .map(|server| weight(&*server))
        .fold((0, 0), |(divisor, greatest), weight| {
            (gcd(weight, divisor), greatest.max(weight))
        });
    let greatest = greatest.checked_div(divisor).unwrap_or(0);
    let bits = u32::BITS.saturating_sub(greatest.leading_zeros());
    let shift = bits.saturating_sub(WEIGHT_BITS);
    let mut count = 0usize;
    for ((slot, server), one) in servers.within(0..servers.slots()).zip(scratch.iter_mut()) {
        let id = server.id();
        let name = fold::fold_for::<F>(&id.addr).wrapping_add(id.port.into());
        let last = last_weight(&*server);
        let turns = last.checked_div(divisor).unwrap_or(0) >> shift;
        *one = Scratch {
            slot,
            next: modulo(fold::siphash(KEYS.0, name)),
            skip: (fold::siphash(KEYS.1, name) % (SIZE - 1)).saturating_add(1),
            turns: turns.max(u32::from(last != 0)),
        };
        count = count.saturating_add(1);
    }
    scratch.get_mut(..count).unwrap_or(&mut [])
}

fn last_weight(server: &(impl Candidate + ?Sized)) -> u32 {
    u32::try_from(server.last_weight()).unwrap_or(0)
}

/// Assigns the first free entry of a destination's permutation to it.
fn take(one: &mut Scratch, table: &mut [u32]) {
    // A permutation has `SIZE` entries.
    for _ in 0..SIZE {
        match table.get_mut(one.next as usize) {
            Some(entry) if *entry == EMPTY => {
                *entry = one.slot;
                return;
            }
            _ => {}
        }
        let next = one.next.saturating_add(one.skip);
        one.next = next.checked_sub(SIZE).unwrap_or(next);
    }
}

// Miri takes minutes to fill tables of 4093 entries, and the code that fills them contains nothing
// that Miri checks.
#[cfg(all(test, not(miri)))]
mod tests {
    use super::super::super::config::service_flags::{SCHED1, SCHED2};
    use super::super::super::config::Ip;
    use super::super::cycle::gcd;
    use super::super::fold::siphash;
    use crate::model::{seeds, shake, Server, Service, CLIENTS};

    fn share(service: &Service, name: char) -> usize {
        service
            .owners()
            .into_iter()
            .filter(|owner| *owner == Some(name))
            .count()
    }

    // D-14, D-16: both with and without the fallback flag.
    #[test]
    fn nobody_is_found_at_once() {
        crate::model::nobody_is_found_at_once("mh");
    }

    //
    #[test]
    fn shares_and_clients_of_the_specification() {
        let service = Service::of("mh", &[('A', 1), ('B', 1), ('C', 1)]);
        assert_eq!(
            "CBA"
                .chars()
                .map(|name| share(&service, name))
                .collect::<Vec<_>>(),
            [1365, 1364, 1364]
        );
        assert_eq!(service.picks_of_clients(), "CBBAB");
        service.flags.set(SCHED2);
        assert_eq!(service.picks_of_clients(), "CCBBB");
        let service = Service::of("mh", &[('A', 3), ('B', 2), ('C', 1)]);
        assert_eq!(
            "CBA"
                .chars()
                .map(|name| share(&service, name))
                .collect::<Vec<_>>(),
            [683, 1364, 2046]
        );
        assert_eq!(service.picks_of_clients(), "CBAAB");
        service.flags.set(SCHED2);
        assert_eq!(service.picks_of_clients(), "ACBBB");
    }

    // D-16, V-15: weight 0 leaves the table unchanged; a destination added with weight 0 has no
    // entries.
    #[test]
    fn weight_0() {
        let mut service = Service::of("mh", &[('A', 3), ('B', 2), ('C', 1)]);
        let owners = service.owners();
        service.edit('B', 0);
        assert_eq!(service.owners(), owners);
        assert_eq!(service.picks_of_clients(), "C-AA-");
        service.add('D', 0);
        assert_eq!(share(&service, 'D'), 0);
        for name in "ABC".chars() {
            service.remove(name);
        }
        assert_eq!(service.owners(), vec![None; 4093]);
        assert_eq!(service.picks_of_clients(), "-----");
    }

    // D-16, Q-43: the table stays unchanged for destinations beyond its size.
    #[test]
    fn more_than_the_table_has_room_for() {
        let mut service = Service::new("mh");
        for n in 0..4093u32 {
            service.add(char::from_u32(0x1_0000 + n).unwrap(), 1);
        }
        let owners = service.owners();
        let newest = service.list()[0].name;
        assert!((0..4093).all(|entry: usize| owners[entry].is_some()));
        assert_eq!(share(&service, newest), 1);
        service.add('A', 1);
        assert_eq!(service.owners(), owners);
        service.remove('A');
        assert_eq!(service.owners(), owners);
    }

    // D-16: of the clients of n destinations some 1/n move if one is removed. Beyond 20
    // destinations the table, whose size is C IPVS's, has so few entries for each that more clients
    // move. The bound is relaxed rather than the table enlarged.
    #[test]
    fn few_clients_change_their_destination() {
        for n in 2..=20u32 {
            let names: Vec<_> = (0..n)
                .map(|i| char::from_u32('A' as u32 + i).unwrap())
                .collect();
            for gone in &names {
                let mut service = Service::new("mh");
                names.iter().for_each(|name| service.add(*name, 1));
                let before = service.owners();
                service.remove(*gone);
                let after = service.owners();
                let changed = before
                    .iter()
                    .zip(&after)
                    .filter(|(one, other)| one != other)
                    .count();
                assert!(
                    changed * n as usize * 2 <= 3 * 4093,
                    "{changed} of 4093 with {n} destinations"
                );
                // The entries of the removed destination belong to others.
                assert!(after
                    .iter()
                    .all(|owner| owner.is_some() && *owner != Some(*gone)));
            }
        }
    }

    /// The table by definition, destination by destination and lap by lap.
    fn naive(servers: &[&Server]) -> Vec<Option<char>> {
        let m = 4093;
        let weight = |server: &Server| server.last_weight.get() as u32;
        let common = servers.iter().map(|server| weight(server)).fold(0, gcd);
        let mut table = vec![None; m];
        if common == 0 {
            return table;
        }
        let greatest = servers.iter().map(|server| weight(server)).max().unwrap() / common;
        let mut shift = 0;
        while greatest >> (shift + 6) > 0 {
            shift += 1;
        }
        let mut taken = vec![0; servers.len()];
        loop {
            for (server, taken) in servers.iter().zip(&mut taken) {
                let Ip::V4(address) = server.id.addr else {
                    unreachable!()
                };
                let name = u32::from_be_bytes(address) + u32::from(server.id.port);
                let offset = siphash(2654435761, name) as usize % m;
                let skip = siphash(2654446892, name) as usize % (m - 1) + 1;
                let turns = match (weight(server) / common) >> shift {
                    0 => u32::from(weight(server) > 0),
                    turns => turns,
                };
                for _ in 0..turns {
                    while table[(offset + *taken * skip) % m].is_some() {
                        *taken += 1;
                    }
                    table[(offset + *taken * skip) % m] = Some(server.name);
                    if table.iter().all(Option::is_some) {
                        return table;
                    }
                }
            }
        }
    }

    // D-16
    #[test]
    fn as_the_naive_one() {
        for seed in seeds(6) {
            let mut step = 0;
            shake("mh", seed, |service, _| {
                step += 1;
                if step % 30 != 0 {
                    return;
                }
                let table = naive(&service.list());
                assert_eq!(service.owners(), table);
                for flags in [0, SCHED1, SCHED2, SCHED1 | SCHED2] {
                    service.flags.set(flags);
                    for client in CLIENTS {
                        let port = if flags & SCHED2 != 0 { 40000 } else { 0 };
                        let key = u32::from_be_bytes(client).wrapping_add(port);
                        let entry =
                            |offset: u32| siphash(2654435761, key.wrapping_add(offset)) % 4093;
                        let mut tries = vec![0];
                        if flags & SCHED1 != 0 {
                            tries.extend((0..4093).map(|offset| (offset + entry(0)) % 4093));
                        }
                        let owners = tries
                            .into_iter()
                            .map(|offset| table[entry(offset) as usize]);
                        let usable = |name: Option<char>| {
                            let server = service.named(name?);
                            server.usable().then_some(server.name)
                        };
                        // Up to the first entry without a destination.
                        let expected = owners.take_while(Option::is_some).find_map(usable);
                        let chosen = service.pick_for(client, 40000, [0; 4]);
                        assert_eq!(chosen.map(|server| server.name), expected);
                    }
                }
            });
        }
    }
}
