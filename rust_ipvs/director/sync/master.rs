// SPDX-License-Identifier: GPL-2.0

//! A master: which packets have their connections told of.

use super::daemons::Lanes;
use crate::{
    director::{
        connection::Connection,
        namespace::Director,
        settings::SyncSettings,
        stack::Stack, //
    },
    kapi::{
        rcu::Rcu,
        time::HZ, //
    },
    logic::sync::{
        due::Rules,
        Version, //
    },
};

impl SyncSettings {
    /// The version of messages to send.
    fn version(&self) -> Version {
        match self.version.load() {
            0 => Version::V0,
            _ => Version::V1,
        }
    }

    /// After how many packets a connection is told of.
    pub(super) fn first(&self) -> u32 {
        let [first, _] = &self.threshold;
        u32::try_from(first.load()).unwrap_or(0)
    }

    /// When connections are told of.
    fn rules(&self) -> Rules {
        let [first, period] = &self.threshold;
        Rules {
            threshold: first.load(),
            period: period.load(),
            refresh: (self.refresh_period.load() as u32).wrapping_mul(HZ),
            retries: u32::try_from(self.retries.load()).unwrap_or(0),
            hz: HZ,
        }
    }
}

/// Whether a template controls a connection, or what controls it.
fn has_template<F: Stack>(rcu: Rcu<'_>, connection: &Connection<F>) -> bool {
    let mut next = connection.control(rcu);
    while let Some(control) = next {
        if control.is_template() {
            return true;
        }
        next = control.control(rcu);
    }
    false
}

impl Director {
    /// A packet of the client passed a connection: others are told of it, and of its template, when it is time (B-5).
    #[cold]
    #[inline(never)]
    pub(in crate::director) fn tell<F: Stack>(&self, rcu: Rcu<'_>, connection: &Connection<F>) {
        let Some(lanes) = self.daemons.lanes.get(rcu) else {
            return;
        };
        let sync = &self.settings.sync;
        // B-6: of persistent services the templates may be all that is told.
        let only_templates = sync.persist_mode.load() != 0;
        let mut next = Some((connection, connection.count_for_master()));
        while let Some((connection, packets)) = next {
            let is_silent = only_templates && has_template(rcu, connection);
            let told = !is_silent && self.tell_one(lanes, connection, packets);
            // In the old format what controls a connection follows it.
            if !told && sync.version() == Version::V0 {
                return;
            }
            next = connection.control(rcu).map(|control| {
                let packets = match control.is_template() {
                    true => control.count_for_master(),
                    false => sync.first(),
                };
                (control, packets)
            });
        }
    }

    /// The only packet of a connection of a template passed (B-5).
    #[cold]
    #[inline(never)]
    pub(in crate::director) fn tell_template<F: Stack>(
        &self,
        rcu: Rcu<'_>,
        template: &Connection<F>,
    ) {
        if let (Some(lanes), Version::V1) =
            (self.daemons.lanes.get(rcu), self.settings.sync.version())
        {
            let packets = template.count_for_master();
            self.tell_one(lanes, template, packets);
        }
    }

    /// A template stays beyond its time, for its connections (C-16).
    pub(in crate::director) fn tell_stay<F: Stack>(&self, rcu: Rcu<'_>, template: &Connection<F>) {
        if let Some(lanes) = self.daemons.lanes.get(rcu) {
            self.tell_one(lanes, template, self.settings.sync.first());
        }
    }

    /// Tells others of a connection or template if it is time; returns whether it was.
    fn tell_one<F: Stack>(&self, lanes: &Lanes, connection: &Connection<F>, packets: u32) -> bool {
        let sync = &self.settings.sync;
        if !connection.is_due(&sync.rules(), packets) {
            return false;
        }
        let form = lanes.form(sync.version());
        let most = sync.qlen_max.load();
        lanes
            .of(connection.links.outward_hash(&self.outward))
            .is_some_and(|lane| lane.add(&form, most, &connection.entry()))
    }
}
