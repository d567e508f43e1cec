// SPDX-License-Identifier: GPL-2.0

//! The reply filter, to which several threads add addresses at the same time.

use crate::addr_filter::AddrFilter;
use crate::logic::config::{Ip, ServiceKey};
use crate::logic::family::V4;
use std::sync::Barrier;

/// Number of threads, and of addresses that each of them adds.
const THREADS: u8 = 4;
const EACH: u8 = 32;
const ROUNDS: usize = if cfg!(miri) { 4 } else { 200 };

fn addr(thread: u8, n: u8) -> [u8; 4] {
    [10, 0, thread, n]
}

fn all() -> impl Iterator<Item = [u8; 4]> {
    (0..THREADS).flat_map(|thread| (0..EACH).map(move |n| addr(thread, n)))
}

// B-24: each thread of a backup adds servers, as the administrator does.
#[test]
fn no_address_is_lost_that_threads_add() {
    for round in 0..ROUNDS {
        let senders = AddrFilter::new();
        let barrier = Barrier::new(THREADS.into());
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (senders, barrier) = (&senders, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    (0..EACH).for_each(|n| senders.add(Ip::V4(addr(thread, n))));
                });
            }
        });
        let lost: Vec<_> = all().filter(|a| !senders.may_contain::<V4>(*a)).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?} are lost");
    }
}

// H-22, V-3: the filter is empty at first, and accepts all addresses with a service by mark.
#[test]
fn marks_stand_for_all() {
    let senders = AddrFilter::new();
    assert!(all().all(|a| !senders.may_contain::<V4>(a)));
    senders.add_service(&ServiceKey::Mark(1));
    assert!(all().all(|a| senders.may_contain::<V4>(a)));
}
