// SPDX-License-Identifier: GPL-2.0

//! Drains of destinations, with the part of [`NetnsIpvs`] that ends them.
//!
//! [`ConfigState`] has a list of the destinations that are drained and not done. A work goes over
//! it four times a second, some destinations at a time, and takes each to its next phase; see
//! [`DrainPhase`]. With an empty list the work is not queued.
//!
//! # Concurrency
//!
//! All phases are set under the configuration mutex. So a drain is done, called off or begun anew
//! in an order that listeners are told in, and a deletion of the destination ends it before the
//! trash has it.
//!
//! Packets read the phase without a lock. After a pass that has closed a destination to templates,
//! or found a deadline, the work waits for a grace period: packets that have seen the phase before
//! have counted and inserted their connections then. So the next pass, which reads the counts, and
//! the walk over the connections miss none.
//!
//! A drain that is called off during the walk is not ended any further; a connection that the work
//! looks at in that moment may still end.

use super::{
    ConfigState,
    NetnsIpvs, //
};
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
        rcu::{
            self,
            Rcu, //
        },
        shared::RcuArc,
        table::Cursor,
        time::HZ,
        work::Process, //
    },
    logic::{
        drain::DrainPhase,
        ripvs::ConfigEvent, //
    },
};
use kernel::prelude::*;

/// Period of the work, in jiffies.
const PERIOD: u32 = HZ / 4;
/// Destinations that are looked at under one hold of the configuration mutex.
const AT_ONCE: usize = 64;
/// Connections and buckets per run: some hundred microseconds.
const BUDGET: u32 = 2048;
/// Maximum number of walks over the connections. Data connections of FTP may begin behind the
/// position of the first one, by control connections that it has not reached.
const WALKS: u32 = 3;

/// Walk over the connections of both families.
struct Walk {
    is_v6: bool,
    cursor: Cursor,
    number: u32,
    /// True if this walk has ended a connection.
    has_ended: bool,
}

impl Walk {
    fn new(number: u32) -> Self {
        Self {
            is_v6: false,
            cursor: Cursor::START,
            number,
            has_ended: false,
        }
    }
}

/// Work that takes drains to their ends.
#[derive(Default)]
pub(super) struct DrainWork {
    /// Position in the list.
    at: usize,
    /// True if this pass has closed a destination or found a deadline.
    has_news: bool,
    /// True if a deadline was found, so that a walk is to follow.
    has_deadline: bool,
    /// True if the walk is over, so that this pass finishes what it has ended.
    is_walked: bool,
    walk: Option<Walk>,
}

impl DrainWork {
    /// Does a part of a pass or of a walk. Returns the delay of the next run, in jiffies.
    pub(super) fn run(&mut self, ipvs: &NetnsIpvs, process: &Process) -> Option<u32> {
        if let Some(walk) = self.walk.take() {
            self.walk = Self::walk_on(walk, ipvs, process);
            self.is_walked = self.walk.is_none();
            return Some(0);
        }
        if !self.pass(ipvs) {
            return Some(0);
        }
        let pass = core::mem::take(self);
        if pass.has_news {
            rcu::synchronize_expedited();
        }
        if pass.has_deadline {
            self.walk = Some(Walk::new(1));
            return Some(0);
        }
        let is_idle = ipvs.config.lock().drains.is_empty();
        (!is_idle).then_some(PERIOD)
    }

    /// Looks at some destinations. Returns `true` at the end of the list.
    fn pass(&mut self, ipvs: &NetnsIpvs) -> bool {
        let config = &mut *ipvs.config.lock();
        for _ in 0..AT_ONCE {
            let Some(destination) = config.drains.get(self.at) else {
                return true;
            };
            let destination = destination.clone();
            if self.advance(ipvs, config, &destination) {
                self.at = self.at.saturating_add(1);
            } else {
                destination.set_drain_listed(&mut config.held, false);
                unlist(&mut config.drains, self.at);
            }
        }
        false
    }

