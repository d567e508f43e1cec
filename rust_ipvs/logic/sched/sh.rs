// SPDX-License-Identifier: GPL-2.0

//! Source hashing: the client's address selects the destination, with a flag also its port (D-14).
//!
//! A client stays with its destination without any state, on each director of a cluster. A table of
//! 256 entries is dealt out to the destinations in turn, to each as many consecutive ones as its
//! weight. If the entry's destination is unusable, none is chosen, or with another flag that of
//! another entry.
//!
//! Cost of a decision: one multiplication and one table access. The fallback costs at most 256
//! more, unless no destination may be chosen. Cost of a change: 256 entries.

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
    View, //
};
use super::dh::deal;
use super::flow::Flow;
use super::fold;

/// Scheduler `sh`.
pub(super) struct SourceHashing;

impl Algorithm for SourceHashing {
    const NAME: &'static str = "sh";

    const NEEDS: Needs = Needs {
        table: 256,
        edits: true,
        ..Needs::NOTHING
    };

    fn pick<V: View, F: Family>(view: &V, flow: &Flow<F>) -> Option<V::Server> {
        let flags = view.flags();
        let table = view.table();
        let entry = |entry: u8| view.server(*table.get(usize::from(entry))?);
        let hash = fold::slot(fold::client(flow, flags & SCHED2 != 0));
        let server = entry(hash)?;
        if usable(&*server) {
            return Some(server);
        }
        // If no destination is usable, one pass over them is cheaper than a search of the table.
        if flags & SCHED1 == 0 || view.find(|server| usable(&*server)).is_none() {
            return None;
        }
        // The search starts at twice the hash, so that the clients of a removed destination spread
        // over several others.
        for offset in 0..=u8::MAX {
            let server = entry(offset.wrapping_add(hash).wrapping_add(hash))?;
            if usable(&*server) {
                return Some(server);
            }
        }
        None
    }

    fn fill<F: Family>(servers: &impl Servers, table: &mut [u32], _scratch: &mut [Scratch]) {
        deal(servers, table, |server| {
            u32::try_from(server.weight()).unwrap_or(0)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::config::service_flags::{SCHED1, SCHED2};
    use crate::model::{seeds, shake, Service, CLIENTS};

    // the clients' slots are 50, 148, 246, 2 and 57.
    #[test]
    fn clients_of_the_specification() {
        let mut service = Service::of("sh", &[('A', 3), ('B', 2), ('C', 1)]);
        assert_eq!(service.picks_of_clients(), "BACBA");
        // with the port 214, 56, 154, 166, 221.
        service.flags.set(SCHED2);
        assert_eq!(service.picks_of_clients(), "ABAAA");
        service.flags.set(0);
        // D-5, D-14: no destination instead.
        service.named('A').overloaded.set(true);
        assert_eq!(service.picks_of_clients(), "B-CB-");
        // The table was refilled. A destination of weight 0 has one entry a lap and gets no client.
        // The clients' entries are 50, 148, 246, 2, 57 modulo 4.
        service.named('A').overloaded.set(false);
        service.edit('A', 0);
        assert_eq!(service.picks_of_clients(), "BCBBB");
    }

    // D-14, D-16: both with and without the fallback flag.
    #[test]
    fn nobody_is_found_at_once() {
        crate::model::nobody_is_found_at_once("sh");
    }

    // D-14
    #[test]
    fn as_the_naive_one() {
        for seed in seeds(200) {
            shake("sh", seed, |service, _| {
                let mut table = Vec::new();
                while !service.list().is_empty() && table.len() < 256 {
                    for server in service.list() {
                        for _ in 0..server.weight.get().max(1) {
                            table.push(server);
                        }
                    }
                }
                for flags in [0, SCHED1, SCHED2, SCHED1 | SCHED2] {
                    service.flags.set(flags);
                    for client in CLIENTS {
                        let port = if flags & SCHED2 != 0 { 40000 } else { 0 };
                        let key = u32::from_be_bytes(client).wrapping_add(port);
                        let hash = (u64::from(key) * 0x61c8_8647 % (1 << 32)) >> 24;
                        let mut expected = None;
                        if !table.is_empty() {
                            let mut tries = vec![hash];
                            if flags & SCHED1 != 0 {
                                tries.extend((0..256).map(|offset| (offset + hash) % 256 + hash));
                            }
                            let tries = tries.into_iter().map(|entry| table[entry as usize % 256]);
                            expected = tries
                                .into_iter()
                                .find(|server| server.usable())
                                .map(|server| server.name);
                        }
                        let chosen = service.pick_for(client, 40000, [0; 4]);
                        assert_eq!(chosen.map(|server| server.name), expected);
                    }
                }
            });
        }
    }
}
