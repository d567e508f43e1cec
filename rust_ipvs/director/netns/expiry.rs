// SPDX-License-Identifier: GPL-2.0

//! Expiry of connections (C-16), with the part of [`NetnsIpvs`] that counts and limits them (C-23).
//!
//! A family's connections are divided into the shards of their table, and the shards among some
//! works, so that several CPUs share what ends at once. Each of them has looked at the slots of all
//! ticks up to one, and looks at those of the ticks since. It stops after some connections and is
//! queued again at once, so that others who need the CPU or the workqueue come in between.
//!
//! Without connections the works rest. The next connection wakes them by
//! [`Connections::resting`], which each new connection asks
//! after it is in the table. A work that goes to rest writes that word first and then looks, under
//! the lock of each of its shards, whether there is a connection. One that came before is seen
//! then; one that comes later takes the lock later, and finds the word written.

use super::NetnsIpvs;
use crate::{
    director::{
        conn::{
            clock,
            conntrack,
            Connection,
            Connections,
            InetFamily, //
        },
        service::AfState,
        sync, //
    },
    kapi::{
        rcu,
        table::ExpireVerdict,
        work::Process, //
    },
    logic::wheel::Due, //
};

/// The most works that the connections of a family are divided among.
pub(super) const MOST_PARTS: usize = 4;
/// Connections that one run looks at: some hundred microseconds.
const AT_ONCE: u32 = 1024;

/// A work that ends the connections of some shards of a family.
pub(crate) struct Expiry<F: InetFamily> {
    af: fn(&NetnsIpvs) -> &AfState<F>,
    /// Its shards are this one and each `parts`-th after it.
    part: usize,
    parts: usize,
    /// All ticks up to this one have been looked at in all of its shards.
    done: u32,
    round: Option<Round>,
}

/// A look at the ticks up to the present one, which may take several runs.
struct Round {
    until: u32,
    shard: usize,
    /// The slots that are to be looked at in that shard yet.
    slots: Due,
}

impl<F: InetFamily> Expiry<F> {
    /// The work of one part of so many, of the family whose state `af` returns.
    pub(crate) fn new(af: fn(&NetnsIpvs) -> &AfState<F>, part: usize, parts: usize) -> Self {
        Self {
            af,
            part,
            parts: parts.max(1),
            done: clock::now_tick(),
            round: None,
        }
    }

    /// Ends connections whose time is up; returns when to do so again, or `None` without any.
    pub(crate) fn run(&mut self, ipvs: &NetnsIpvs, process: &Process) -> Option<u32> {
        let connections = (self.af)(ipvs).connections.as_ref()?;
        let mut round = match self.round.take() {
            Some(round) => round,
            None => self.begin(),
        };
        let mut budget = AT_ONCE;
        while round.shard < connections.table.shards() {
            if !expire(ipvs, connections, process, &mut round, &mut budget) {
                self.round = Some(round);
                return Some(0);
            }
            round.shard = round.shard.saturating_add(self.parts);
            round.slots = Due::between(self.done, round.until);
        }
        self.done = round.until;
        connections.check_size();
        (!self.rests(connections)).then_some(clock::TICK_JIFFIES)
    }

    fn begin(&self) -> Round {
        let until = clock::now_tick();
        Round {
            until,
            shard: self.part,
            slots: Due::between(self.done, until),
        }
    }

    /// Goes to rest if there are no connections; see the module's documentation.
    fn rests(&self, connections: &Connections<F>) -> bool {
        if connections.table.exact_len() != 0 {
            return false;
        }
        // If there is a connection after all, the next one wakes in vain.
        connections.resting.store(1);
        let mut own = (self.part..connections.table.shards()).step_by(self.parts);
        own.all(|shard| connections.table.is_empty_shard(shard))
    }
}

/// Ends connections of a shard whose time is up; returns whether that is done for this round.
fn expire<F: InetFamily>(
    ipvs: &NetnsIpvs,
    connections: &Connections<F>,
    process: &Process,
    round: &mut Round,
    budget: &mut u32,
) -> bool {
    let weak_net = ipvs.weak_net();
    let mut slots = round.slots.by_ref().map(|slot| slot.index() as u16);
    connections.table.expire(
        process,
        round.shard,
        &mut slots,
        budget,
        |connection| verdict(ipvs, connection),
        |rcu, connection| {
            conntrack::forget(weak_net.and_then(|weak_net| weak_net.get(rcu)), connection)
        },
    )
}

/// Returns the verdict on a connection whose slot has come. One that controls others stays a while
/// (C-16).
fn verdict<F: InetFamily>(ipvs: &NetnsIpvs, connection: &Connection<F>) -> ExpireVerdict {
    if connection.left() <= 0 {
        if !connection.controls() {
            return ExpireVerdict::Remove;
        }
        connection.stay();
        if ipvs.timeouts.is_sync_active() {
            rcu::read(|rcu| sync::sync_kept(ipvs, rcu, connection));
        }
    }
    ExpireVerdict::Keep
}

impl<F: InetFamily> AfState<F> {
    /// Returns how many connections there are.
    pub(crate) fn connection_count(&self) -> usize {
        self.connections.as_ref().map_or(0, |c| c.table.exact_len())
    }

    /// Ends all connections.
    fn end(&self) {
        if let Some(connections) = self.connections.as_ref() {
            connections.table.clear();
        }
    }
}

impl NetnsIpvs {
    /// Returns whether there may be one more entry (C-23, S-13).
    #[inline(always)]
    pub(crate) fn has_room(&self) -> bool {
        let limit = self.settings.conn_max.load() as isize;
        let (about, slack) = self.about_connections();
        about.wrapping_add(slack) < limit || self.has_exact_room(limit)
    }

    /// As [`Self::has_room`], where the limit is near: asks for the exact number.
    ///
    /// Between the answer and the insertion others may ask too, so that the limit may be exceeded
    /// by one less than first packets are handled at the same time: about one for each CPU.
    #[cold]
    #[inline(never)]
    fn has_exact_room(&self, limit: isize) -> bool {
        let (about, slack) = self.about_connections();
        about.wrapping_sub(slack) < limit && (self.connection_count() as isize) < limit
    }

    /// About how many connections there are, of both families, and by how many that may be wrong.
    #[inline(always)]
    fn about_connections(&self) -> (isize, isize) {
        let v4 = self.v4.connections.as_ref().map(|c| c.table.about());
        let v6 = self.v6.connections.as_ref().map(|c| c.table.about());
        let (v4, v6) = (v4.unwrap_or((0, 0)), v6.unwrap_or((0, 0)));
        (v4.0.wrapping_add(v6.0), v4.1.wrapping_add(v6.1))
    }

    /// Returns how many connections there are, of both families.
    pub(crate) fn connection_count(&self) -> usize {
        self.v4
            .connection_count()
            .saturating_add(self.v6.connection_count())
    }

    /// Ends everything, when no packet comes in any more.
    pub(crate) fn end_connections(&self) {
        self.v4.end();
        self.v6.end();
    }
}
