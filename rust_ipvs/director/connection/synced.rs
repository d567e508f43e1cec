// SPDX-License-Identifier: GPL-2.0

//! What directors tell each other of a connection (behaviour.rst 14).
//!
//! These words lie behind those that every packet reads: only packets that pass a master read them.

use super::Connection;
use crate::{
    director::{
        stack::InetFamily,
        sync::told::Heard, //
    },
    kapi::time,
    logic::{
        config::{
            ForwardMethod,
            ServiceKey, //
        },
        engine::Engine,
        sync::{
            due::{
                due,
                Rules,
                Subject, //
            },
            flags,
            Entry, //
        },
    },
};
use kernel::sync::atomic::Relaxed;

impl<F: InetFamily> Connection<F> {
    /// Counts a packet of the client that passes a master; returns how many there were with it.
    pub(in crate::director) fn count_for_master(&self) -> u32 {
        self.told.count()
    }

    /// Whether others are to be told now, of which this is the only call to say so (B-6, B-7).
    pub(in crate::director) fn is_due(&self, rules: &Rules, packets: u32) -> bool {
        let status = self.status.load();
        if status.is_invalid() || self.is_given_up() {
            return false;
        }
        let subject = Subject {
            is_template: status.is_template(),
            protocol: self.key.load(),
            state: status.state(),
            told: self.told.state(),
            packets,
            ends: self.told.ends(),
            timeout: self.timeout.load(Relaxed),
        };
        let Some(due) = due(rules, &subject, time::jiffies32()) else {
            return false;
        };
        let first = self.told.remember(subject.state, subject.ends, due.ends);
        first || due.forced
    }

    /// What others are told.
    pub(in crate::director) fn entry(&self) -> Entry<'_> {
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
        Entry {
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
    pub(in crate::director) fn synced(mut self, heard: Heard) -> Self {
        self.status
            .synced(heard.state, heard.is_inactive, heard.packets);
        self.note(&heard);
        self
    }

    /// Takes over what another director says of the connection (B-23, B-25).
    pub(in crate::director) fn hear(&self, heard: &Heard) {
        let account = self.status.apply(heard.state, heard.is_inactive);
        self.account(account);
        self.note(heard);
    }

    fn note(&self, heard: &Heard) {
        self.timeout.store(heard.timeout, Relaxed);
        self.touch();
        self.told.hear(heard);
    }
}
