// SPDX-License-Identifier: GPL-2.0

//! Connections to deleted destinations, with the part of [`NetnsIpvs`] that has them ended (S-23).
//!
//! A deletion only asks for a walk over the connections, which a work for each family does, as
//! `ip_vs_expire_nodest_conn_flush()` does. A walk sees all that was deleted before it began. If
//! more was deleted meanwhile, another one follows it: one for as many deletions as there were.

use super::NetnsIpvs;
use crate::{
    director::{
        conn::{
            conntrack,
            Connection,
            Connections,
            InetFamily, //
        },
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

/// Connections and buckets that one run looks at: some hundred microseconds.
const AT_ONCE: u32 = 2048;
/// Delay by which deletions are collected, in jiffies.
const DELAY: u32 = 1;

/// The work that ends connections of a family to destinations that are gone.
pub(crate) struct ExpireNodest<F: InetFamily> {
    af: fn(&NetnsIpvs) -> &AfState<F>,
    /// The walk under way.
    walk: Option<Cursor>,
    /// Number of deletions when the last walk began.
    seen: u32,
}

impl<F: InetFamily> ExpireNodest<F> {
    /// The work of the family whose state `af` returns.
    pub(crate) fn new(af: fn(&NetnsIpvs) -> &AfState<F>) -> Self {
        Self {
            af,
            walk: None,
            seen: 0,
        }
    }

    /// Goes on with the walk, or begins one if it was asked for; returns when to go on.
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
        let finished =
            connections
                .table
                .scan(process, &mut cursor, &mut budget, |rcu, connection| {
                    let net = weak_net.and_then(|weak_net| weak_net.get(rcu));
                    expire(net, connections, rcu, connection);
                });
        if !finished {
            self.walk = Some(cursor);
        }
        // The next run finds out if there was another deletion.
        Some(0)
    }
}

/// Ends a connection whose destination is gone, and what controls it if that has no other.
fn expire<F: InetFamily>(
    net: Option<&Net>,
    connections: &Connections<F>,
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
    /// A destination was deleted: has its connections ended soon if that is asked for (S-23).
    pub(crate) fn expire_nodest(&self) {
        if self.settings.expire_nodest_conn.load() == 0 {
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
