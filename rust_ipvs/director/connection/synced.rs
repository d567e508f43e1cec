// SPDX-License-Identifier: GPL-2.0

//! What directors tell each other of a connection (SPEC section 14).
//!
//! These words lie behind those that every packet reads: only packets that pass a master read them.

use super::{
    Connection,
    INACTIVE,
    INVALID,
    MANY_REQUESTS,
    NO_OUTPUT,
    REQUEST,
    STATE,
    SYNCED,
    TEMPLATE,
    TRACKED, //
};
use crate::{
    director::{
        stack::Stack,
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
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

impl<F: Stack> Connection<F> {
    /// Counts a packet of the client that passes a master; returns how many there were with it.
    pub(in crate::director) fn count_for_master(&self) -> u32 {
        self.told.count()
    }

    /// Whether others are to be told now, of which this is the only call to say so (B-6, B-7).
    pub(in crate::director) fn is_due(&self, rules: &Rules, packets: u32) -> bool {
        let status = self.status.load(Relaxed);
        if status & INVALID != 0 {
            return false;
        }
        let subject = Subject {
            is_template: status & TEMPLATE != 0,
            protocol: self.key,
            state: (status & STATE) as u8,
            told: self.told.state(),
            packets,
            ends: self.told.ends(),
            timeout: self.timeout.load(),
        };
        let Some(due) = due(rules, &subject, time::jiffies32()) else {
            return false;
        };
        let first = self.told.remember(subject.state, subject.ends, due.ends);
        first || due.forced
    }

    /// What others are told.
    pub(in crate::director) fn entry(&self) -> Entry<'_> {
        let status = self.status.load(Relaxed);
        let has = |bit, flag| if status & bit != 0 { flag } else { 0 };
        let mut flags = u32::from(self.method.0)
            | has(NO_OUTPUT, flags::NO_OUTPUT)
            | has(INACTIVE, flags::INACTIVE)
            | has(TEMPLATE, flags::TEMPLATE)
            | has(SYNCED, flags::SYNC)
            | has(TRACKED, flags::TRACKED);
        if status & TEMPLATE != 0 && self.method != ForwardMethod::MASQ {
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
            state: (status & STATE) as u16,
            client: (F::ip(self.client.addr), self.client.port),
            virt: (F::ip(self.virt.addr), self.virt.port),
            dest: (F::ip(self.real.addr), self.real.port),
            mark,
            timeout: self.timeout.load() / time::HZ,
            shifts: None,
            engine: engine.map(|data| (Engine::Sip.name().as_bytes(), data.found())),
        }
    }

    /// Whether another director told of it, and not a packet (K-6).
    pub(super) fn is_synced(&self) -> bool {
        self.status.load(Relaxed) & SYNCED != 0
    }

    /// Has the connection, which nobody else sees yet, be as another director says (B-25).
    pub(in crate::director) fn synced(mut self, heard: Heard) -> Self {
        let kept = self.status.load(Relaxed) & (REQUEST - 1) & !(STATE | INACTIVE);
        let inactive = if heard.is_inactive { INACTIVE } else { 0 };
        let requests = heard.packets.clamp(1, MANY_REQUESTS / REQUEST);
        let requests = match kept & TEMPLATE {
            0 => requests.wrapping_mul(REQUEST),
            _ => 0,
        };
        self.status = Atomic::new(kept | inactive | SYNCED | requests | u32::from(heard.state));
        self.note(&heard);
        self
    }

    /// Takes over what another director says of the connection (B-23, B-25).
    pub(in crate::director) fn hear(&self, heard: &Heard) {
        let mut old = self.status.load(Relaxed);
        loop {
            let inactive = match (old & TEMPLATE != 0, heard.is_inactive) {
                (false, false) => 0,
                _ => INACTIVE,
            };
            let new = old & !(STATE | INACTIVE) | inactive | u32::from(heard.state);
            match self.status.cmpxchg(old, new, Relaxed) {
                Ok(_) => {
                    if (old ^ new) & INACTIVE != 0 {
                        self.destination.activity(new & INACTIVE == 0);
                    }
                    break;
                }
                Err(other) => old = other,
            }
        }
        self.note(heard);
    }

    fn note(&self, heard: &Heard) {
        self.timeout.store(heard.timeout);
        self.touch();
        self.told.hear(heard);
    }
}
