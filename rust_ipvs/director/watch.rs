// SPDX-License-Identifier: GPL-2.0

//! The defences against running out of memory (Y-2): who is dropped when, and when they act.
//!
//! Memory is judged once a second by a work of its own, which runs while a defence is set and there
//! is a service or a connection, and whenever a defence is set. Neither waits for anything else:
//! the modes have a mutex of their own, which is held for as long as a judgement takes.

use super::{
    connection::Connection,
    defence::Judging,
    namespace::NetnsIpvs,
    plane::AfState,
    settings::Settings,
    stack::InetFamily,
    tracking, //
};
use crate::{
    kapi::{
        memory,
        net::WeakNet,
        once::Word,
        random,
        rcu::Rcu,
        time::HZ,
        work::Process, //
    },
    logic::{
        config::service_flags,
        defence::{
            self,
            DropVerdict,
            Memory,
            Quotas, //
        },
    },
};
use kernel::prelude::*;

/// How often memory is judged, and connections are dropped, in jiffies.
const PERIOD: u32 = HZ;
/// The part of a table that is looked through at once (C-26).
const PART: usize = 32;

impl NetnsIpvs {
    /// Sets the mode of a defence, and has it act at once where it is to (Y-2).
    pub(crate) fn set_defence(&self, defence: fn(&Settings) -> &Word<i32>, mode: i32) {
        // Under the mutex, so that no mode of a judgement's overwrites this one.
        let mut judging = self.judging.lock();
        defence(&self.settings).store(mode);
        self.judge_memory(&mut judging);
        drop(judging);
        if let Some(queues) = self.queues.as_ref() {
            queues.defense.queue(PERIOD);
        }
    }

    /// Allows connections to the bypass destination, or forbids them (S-15).
    pub(crate) fn set_cache_bypass(&self, value: i32) -> Result {
        let _config = self.config.lock();
        if value != 0 {
            self.v4.open_bypass_dest(&self.counting)?;
            self.v6.open_bypass_dest(&self.counting)?;
        }
        self.settings.cache_bypass.store(value);
        Ok(())
    }

    /// Chooses what the defences do, by what memory there is.
    fn judge_memory(&self, _: &mut Judging) {
        let settings = &self.settings;
        let memory = Memory {
            available: memory::free_pages(),
            threshold: u64::try_from(settings.amemthresh.load()).unwrap_or(0),
        };
        let judge = |defence: &Word<i32>| {
            let mode = defence::mode(defence.load(), memory);
            defence.update(mode);
            mode
        };
        judge(&settings.drop_entry);
        let dropping = judge(&settings.drop_packet);
        let always = settings.am_droprate.load();
        let rate = defence::drop_rate(dropping, memory, always);
        self.defences.rate.update(rate);
        let secure = defence::acts(judge(&settings.secure_tcp));
        self.timeouts.secure.update(secure.into());
    }

    /// There is something to be defended: a service, or a backup. The work rests while there is
    /// nothing, so this is called when there is, and not before.
    pub(super) fn defend_later(&self) {
        if let (true, Some(queues)) = (self.is_defended(), self.queues.as_ref()) {
            queues.defense.queue(PERIOD);
        }
    }

    /// Whether any defence is set.
    fn is_defended(&self) -> bool {
        let settings = &self.settings;
        let modes = [
            &settings.drop_entry,
            &settings.drop_packet,
            &settings.secure_tcp,
        ];
        modes.iter().any(|mode| mode.load() != 0)
    }

    /// Whether there is nothing to be defended: whatever comes queues the work anew.
    fn is_idle(&self) -> bool {
        let services = self.v4.count().saturating_add(self.v6.count());
        services == 0 && self.connection_count() == 0 && !self.daemons.is_backup()
    }
}

/// The work that judges memory once a second, and drops connections if there is little.
pub(super) struct Defense {
    /// Which connections are dropped next.
    quotas: Quotas,
}

impl Defense {
    /// Nothing was judged yet.
    pub(super) fn new() -> Self {
        Self {
            quotas: Quotas::default(),
        }
    }

    /// Judges, and drops; returns when to do so again.
    pub(super) fn run(&mut self, ipvs: &NetnsIpvs, process: &Process) -> Option<u32> {
        if !ipvs.is_defended() || ipvs.is_idle() {
            return None;
        }
        ipvs.judge_memory(&mut ipvs.judging.lock());
        if defence::acts(ipvs.settings.drop_entry.load()) {
            let (quotas, weak_net) = (&mut self.quotas, ipvs.weak_net());
            ipvs.v4.drop_entries(quotas, weak_net);
            process.give_way();
            ipvs.v6.drop_entries(quotas, weak_net);
        }
        Some(PERIOD)
    }
}

impl<F: InetFamily> AfState<F> {
    /// Drops connections in a part of the table that is chosen at random (C-26).
    fn drop_entries(&self, quotas: &mut Quotas, weak_net: Option<&WeakNet>) {
        let Some(connections) = self.connections.as_ref() else {
            return;
        };
        let table = &connections.table;
        let [random] = random::words();
        let count = table.size() / PART;
        table.visit_some(random as u32, count, |rcu, connection| {
            if self.is_to_go(rcu, connection, quotas) {
                self.put_out(rcu, connection, weak_net);
            }
        });
    }

    /// Whether a connection is dropped (C-26, C-27).
    fn is_to_go(&self, rcu: Rcu<'_>, connection: &Connection<F>, quotas: &mut Quotas) -> bool {
        if connection.controls() {
            return false;
        }
        let verdict = if !connection.is_template() {
            defence::verdict(connection.protocol(), connection.state())
        } else if self.is_ops(rcu, connection) {
            DropVerdict::Test
        } else if connection.is_assured() {
            DropVerdict::Keep
        } else {
            DropVerdict::Drop
        };
        match verdict {
            DropVerdict::Keep => false,
            DropVerdict::Drop => true,
            DropVerdict::Test => quotas.takes(connection.idle_seconds(), connection.requests()),
        }
    }

    /// Returns whether the connections of a template are of one packet each (OPS).
    fn is_ops(&self, rcu: Rcu<'_>, template: &Connection<F>) -> bool {
        self.by_id(rcu, &template.destination.service)
            .is_some_and(|service| service.options().flags & service_flags::ONEPACKET != 0)
    }

    /// Ends a connection before its time, and what controls it with it where that has no other and is no template that
    /// real connections had (C-18, C-21).
    fn put_out(&self, rcu: Rcu<'_>, connection: &Connection<F>, weak_net: Option<&WeakNet>) {
        let Some(connections) = self.connections.as_ref() else {
            return;
        };
        let net = weak_net.and_then(|weak_net| weak_net.get(rcu));
        let mut next = Some(connection);
        // A data connection, its control connection, the template of that.
        while let Some(connection) = next {
            let control = connection.control(rcu);
            let gone = tracking::remove(net, connections, rcu, connection);
            next = control.filter(|c| gone && !c.controls() && !c.is_assured());
        }
    }
}
