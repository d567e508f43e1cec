// SPDX-License-Identifier: GPL-2.0

//! What packets see of a service: its terms, its destinations, and what its scheduler keeps.
//!
//! A [`Stage`] is found under RCU. Of it only the position changes, and the list of destinations in place.

use super::{
    destination::Destination,
    locality::{
        Memo,
        Memory, //
    },
};
use crate::{
    kapi::{
        random,
        rcu::Rcu,
        rcu_slots::RcuSlots,
        shared::Seen, //
    },
    logic::{
        config::{
            service_flags,
            Ip,
            ServiceSpec, //
        },
        engine::Engine,
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

/// What of a service a user may change.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// `None` is a service that finds no destination (V-18).
    pub(super) scheduler: Option<Scheduler>,
    pub(super) engine: Option<Engine>,
    pub(super) flags: u32,
    pub(super) timeout: u32,
    pub(super) netmask: u32,
}

impl Terms {
    /// What a user asks for, given the flags that are set now; the scheduler is known to exist.
    pub(super) fn of(spec: &ServiceSpec, scheduler: Option<Scheduler>, flags: u32) -> Self {
        let flags = (flags & !spec.flags_mask) | (spec.flags & spec.flags_mask);
        Self {
            scheduler,
            engine: spec
                .engine
                .and_then(|name| Engine::by_name(name.as_bytes())),
            flags: flags | service_flags::HASHED,
            timeout: spec.timeout,
            netmask: spec.netmask,
        }
    }

    /// Whether clients come back to their destinations (P-1).
    pub(super) fn is_persistent(&self) -> bool {
        self.flags & service_flags::PERSISTENT != 0
    }

    /// Whether each packet of a protocol is a connection by itself (S-12).
    pub(super) fn is_of_single_packets(&self, protocol: u8) -> bool {
        protocol == UDP && self.flags & service_flags::ONEPACKET != 0
    }

    /// What its scheduler needs.
    pub(super) fn needs(&self) -> Needs {
        self.scheduler
            .map_or(Needs::NOTHING, |scheduler| *scheduler.needs())
    }
}

/// What packets see of a service.
pub(super) struct Stage {
    pub(super) terms: Terms,
    pub(super) dests: Arc<RcuSlots<Destination>>,
    /// A [`Position`].
    pub(super) position: Atomic<u64>,
    pub(super) cycle: Cycle,
    pub(super) table: KVVec<u32>,
    pub(super) memory: Option<Arc<Memory>>,
}

/// A stage while it is looked at.
#[derive(Clone, Copy)]
pub(super) struct Sight<'g> {
    pub(super) rcu: Rcu<'g>,
    pub(super) stage: &'g Stage,
}

impl<'g> Servers for Sight<'g> {
    type Server = Seen<'g, Destination>;

    #[inline(always)]
    fn slots(&self) -> u32 {
        self.stage.dests.len()
    }

    #[inline(always)]
    fn server(&self, slot: u32) -> Option<Self::Server> {
        self.stage.dests.get(self.rcu, slot)
    }

    #[inline(always)]
    fn find_below(
        &self,
        below: u32,
        is: impl FnMut(Self::Server) -> bool,
    ) -> Option<(u32, Self::Server)> {
        self.stage.dests.rfind(self.rcu, below, is)
    }
}

impl<'g> View for Sight<'g> {
    type Memo = &'g Memo;

    fn position(&self) -> Position {
        Position::of_word(self.stage.position.load(Relaxed))
    }

    fn move_to(&self, position: Position) {
        let word = position.to_word();
        // A line that nobody dirties stays in all caches.
        if self.stage.position.load(Relaxed) != word {
            self.stage.position.store(word, Relaxed);
        }
    }

    fn exchange(&self, old: Position, new: Position) -> Result<(), Position> {
        let (old, new) = (old.to_word(), new.to_word());
        if old == new {
            return Ok(());
        }
        let result = self.stage.position.cmpxchg(old, new, Relaxed);
        result.map(|_| ()).map_err(Position::of_word)
    }

    fn cycle(&self) -> Cycle {
        self.stage.cycle
    }

    fn table(&self) -> &[u32] {
        &self.stage.table
    }

    fn flags(&self) -> u32 {
        self.stage.terms.flags
    }

    fn random(&self, limit: u64) -> u64 {
        random::below(limit)
    }

    fn recall(&self, address: Ip) -> Option<&'g Memo> {
        self.stage.memory.as_ref()?.recall(self.rcu, address)
    }

    fn members(&self, memo: &'g Memo) -> impl Iterator<Item = Self::Server> {
        memo.members(self.rcu)
    }

    fn is_settled(&self, memo: &'g Memo) -> bool {
        let memory = self.stage.memory.as_ref();
        memory.is_some_and(|memory| memory.is_settled(self.rcu, memo))
    }

    fn remember(&self, address: Ip, memo: Option<&'g Memo>, server: Self::Server, beside: bool) {
        match (memo, &self.stage.memory) {
            (Some(memo), _) => memo.learn(self.rcu, server, beside),
            (None, Some(memory)) => memory.learn(self.rcu, address, server),
            (None, None) => {}
        }
    }

    fn forget(&self, memo: &'g Memo, server: Self::Server) {
        memo.forget(self.rcu, server);
    }
}

/// Destinations without the one that is about to go.
pub(super) struct Without<'g> {
    pub(super) rcu: Rcu<'g>,
    pub(super) dests: &'g RcuSlots<Destination>,
    pub(super) slot: Option<u32>,
}

impl<'g> Servers for Without<'g> {
    type Server = Seen<'g, Destination>;

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
