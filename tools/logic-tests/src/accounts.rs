// SPDX-License-Identifier: GPL-2.0

//! Status word of a connection: all counts at the destination are 0 after its end.

#[path = "../../../rust_ipvs/director/conn/status.rs"]
mod status;

use crate::logic::direction::Direction;
use crate::logic::tcp;
use kernel::sync::atomic::{Atomic, Relaxed};
use proptest::prelude::*;
use status::{Account, EndAccount, Kind, NextState, Status};
use std::cell::Cell;
use std::sync::{
    atomic::{AtomicI64, Ordering},
    Barrier,
};

/// Counts of a destination.
#[derive(Default)]
struct Counts {
    total: AtomicI64,
    active: AtomicI64,
}

impl Counts {
    fn add(&self, word: &AtomicI64, by: i64) {
        word.fetch_add(by, Ordering::Relaxed);
    }

    fn account(&self, account: Account) {
        if let Some(active) = account.activity() {
            self.add(&self.active, if active { 1 } else { -1 });
        }
    }

    fn count(&self, status: &Status) {
        if let Some(active) = status.count() {
            self.add(&self.total, 1);
            self.add(&self.active, active.into());
        }
    }

    fn end(&self, status: &Status) {
        if let EndAccount::Counted { active } = status.end() {
            self.add(&self.total, -1);
            self.add(&self.active, -i64::from(active));
        }
    }

    fn get(&self) -> (i64, i64) {
        (
            self.total.load(Ordering::Relaxed),
            self.active.load(Ordering::Relaxed),
        )
    }
}

/// Events of a connection.
#[derive(Clone, Copy, Debug)]
enum ConnEvent {
    Packet(Direction, tcp::TcpEvent),
    SyncUpdate { state: u8, is_inactive: bool },
    Count,
    GivePlace,
    End,
}

fn packet(status: &Status, direction: Direction, event: tcp::TcpEvent) -> Account {
    let (_, account) = status.advance(direction, |direction, state| {
        let state = tcp::next(false, direction, Some(event), state);
        NextState {
            state,
            active: tcp::active(state),
            assures: state == tcp::ESTABLISHED,
        }
    });
    account
}

fn happens(event: ConnEvent, status: &Status, counts: &Counts) {
    match event {
        ConnEvent::Packet(direction, event) => counts.account(packet(status, direction, event)),
        ConnEvent::SyncUpdate { state, is_inactive } => {
            counts.account(status.apply(state, is_inactive))
        }
        ConnEvent::Count => counts.count(status),
        ConnEvent::GivePlace => {
            if let Some(account) = status.release_count() {
                counts.account(account);
                // Also changes the count of another connection, which is added and removed
                // elsewhere.
                counts.add(&counts.total, -1);
            }
        }
        ConnEvent::End => counts.end(status),
    }
}

/// Reference: a connection is counted from the first `Count` to its end or replacement.
#[derive(Default)]
struct Reference {
    counted: bool,
    over: bool,
}

impl Reference {
    fn happens(&mut self, event: ConnEvent) {
        match event {
            ConnEvent::Count => self.counted = true,
            ConnEvent::End => self.over = true,
            // It could be counted again, which no caller does.
            ConnEvent::GivePlace if !self.over => self.counted = false,
            _ => {}
        }
    }

    fn counts(&self, is_active: bool) -> (i64, i64) {
        let counted = i64::from(self.counted && !self.over);
        (counted, if is_active { counted } else { 0 })
    }
}

fn any_event() -> impl Strategy<Value = ConnEvent> {
    let direction = prop_oneof![Just(Direction::Input), Just(Direction::Output)];
    let segment = prop_oneof![
        Just(tcp::TcpEvent::Syn),
        Just(tcp::TcpEvent::Fin),
        Just(tcp::TcpEvent::Ack),
        Just(tcp::TcpEvent::Rst)
    ];
    let update = (0..tcp::STATES as u8, any::<bool>());
    prop_oneof![
        8 => (direction, segment).prop_map(|(d, e)| ConnEvent::Packet(d, e)),
        2 => update.prop_map(|(state, is_inactive)| ConnEvent::SyncUpdate { state, is_inactive }),
        2 => Just(ConnEvent::Count),
        1 => Just(ConnEvent::GivePlace),
        1 => Just(ConnEvent::End),
    ]
}

