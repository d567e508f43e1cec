// SPDX-License-Identifier: GPL-2.0

//! Connections to deleted destinations, with the part of [`NetnsIpvs`] that removes them (S-23).
//!
//! A deletion queues a walk over the connections, done by a work for each family (C:
//! `ip_vs_expire_nodest_conn_flush()`). A walk sees all deletions before its beginning. One more
//! walk follows if there were others meanwhile, however many. It leaves alone connections whose
//! service had the option switched off.

use super::NetnsIpvs;
use crate::{
    director::{
        conn::{
            conntrack,
            ConnTable,
            Connection,
            InetFamily, //
        },
        dest::Destination,
        service::AfState, //
    },
    kapi::{
        net::Net,
        rcu::Rcu,
        table::Cursor,
        work::Process, //
    },
};
use kernel::sync::atomic::Relaxed;

/// Connections and buckets per run: some hundred microseconds.
const AT_ONCE: u32 = 2048;
/// Delay by which several deletions share a walk, in jiffies.
const DELAY: u32 = 1;

/// Work that removes a family's connections to deleted destinations.
pub(crate) struct ExpireNodest<F: InetFamily> {
    af: fn(&NetnsIpvs) -> &AfState<F>,
    /// Position of the walk, if there is one.
    walk: Option<Cursor>,
    /// Number of deletions when the last walk began.
    seen: u32,
}

impl<F: InetFamily> ExpireNodest<F> {
    /// Creates the work for the family whose state `af` returns.
    pub(crate) fn new(af: fn(&NetnsIpvs) -> &AfState<F>) -> Self {
        Self {
            af,
            walk: None,
            seen: 0,
        }
    }

    /// Continues the walk, or begins one if there was a deletion. Returns the delay of the next
    /// run.
    pub(crate) fn run(&mut self, ipvs: &NetnsIpvs, process: &Process) -> Option<u32> {
        let connections = (self.af)(ipvs).connections.as_ref()?;
        let asked = ipvs.nodest.load(Relaxed);
        let mut cursor = match self.walk.take() {
            Some(cursor) => cursor,
            None if asked == self.seen => return None,
            None => {
                self.seen = asked;
                Cursor::START
            }
        };
        let weak_net = ipvs.weak_net();
        let mut budget = AT_ONCE;
        let finished = connections.scan(process, &mut cursor, &mut budget, |rcu, connection| {
            let net = weak_net.and_then(|weak_net| weak_net.get(rcu));
            let expires = ipvs.settings.expire_nodest_conn.load();
            if connection.destination.own.expire_nodest(expires) {
                expire(net, connections, rcu, connection);
            }
        });
        if !finished {
            self.walk = Some(cursor);
        }
        // The next run checks for another deletion.
        Some(0)
    }
}

/// Removes a connection to a deleted destination, and its controlling entry if that controls no
/// other.
fn expire<F: InetFamily>(
    net: Option<&Net>,
    connections: &ConnTable<F>,
    rcu: Rcu<'_>,
    connection: &Connection<F>,
) {
    if connection.destination.is_available() {
        return;
    }
    let mut next = Some(connection);
    while let Some(connection) = next {
        let control = connection.control(rcu);
        let gone = conntrack::remove(net, connections, rcu, connection);
        next = control.filter(|control| gone && !control.controls());
    }
}

impl NetnsIpvs {
    /// Queues a walk if `expire_nodest_conn`, or the service in its place, has it; called when a
    /// destination is deleted (S-23).
    pub(crate) fn expire_nodest(&self, deleted: &Destination) {
        let expires = self.settings.expire_nodest_conn.load();
        if !deleted.own.expire_nodest(expires) {
            return;
        }
        self.nodest.add(1, Relaxed);
        for queues in [&self.v4.queues, &self.v6.queues] {
            if let Some(queues) = queues.as_ref() {
                queues.expire_nodest.queue(DELAY);
            }
        }
    }
}
