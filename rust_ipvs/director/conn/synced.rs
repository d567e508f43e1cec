// SPDX-License-Identifier: GPL-2.0

//! Synchronisation of a connection with other directors (behaviour.rst 14).
//!
//! These words lie behind those that every packet reads: only packets that pass a master read them.

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
    /// Counts a packet of the client that passes a master; returns how many there were with it.
    pub(crate) fn count_for_master(&self) -> u32 {
        self.sync.count()
    }

    /// Returns whether to send the connection now; of concurrent calls only one says so (B-6, B-7).
    pub(crate) fn should_sync(&self, rules: &Rules, packets: u32) -> bool {
        let status = self.status.load();
        if status.is_invalid() || self.is_given_up() {
            return false;
        }
        let subject = Subject {
            is_template: status.is_template(),
            protocol: self.key.load(),
            state: status.state(),
            told: self.sync.state(),
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

    /// Returns the entry that is sent.
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
            virt: (F::ip(self.virt.addr), self.virt.port),
            dest: (F::ip(self.real.addr), self.real.port),
            mark,
            timeout: self.timeout.load(Relaxed) / time::HZ,
            shifts: None,
            engine: engine.map(|data| (Engine::Sip.name().as_bytes(), data.found())),
        }
    }

    /// Has the connection, which nobody else sees yet, be as another director says (B-25).
    pub(crate) fn synced(mut self, update: SyncUpdate) -> Self {
        self.status
            .synced(update.state, update.is_inactive, update.packets);
        self.note(&update);
        self
    }

    /// Applies an update from another director (B-23, B-25).
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
