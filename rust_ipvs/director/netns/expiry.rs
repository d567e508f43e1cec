// SPDX-License-Identifier: GPL-2.0

//! Expiry of connections (C-16), with the part of [`NetnsIpvs`] that counts and limits them (C-23).
//!
//! A family's connections are in the shards of their table, and each work has some of the shards,
//! so that several CPUs share the connections that expire at once. A work knows the tick up to
//! which it has processed the wheel slots of all its shards. A run stops after a number of
//! connections and queues the work again, so that other works and tasks get the CPU in between.
//!
//! Without connections the works are idle. The next connection queues them: each new connection
//! reads `expiry_idle` of [`ConnTable`] after its insertion. A work that goes idle first sets that
//! word, and then checks under the lock of each of its shards that there is no connection. A
//! connection that was inserted before the check is seen by it; one that is inserted later takes
//! the lock later, and sees the word set.

use super::NetnsIpvs;
use crate::{
    director::{
        conn::{
            clock,
            conntrack,
            ConnTable,
            Connection,
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

/// Maximum number of works that share a family's connections.
pub(super) const MOST_PARTS: usize = 4;
/// Connections per run: some hundred microseconds.
const AT_ONCE: u32 = 1024;

/// Work that removes the expired connections of some shards of a family.
pub(crate) struct Expiry<F: InetFamily> {
    af: fn(&NetnsIpvs) -> &AfState<F>,
    /// Number of its first shard; the others are each `parts`-th after it.
    part: usize,
    parts: usize,
    /// Tick up to which all of its shards have been processed.
    done: u32,
    round: Option<Round>,
}

/// Pass over the ticks up to the present one, which may take several runs.
struct Round {
    until: u32,
    shard: usize,
    /// Slots of that shard that are still to be processed.
    slots: Due,
}

impl<F: InetFamily> Expiry<F> {
    /// Creates the work for one of `parts` parts of the family whose state `af` returns.
    pub(crate) fn new(af: fn(&NetnsIpvs) -> &AfState<F>, part: usize, parts: usize) -> Self {
        Self {
            af,
            part,
            parts: parts.max(1),
            done: clock::now_tick(),
            round: None,
        }
    }

    /// Removes expired connections. Returns the delay of the next run, or `None` if there are no
    /// connections.
    pub(crate) fn run(&mut self, ipvs: &NetnsIpvs, process: &Process) -> Option<u32> {
        let connections = (self.af)(ipvs).connections.as_ref()?;
        let mut round = match self.round.take() {
            Some(round) => round,
            None => self.begin(),
        };
        let mut budget = AT_ONCE;
        while round.shard < connections.shards() {
            if !expire(ipvs, connections, process, &mut round, &mut budget) {
                self.round = Some(round);
                return Some(0);
            }
            round.shard = round.shard.saturating_add(self.parts);
            round.slots = Due::between(self.done, round.until);
        }
        self.done = round.until;
        connections.check_size();
        let own = (self.part..connections.shards()).step_by(self.parts);
        (!connections.may_rest(own)).then_some(clock::TICK_JIFFIES)
    }

    fn begin(&self) -> Round {
        let until = clock::now_tick();
        Round {
            until,
            shard: self.part,
            slots: Due::between(self.done, until),
        }
    }
}

/// Removes expired connections of a shard. Returns whether the shard is done in this pass.
fn expire<F: InetFamily>(
    ipvs: &NetnsIpvs,
    connections: &ConnTable<F>,
    process: &Process,
    round: &mut Round,
    budget: &mut u32,
) -> bool {
    let weak_net = ipvs.weak_net();
    connections.expire(
        process,
        (round.shard, &mut round.slots),
        budget,
        |connection| verdict(ipvs, connection),
        |rcu, connection| {
            conntrack::forget(weak_net.and_then(|weak_net| weak_net.get(rcu)), connection)
        },
    )
}

/// Returns the verdict on a connection in a due slot. One that controls others is extended (C-16).
fn verdict<F: InetFamily>(ipvs: &NetnsIpvs, connection: &Connection<F>) -> ExpireVerdict {
    if connection.left() <= 0 {
        if !connection.controls() {
            return ExpireVerdict::Remove;
        }
        connection.extend();
        if ipvs.timeouts.is_sync_active() {
            rcu::read(|rcu| sync::sync_kept(ipvs, rcu, connection));
        }
    }
    ExpireVerdict::Keep
}

impl<F: InetFamily> AfState<F> {
    /// Returns the number of connections.
    pub(crate) fn connection_count(&self) -> usize {
        self.connections.as_ref().map_or(0, |c| c.exact_len())
    }

    /// Removes all connections.
    fn end(&self) {
        if let Some(connections) = self.connections.as_ref() {
            connections.clear();
        }
    }
}

impl NetnsIpvs {
    /// Returns whether the namespace may have one more connection (C-23, S-13).
    #[inline(always)]
    pub(crate) fn has_room(&self) -> bool {
        let limit = self.settings.conn_max.load() as isize;
        let (about, slack) = self.about_connections();
        about.wrapping_add(slack) < limit || self.has_exact_room(limit)
    }

    /// [`Self::has_room`] near the limit: reads the exact number.
    ///
    /// Other CPUs may get the same answer before the insertion, so the limit may be exceeded by one
    /// less than the number of first packets handled concurrently: about one for each CPU.
    #[cold]
    #[inline(never)]
    fn has_exact_room(&self, limit: isize) -> bool {
        let (about, slack) = self.about_connections();
        about.wrapping_sub(slack) < limit && (self.connection_count() as isize) < limit
    }

    /// Returns the approximate number of connections of both families, and its maximum error.
    #[inline(always)]
    fn about_connections(&self) -> (isize, isize) {
        let v4 = self.v4.connections.as_ref().map(|c| c.about());
        let v6 = self.v6.connections.as_ref().map(|c| c.about());
        let (v4, v6) = (v4.unwrap_or((0, 0)), v6.unwrap_or((0, 0)));
        (v4.0.wrapping_add(v6.0), v4.1.wrapping_add(v6.1))
    }

    /// Returns the number of connections of both families.
    pub(crate) fn connection_count(&self) -> usize {
        self.v4
            .connection_count()
            .saturating_add(self.v6.connection_count())
    }

    /// Removes all connections. The hooks are unregistered, so no packet adds another.
    pub(crate) fn end_connections(&self) {
        self.v4.end();
        self.v6.end();
    }
}
