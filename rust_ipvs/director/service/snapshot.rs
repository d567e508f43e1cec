// SPDX-License-Identifier: GPL-2.0

//! [`SvcSnapshot`]: options, destinations and scheduler state of a service, as packets read them.
//!
//! A packet finds a snapshot under RCU. Only `position` and the destination slots change after
//! publication.

use super::lblc::{
    LblcEntry,
    LblcTable, //
};
use crate::{
    director::dest::Destination,
    kapi::{
        random,
        rcu::Rcu,
        rcu_slots::RcuSlots,
        shared::RcuRef, //
    },
    logic::{
        config::{
            service_flags,
            Ip,
            ServiceSpec, //
        },
        engine::Engine,
        own_options::OwnOptions,
        packet::UDP,
        sched::{
            algorithm::{
                Needs,
                Servers,
                View, //
            },
            cycle::Cycle,
            Position,
            Scheduler, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// Options of a service, which an administrator may change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SvcOptions {
    /// `None` for a service that chooses no destination (V-18).
    pub(crate) scheduler: Option<Scheduler>,
    pub(crate) engine: Option<Engine>,
    pub(crate) flags: u32,
    pub(crate) timeout: u32,
    pub(crate) netmask: u32,
    /// Options in place of the namespace's.
    pub(crate) own: OwnOptions,
}

impl SvcOptions {
    /// Returns the options of `spec`, given the present flags. The caller has looked up the
    /// scheduler.
    pub(crate) fn of(spec: &ServiceSpec, scheduler: Option<Scheduler>, flags: u32) -> Self {
        let flags = (flags & !spec.flags_mask) | (spec.flags & spec.flags_mask);
        Self {
            scheduler,
            engine: spec
                .engine
                .and_then(|name| Engine::by_name(name.as_bytes())),
            flags: flags | service_flags::HASHED,
            timeout: spec.timeout,
            netmask: spec.netmask,
            own: spec.own,
        }
    }

    /// Returns whether the service is persistent (P-1).
    pub(crate) fn is_persistent(&self) -> bool {
        self.flags & service_flags::PERSISTENT != 0
    }

    /// Returns whether one-packet scheduling (OPS) applies to a protocol (S-12).
    pub(crate) fn is_ops(&self, protocol: u8) -> bool {
        protocol == UDP && self.flags & service_flags::ONEPACKET != 0
    }

    /// Returns the data that the scheduler needs.
    pub(crate) fn needs(&self) -> Needs {
        self.scheduler
            .map_or(Needs::NOTHING, |scheduler| *scheduler.needs())
    }
}

/// RCU-published snapshot of a service.
pub(crate) struct SvcSnapshot {
    pub(crate) options: SvcOptions,
    pub(crate) dests: Arc<RcuSlots<Destination>>,
    /// A [`Position`].
    pub(crate) position: Atomic<u64>,
    pub(crate) cycle: Cycle,
    pub(crate) table: KVVec<u32>,
    pub(crate) lblc: Option<Arc<LblcTable>>,
}

/// Snapshot with its read-side critical section.
#[derive(Clone, Copy)]
pub(crate) struct SnapshotRef<'g> {
    pub(crate) rcu: Rcu<'g>,
    pub(super) snapshot: &'g SvcSnapshot,
}

impl<'g> Servers for SnapshotRef<'g> {
    type Server = RcuRef<'g, Destination>;

    #[inline(always)]
    fn slots(&self) -> u32 {
        self.snapshot.dests.len()
    }

    #[inline(always)]
    fn server(&self, slot: u32) -> Option<Self::Server> {
        self.snapshot.dests.get(self.rcu, slot)
    }

    #[inline(always)]
    fn find_below(
        &self,
        below: u32,
        is: impl FnMut(Self::Server) -> bool,
    ) -> Option<(u32, Self::Server)> {
        self.snapshot.dests.rfind(self.rcu, below, is)
    }
}

impl<'g> View for SnapshotRef<'g> {
    type LblcEntry = &'g LblcEntry;

    fn position(&self) -> Position {
        Position::of_word(self.snapshot.position.load(Relaxed))
    }

    fn move_to(&self, position: Position) {
        let word = position.to_word();
        // An unchanged cache line stays shared between CPUs.
        if self.snapshot.position.load(Relaxed) != word {
            self.snapshot.position.store(word, Relaxed);
        }
    }

    fn exchange(&self, old: Position, new: Position) -> Result<(), Position> {
        let (old, new) = (old.to_word(), new.to_word());
        if old == new {
            return Ok(());
        }
        let result = self.snapshot.position.cmpxchg(old, new, Relaxed);
        result.map(|_| ()).map_err(Position::of_word)
    }

    fn cycle(&self) -> Cycle {
        self.snapshot.cycle
    }

    fn table(&self) -> &[u32] {
        &self.snapshot.table
    }

    fn flags(&self) -> u32 {
        self.snapshot.options.flags
    }

    fn random(&self, limit: u64) -> u64 {
        random::below(limit)
    }

    fn recall(&self, address: Ip) -> Option<&'g LblcEntry> {
        self.snapshot.lblc.as_ref()?.recall(self.rcu, address)
    }

    fn members(&self, entry: &'g LblcEntry) -> impl Iterator<Item = Self::Server> {
        entry.members(self.rcu)
    }

    fn is_expired(&self, entry: &'g LblcEntry) -> bool {
        let lblc = self.snapshot.lblc.as_ref();
        lblc.is_some_and(|lblc| lblc.is_expired(self.rcu, entry))
    }

    fn remember(
        &self,
        address: Ip,
        entry: Option<&'g LblcEntry>,
        server: Self::Server,
        beside: bool,
    ) {
        match (entry, &self.snapshot.lblc) {
            (Some(entry), _) => entry.learn(self.rcu, server, beside),
            (None, Some(lblc)) => lblc.learn(self.rcu, address, server),
            (None, None) => {}
        }
    }

    fn evict(&self, entry: &'g LblcEntry, server: Self::Server) {
        entry.evict(self.rcu, server);
    }
}

/// Destinations without the one in the slot that the caller will empty.
pub(crate) struct Without<'g> {
    pub(crate) rcu: Rcu<'g>,
    pub(crate) dests: &'g RcuSlots<Destination>,
    pub(crate) slot: Option<u32>,
}

impl<'g> Servers for Without<'g> {
    type Server = RcuRef<'g, Destination>;

    fn slots(&self) -> u32 {
        self.dests.len()
    }

    fn server(&self, slot: u32) -> Option<Self::Server> {
        if self.slot == Some(slot) {
            return None;
        }
        self.dests.get(self.rcu, slot)
    }
}