    /// Takes a drain to its next phase. Returns `false` if it is over.
    fn advance(
        &mut self,
        ipvs: &NetnsIpvs,
        config: &mut ConfigState,
        destination: &Destination,
    ) -> bool {
        let now = destination.drain_word().phase();
        let next = match now {
            DrainPhase::Ending if self.is_walked => DrainPhase::DoneByDeadline,
            _ => destination.next_drain_phase(),
        };
        self.has_deadline |= next == DrainPhase::Ending;
        if next != now {
            self.has_news |= next.is_busy();
            destination.set_drain_phase(&mut config.held, next);
            if !next.is_busy() {
                let outline = destination.outline();
                ipvs.announce(config, ConfigEvent::Drained(&destination.service, &outline));
            }
        }
        next.is_busy()
    }

    /// Ends some connections. Returns `None` at the end of the last walk.
    fn walk_on(mut walk: Walk, ipvs: &NetnsIpvs, process: &Process) -> Option<Walk> {
        let is_over = match walk.is_v6 {
            false => end_some(&mut walk, ipvs, &ipvs.v4, process),
            true => end_some(&mut walk, ipvs, &ipvs.v6, process),
        };
        match (is_over, walk.is_v6) {
            (false, _) => Some(walk),
            (true, false) => Some(Walk {
                is_v6: true,
                cursor: Cursor::START,
                ..walk
            }),
            (true, true) if walk.has_ended && walk.number < WALKS => {
                Some(Walk::new(walk.number.saturating_add(1)))
            }
            (true, true) => None,
        }
    }
}

/// Removes an element of the list, which another takes the place of.
fn unlist(drains: &mut KVVec<RcuArc<Destination>>, at: usize) {
    let last = drains.pop();
    if let (Some(place), Some(last)) = (drains.get_mut(at), last) {
        *place = last;
    }
}

/// Ends connections of a family. Returns `true` at the end of the table.
fn end_some<F: InetFamily>(
    walk: &mut Walk,
    ipvs: &NetnsIpvs,
    af: &AfState<F>,
    process: &Process,
) -> bool {
    let Some(connections) = af.connections.as_ref() else {
        return true;
    };
    let Walk {
        cursor, has_ended, ..
    } = walk;
    let mut budget = BUDGET;
    connections.scan(process, cursor, &mut budget, |rcu, connection| {
        let net = ipvs.weak_net().and_then(|weak_net| weak_net.get(rcu));
        if let Some(net) = net.filter(|_| connection.destination.drain_word().is_ending()) {
            *has_ended |= end(ipvs, net, connections, rcu, connection);
        }
    })
}

/// Ends a connection or template of a destination whose deadline has passed. Returns whether
/// something was done.
///
/// A template goes with its last connection. If that was reset, it is there for some seconds, but
/// no packet finds it, as the destination keeps none.
fn end<F: InetFamily>(
    ipvs: &NetnsIpvs,
    net: &Net,
    connections: &ConnTable<F>,
    rcu: Rcu<'_>,
    connection: &Connection<F>,
) -> bool {
    let destination = &connection.destination;
    if connection.is_reset() {
        return false;
    }
    if destination.drain_word().resets() && connection.has_ends_to_tell() {
        let is_reset = connection.reset(net, connections, &ipvs.timeouts);
        if is_reset {
            destination.count_drained(true);
        }
        return is_reset;
    }
    let mut has_ended = false;
    let mut next = Some(connection);
    while let Some(connection) = next {
        // Before the removal, which ends the reference.
        let control = connection.control(rcu);
        let is_gone = conntrack::remove(Some(net), connections, rcu, connection);
        if is_gone && !connection.is_template() {
            destination.count_drained(false);
        }
        has_ended |= is_gone;
        next = control.filter(|control| {
            is_gone && !control.controls() && control.destination.same(destination)
        });
    }
    has_ended
}

impl NetnsIpvs {
    /// Adds a destination whose drain has begun to the list, for which there is room, and queues
    /// the work.
    pub(crate) fn watch_drain(&self, config: &mut ConfigState, destination: &RcuArc<Destination>) {
        if destination.set_drain_listed(&mut config.held, true) {
            let pushed = config.drains.push_within_capacity(destination.clone());
            // Without room, which the caller has reserved, the drain would never be done.
            if pushed.is_err() {
                destination.set_drain_listed(&mut config.held, false);
            }
        }
        if let Some(queues) = self.queues.as_ref() {
            queues.drain.queue(0);
        }
    }
}
