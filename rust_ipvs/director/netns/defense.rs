// SPDX-License-Identifier: GPL-2.0

//! Defenses against memory shortage (Y-2), with the part of [`NetnsIpvs`] that queues their work.
//!
//! A work updates the level once a second while a defense is set and there is a service or a
//! connection. Setting a defense also updates it. The modes have a mutex of their own, held during
//! an update, so neither waits for the configuration.

use super::{
    drop_rate::DefenseLock,
    sysctl::Settings,
    NetnsIpvs, //
};
use crate::{
    director::{
        conn::{
            conntrack,
            Connection,
            InetFamily, //
        },
        service::AfState, //
    },
    kapi::{
        memory,
        once::Word,
        random,
        rcu::Rcu,
        time::HZ,
        work::Process, //
    },
    logic::{
        config::service_flags,
        defense::{
            self,
            DropVerdict,
            FreePages,
            Quotas, //
        },
        reason::Reason,
    },
};
use kernel::prelude::*;

/// Period of updates, in jiffies.
const PERIOD: u32 = HZ;
/// Divisor of the table's size that gives the number of buckets per run (C-26).
const PART: usize = 32;

impl NetnsIpvs {
    /// Sets the mode of a defense, and updates the level at once (Y-2).
    pub(crate) fn set_defense(&self, defense: fn(&Settings) -> &Word<i32>, mode: i32) {
        // Under the mutex, so that a concurrent update of the level does not overwrite this mode.
        let mut defense_lock = self.defense_lock.lock();
        defense(&self.settings).store(mode);
        self.update_defense_level(&mut defense_lock);
        drop(defense_lock);
        if let Some(queues) = self.queues.as_ref() {
            queues.defense.queue(PERIOD);
        }
    }

    /// Sets `cache_bypass` (S-15); creates the bypass destination first.
    pub(crate) fn set_cache_bypass(&self, value: i32) -> Result {
        let _config = self.config.lock();
        if value != 0 {
            self.v4.open_bypass_dest(&self.counting)?;
            self.v6.open_bypass_dest(&self.counting)?;
        }
        self.settings.cache_bypass.store(value);
        Ok(())
    }

    /// Updates the level of the defenses by the number of free pages (C: `update_defense_level()`).
    fn update_defense_level(&self, _: &mut DefenseLock) {
        let settings = &self.settings;
        let memory = FreePages {
            available: memory::free_pages(),
            threshold: u64::try_from(settings.amemthresh.load()).unwrap_or(0),
        };
        let judge = |defense: &Word<i32>| {
            let mode = defense::mode(defense.load(), memory);
            defense.update(mode);
            mode
        };
        judge(&settings.drop_entry);
        let dropping = judge(&settings.drop_packet);
        let always = settings.am_droprate.load();
        let rate = defense::drop_rate(dropping, memory, always);
        self.defenses.rate.update(rate);
        let secure = defense::is_active(judge(&settings.secure_tcp));
        self.timeouts.secure.update(secure.into());
    }

    /// Queues the work, if a defense is set. Called when a service, a backup or a defense is added;
    /// the work stops itself when there is nothing to defend.
    pub(crate) fn queue_defense(&self) {
        if let (true, Some(queues)) = (self.is_defended(), self.queues.as_ref()) {
            queues.defense.queue(PERIOD);
        }
    }

    /// Returns whether a defense is set.
    fn is_defended(&self) -> bool {
        let settings = &self.settings;
        let modes = [
            &settings.drop_entry,
            &settings.drop_packet,
            &settings.secure_tcp,
        ];
        modes.iter().any(|mode| mode.load() != 0)
    }

    /// Returns whether there are neither services nor connections. A new one queues the
    /// work again.
    fn is_idle(&self) -> bool {
        let services = self.v4.count().saturating_add(self.v6.count());
        services == 0 && self.connection_count() == 0 && !self.daemons.is_backup()
    }
}

/// Work that updates the level once a second, and drops connections if memory is short.
pub(crate) struct UpdateDefense {
    /// Counters that select the connections to drop.
    quotas: Quotas,
}

impl UpdateDefense {
    /// Creates the work.
    pub(crate) fn new() -> Self {
        Self {
            quotas: Quotas::default(),
        }
    }

    /// Updates the level and drops connections. Returns the delay of the next run, in jiffies.
    pub(crate) fn run(&mut self, ipvs: &NetnsIpvs, process: &Process) -> Option<u32> {
        if !ipvs.is_defended() || ipvs.is_idle() {
            return None;
        }
        ipvs.update_defense_level(&mut ipvs.defense_lock.lock());
        if defense::is_active(ipvs.settings.drop_entry.load()) {
            ipvs.v4.drop_entries(&mut self.quotas, ipvs);
            process.give_way();
            ipvs.v6.drop_entries(&mut self.quotas, ipvs);
        }
        Some(PERIOD)
    }
}

impl<F: InetFamily> AfState<F> {
    /// Drops connections in a random part of the table (C-26; C: `ip_vs_random_dropentry()`).
    fn drop_entries(&self, quotas: &mut Quotas, ipvs: &NetnsIpvs) {
        let Some(connections) = self.connections.as_ref() else {
            return;
        };
        let [random] = random::words();
        let count = connections.size() / PART;
        connections.visit_some(random as u32, count, |rcu, connection| {
            if self.is_to_go(rcu, connection, quotas) {
                self.put_out(rcu, connection, ipvs);
            }
        });
    }

    /// Returns whether to drop a connection (C-26, C-27).
    fn is_to_go(&self, rcu: Rcu<'_>, connection: &Connection<F>, quotas: &mut Quotas) -> bool {
        if connection.controls() {
            return false;
        }
        let verdict = if !connection.is_template() {
            defense::verdict(connection.protocol(), connection.state())
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

    /// Returns whether the template's service uses one-packet scheduling (OPS).
    fn is_ops(&self, rcu: Rcu<'_>, template: &Connection<F>) -> bool {
        self.by_id(rcu, &template.destination.service)
            .is_some_and(|service| service.options().flags & service_flags::ONEPACKET != 0)
    }

    /// Removes a connection before its timeout. Also removes its controlling entry, if that
    /// controls no other and is not an assured template (C-18, C-21).
    fn put_out(&self, rcu: Rcu<'_>, connection: &Connection<F>, ipvs: &NetnsIpvs) {
        let Some(connections) = self.connections.as_ref() else {
            return;
        };
        let net = ipvs.weak_net().and_then(|weak_net| weak_net.get(rcu));
        let mut next = Some(connection);
        // At most three: a data connection, its control connection, the template of that.
        while let Some(connection) = next {
            let control = connection.control(rcu);
            let gone = conntrack::remove(net, connections, rcu, connection);
            if gone {
                ipvs.reasons.count(rcu, Reason::DropEntry);
                self.count_reason(rcu, &connection.destination.service, Reason::DropEntry);
            }
            next = control.filter(|c| gone && !c.controls() && !c.is_assured());
        }
    }
}
