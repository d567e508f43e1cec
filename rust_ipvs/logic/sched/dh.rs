// SPDX-License-Identifier: GPL-2.0

//! Destination hashing: the destination address of the packet selects the destination (D-13).
//!
//! Meant for firewall-mark services that take many addresses, as in front of caches: an address
//! always goes to the same destination. A table of 256 entries is dealt out to the destinations in
//! turn, whatever their weights. No destination is chosen if the entry's one is unusable.
//!
//! Cost of a decision: one multiplication and one table access. Cost of a change: 256 entries.

use super::super::family::Family;
use super::algorithm::{
    usable,
    Algorithm,
    Needs,
    Scratch,
    Servers,
    View,
    EMPTY, //
};
use super::flow::Flow;
use super::fold;

/// Scheduler `dh`.
pub(super) struct DestinationHashing;

impl Algorithm for DestinationHashing {
    const NAME: &'static str = "dh";

    const NEEDS: Needs = Needs {
        table: 256,
        ..Needs::NOTHING
    };

    fn pick<V: View, F: Family>(view: &V, flow: &Flow<F>) -> Option<V::Server> {
        let slot = fold::slot(fold::fold(flow.addressee.as_ref()));
        let server = view.server(*view.table().get(usize::from(slot))?)?;
        usable(&*server).then_some(server)
    }

    fn fill<F: Family>(servers: &impl Servers, table: &mut [u32], _scratch: &mut [Scratch]) {
        deal(servers, table, |_| 1);
    }
}

/// Deals a table out to the destinations, newest first and repeatedly. Each one takes `share`
/// consecutive entries in its turn.
pub(super) fn deal<S: Servers>(servers: &S, table: &mut [u32], share: impl Fn(S::Server) -> u32) {
    table.fill(EMPTY);
    let mut entries = table.iter_mut();
    loop {
        let before = entries.len();
        for (slot, server) in servers.within(0..servers.slots()) {
            for _ in 0..share(server).max(1) {
                match entries.next() {
                    Some(entry) => *entry = slot,
                    None => return,
                }
            }
        }
        if entries.len() == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::config::Ip;
    use crate::model::{seeds, shake, Service};

    // D-13
    #[test]
    fn dealt_out_in_turn_whatever_the_weights() {
        let mut service = Service::of("dh", &[('A', 5), ('B', 1), ('C', 0)]);
        let owners =
            |service: &Service| -> String { service.owners().iter().flatten().take(7).collect() };
        assert_eq!(owners(&service), "CBACBAC");
        assert_eq!(service.owners().len(), 256);
        service.edit('A', 9);
        assert_eq!(owners(&service), "CBACBAC");
        service.remove('B');
        assert_eq!(owners(&service), "CACACAC");
        service.remove('A');
        service.remove('C');
        assert_eq!(service.owners(), vec![None; 256]);
    }

    // D-13, A-6: slots 50, 148, 246, 2 and 57 of the destination's address.
    #[test]
    fn by_the_addressee() {
        let service = Service::of("dh", &[('A', 1), ('B', 1), ('C', 1)]);
        let addresses = [
            [192, 0, 2, 1],
            [192, 0, 2, 2],
            [192, 0, 2, 3],
            [10, 1, 2, 3],
            [203, 0, 113, 77],
        ];
        for (address, slot) in addresses.into_iter().zip([50, 148, 246, 2, 57]) {
            for client in 0..4 {
                let chosen = service.pick_for([10, 9, 9, client], 1024, address);
                assert_eq!(chosen.unwrap().name, ['C', 'B', 'A'][slot % 3]);
            }
        }
        // D-5
        let chosen = || {
            service
                .pick_for([10, 0, 0, 1], 1024, addresses[0])
                .is_some()
        };
        service.named('A').overloaded.set(true);
        assert!(!chosen());
        service.named('A').overloaded.set(false);
        service.named('A').weight.set(0);
        assert!(!chosen());
    }

    // D-13
    #[test]
    fn as_the_naive_one() {
        for seed in seeds(100) {
            shake("dh", seed, |service, _| {
                let list = service.list();
                let Ip::V4(address) = list
                    .first()
                    .map_or(Ip::V4([1, 2, 3, 4]), |server| server.id.addr)
                else {
                    return;
                };
                let slot = (u64::from(u32::from_be_bytes(address)) * 0x61c8_8647 % (1 << 32)) >> 24;
                let server = list.get(slot as usize % list.len().max(1));
                let expected = server
                    .filter(|server| server.usable())
                    .map(|server| server.name);
                let chosen = service.pick_for([10, 0, 0, 1], 1024, address);
                assert_eq!(chosen.map(|server| server.name), expected);
            });
        }
    }
}