/// Returns true if a connection with this status is counted as active.
fn is_active(status: &Status) -> bool {
    status.load().sync_flags() & crate::logic::sync::flags::INACTIVE == 0
}

proptest! {
    // C-22, T-6
    #[test]
    fn counts_are_those_of_the_definition(events in proptest::collection::vec(any_event(), 0..40)) {
        let (status, counts) = (Status::connection(false, false), Counts::default());
        let mut reference = Reference::default();
        for event in events {
            happens(event, &status, &counts);
            reference.happens(event);
            prop_assert_eq!(counts.get(), reference.counts(is_active(&status)), "after {:?}", event);
        }
    }
}

// C-22: packets of both directions, a sync message and the end at the same time.
#[test]
fn nothing_is_left_after_a_storm() {
    const ROUNDS: usize = if cfg!(miri) { 50 } else { 20_000 };
    let counts = Counts::default();
    let statuses: Vec<Status> = (0..ROUNDS)
        .map(|_| {
            let status = Status::connection(false, false);
            counts.count(&status);
            counts.account(packet(&status, Direction::Input, tcp::TcpEvent::Syn));
            counts.account(packet(&status, Direction::Output, tcp::TcpEvent::Syn));
            status
        })
        .collect();
    let events = [
        ConnEvent::Packet(Direction::Input, tcp::TcpEvent::Ack),
        ConnEvent::Packet(Direction::Output, tcp::TcpEvent::Rst),
        ConnEvent::SyncUpdate {
            state: tcp::ESTABLISHED,
            is_inactive: false,
        },
        ConnEvent::End,
    ];
    let barrier = Barrier::new(events.len());
    std::thread::scope(|scope| {
        for event in events {
            let (statuses, counts, barrier) = (&statuses, &counts, &barrier);
            scope.spawn(move || {
                for status in statuses {
                    barrier.wait();
                    happens(event, status, counts);
                }
            });
        }
    });
    assert_eq!(counts.get(), (0, 0));
}

/// Returns a different timeout for each state.
fn timeout_of(state: u8) -> u32 {
    1000 + u32::from(state)
}

/// Processes a packet: changes the state and the timeout.
fn passes(direction: Direction, event: tcp::TcpEvent, status: &Status, timeout: &Atomic<u32>) {
    let (state, _) = status.advance(direction, |direction, state| NextState {
        state: tcp::next(false, direction, Some(event), state),
        active: true,
        assures: false,
    });
    let own = timeout_of(state);
    if own != timeout.load(Relaxed) {
        status.settle_timeout(timeout, own, timeout_of);
    }
}

// T-3: another CPU's packet between a packet's read of the state and its store of the timeout.
#[test]
fn the_timeout_is_that_of_the_state() {
    let (status, timeout) = (Status::connection(false, false), Atomic::new(0));
    passes(Direction::Input, tcp::TcpEvent::Syn, &status, &timeout);
    let late = timeout_of(tcp::SYN_RECV);
    assert_eq!(timeout.load(Relaxed), late);
    // The client's ACK overtakes a retransmitted SYN+ACK.
    passes(Direction::Input, tcp::TcpEvent::Ack, &status, &timeout);
    let _ = status.settle_timeout(&timeout, late, timeout_of);
    assert_eq!(timeout.load(Relaxed), timeout_of(tcp::ESTABLISHED));
    // A FIN does too, while the SYN+ACK corrects its timeout.
    let fin = Cell::new(true);
    let is_shorter = status.settle_timeout(&timeout, late, |state| {
        if fin.take() {
            passes(Direction::Output, tcp::TcpEvent::Fin, &status, &timeout);
        }
        timeout_of(state)
    });
    assert_ne!(status.load().state(), tcp::ESTABLISHED);
    assert_eq!(timeout.load(Relaxed), timeout_of(status.load().state()));
    assert!(is_shorter);
}

#[test]
fn an_end_is_told_once() {
    let status = Status::connection(false, false);
    assert_eq!(status.count(), Some(false));
    assert_eq!(status.count(), None);
    assert_eq!(status.end(), EndAccount::Counted { active: false });
    assert_eq!(status.end(), EndAccount::Uncounted);
    assert_eq!(status.count(), None);
    assert!(status.release_count().is_none());
    assert_eq!(Status::template(Kind::Client).end(), EndAccount::Template);
    // A connection that was not inserted into the table was not counted.
    assert_eq!(
        Status::connection(false, false).end(),
        EndAccount::Uncounted
    );
}
