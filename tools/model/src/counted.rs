// SPDX-License-Identifier: GPL-2.0

//! A connection's status and the counts of its destination, updated in the order of
//! `director/conn`.

use super::status::{
    Account,
    EndAccount,
    NextState,
    Status, //
};
use crate::logic::{
    direction::Direction,
    tcp::{
        self,
        TcpFlags, //
    },
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Counts of a destination.
pub(crate) struct DestCounts {
    active: Atomic<i32>,
    total: Atomic<i32>,
    assured: Atomic<i32>,
}

impl DestCounts {
    pub(crate) const fn new() -> Self {
        Self {
            active: Atomic::new(0),
            total: Atomic::new(0),
            assured: Atomic::new(0),
        }
    }

    /// Returns the active connections, all connections, and how often a template was assured.
    pub(crate) fn get(&self) -> (i32, i32, i32) {
        let of = |count: &Atomic<i32>| count.load(Relaxed);
        (of(&self.active), of(&self.total), of(&self.assured))
    }
}

/// Connection to a destination with these counts.
pub(crate) struct Connection {
    status: Status,
    counts: &'static DestCounts,
}

impl Connection {
    /// Makes a NAT connection that a template controls.
    pub(crate) fn new(counts: &'static DestCounts) -> Self {
        let status = Status::connection(false, true);
        Self { status, counts }
    }

    /// Makes a connection without a client port.
    pub(crate) fn expected(counts: &'static DestCounts) -> Self {
        let status = Status::expected(true);
        Self { status, counts }
    }

    /// Makes the connection that replaces one without a client port.
    pub(crate) fn fill_cport(counts: &'static DestCounts) -> Self {
        let mut status = Status::expected(false);
        status.inherit_count();
        Self { status, counts }
    }

    /// Counts it in its destination.
    pub(crate) fn count(&self) {
        if let Some(active) = self.status.count() {
            self.counts.total.add(1, Relaxed);
            if active {
                self.counts.active.add(1, Relaxed);
            }
        }
    }

    fn account(&self, account: Account) {
        if let Some(active) = account.activity() {
            self.counts.active.add(if active { 1 } else { -1 }, Relaxed);
        }
        if account.assures() {
            self.counts.assured.add(1, Relaxed);
        }
    }

    /// Applies a segment; returns the new state.
    pub(crate) fn segment(&self, direction: Direction, flags: TcpFlags) -> u8 {
        let event = flags.event();
        let (state, account) = self.status.advance(direction, |direction, state| {
            let state = tcp::next(false, direction, event, state);
            NextState {
                state,
                active: tcp::active(state),
                assures: state == tcp::ESTABLISHED,
            }
        });
        if !account.is_nothing() {
            self.account(account);
        }
        state
    }

    /// Applies a state received from another director.
    pub(crate) fn apply(&self, state: u8) {
        let account = self.status.apply(state, !tcp::active(state));
        self.account(account);
    }

    /// Stops counting it, as its replacement does. Returns true if it was counted.
    pub(crate) fn release_count(&self) -> bool {
        let given = self.status.release_count();
        if let Some(account) = given {
            self.account(account);
        }
        given.is_some()
    }

    /// Ends it after its removal from the table.
    pub(crate) fn end(&self) {
        if let EndAccount::Counted { active } = self.status.end() {
            if active {
                self.counts.active.add(-1, Relaxed);
            }
            self.counts.total.add(-1, Relaxed);
        }
    }

    pub(crate) fn state(&self) -> u8 {
        self.status.load().state()
    }

    pub(crate) fn requests(&self) -> u8 {
        self.status.load().requests()
    }
}
