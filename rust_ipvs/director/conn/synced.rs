// SPDX-License-Identifier: GPL-2.0

//! Synchronisation of a connection (behaviour.rst 14).
//!
//! These fields are outside the first cache line: only packets on a sync master read them.

use super::{
    family::InetFamily,
    sync_state::SyncUpdate,
    Connection, //
};
use crate::{
    kapi::time,
    logic::{
        config::{
            ForwardMethod,
            ServiceKey, //
        },
        engine::Engine,
        sync::{
            flags,
            rate_limit::{
                should_sync,
                Rules,
                Subject, //
            },
            SyncEntry, //
        },
    },
};
use kernel::sync::atomic::Relaxed;

impl<F: InetFamily> Connection<F> {
    /// Counts a packet of the client on a sync master; returns the new number.
    pub(crate) fn count_for_master(&self) -> u32 {
        self.sync.count()
    }

    /// Returns whether to send the connection now. Of concurrent callers one gets true (B-6, B-7).
    pub(crate) fn should_sync(&self, rules: &Rules, packets: u32) -> bool {
        let status = self.status.load();
        if status.is_invalid() || self.is_given_up() {
            return false;
        }
        let subject = Subject {
            is_template: status.is_template(),
            protocol: self.key.load(),
            state: status.state(),
            synced_state: self.sync.state(),
            packets,
            ends: self.sync.ends(),
            timeout: self.timeout.load(Relaxed),
        };
        let Some(due) = should_sync(rules, &subject, time::jiffies32()) else {
            return false;
        };
        let first = self.sync.remember(subject.state, subject.ends, due.ends);
        first || due.forced
    }

    /// Returns the entry for a sync message.
    pub(crate) fn entry(&self) -> SyncEntry<'_> {
        let status = self.status.load();
        let mut flags = u32::from(self.method.0) | status.sync_flags();
        if status.is_template() && self.method != ForwardMethod::MASQ {
            flags |= flags::NO_OUTPUT;
        }
        let mark = match self.destination.service.key {
            ServiceKey::Mark(mark) => mark,
            ServiceKey::Address { .. } => 0,
        };
        let engine = self.data.as_ref();
        SyncEntry {
            protocol: self.protocol(),
            flags,
            state: status.state().into(),
            client: (F::ip(self.client.addr), self.client.port),
            virt: (F::ip(self.vip.addr), self.vip.port),
            dest: (F::ip(self.dest.addr), self.dest.port),
            mark,
            timeout: self.timeout.load(Relaxed) / time::HZ,
            shifts: None,
            engine: engine.map(|data| (Engine::Sip.name().as_bytes(), data.found())),
        }
    }

    /// Sets the state that a sync message gives for a new connection, before its insertion (B-25).
    pub(crate) fn synced(mut self, update: SyncUpdate) -> Self {
        self.status
            .synced(update.state, update.is_inactive, update.packets);
        self.note(&update);
        self
    }

    /// Applies a sync message to a connection in the table (B-23, B-25).
    pub(crate) fn apply(&self, update: &SyncUpdate) {
        let account = self.status.apply(update.state, update.is_inactive);
        self.account(account);
        self.note(update);
    }

    fn note(&self, update: &SyncUpdate) {
        self.timeout.store(update.timeout, Relaxed);
        self.touch();
        self.sync.apply(update);
    }
}
