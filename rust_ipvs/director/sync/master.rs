// SPDX-License-Identifier: GPL-2.0

//! Master: sends connections to other directors (C: `ip_vs_sync_conn()`).

use super::{
    daemons::SyncQueues,
    host::SyncHost, //
};
use crate::{
    director::conn::{
        Connection,
        InetFamily, //
    },
    kapi::rcu::Rcu,
    logic::sync::Version, //
};

/// Returns whether a template controls a connection, or what controls it.
fn has_template<F: InetFamily>(rcu: Rcu<'_>, connection: &Connection<F>) -> bool {
    let mut next = connection.control(rcu);
    while let Some(control) = next {
        if control.is_template() {
            return true;
        }
        next = control.control(rcu);
    }
    false
}

/// Sends a connection that a packet of the client passed, and its template, if the rate limit
/// allows (B-5).
#[cold]
#[inline(never)]
pub(crate) fn sync_conn<H: SyncHost, F: InetFamily>(
    host: &H,
    rcu: Rcu<'_>,
    connection: &Connection<F>,
) {
    let Some(queues) = host.daemons().queues.get(rcu) else {
        return;
    };
    let sync = host.sync_settings();
    // B-6: of persistent services the templates may be all that is told.
    let only_templates = sync.persist_mode.load() != 0;
    let mut next = Some((connection, connection.count_for_master()));
    while let Some((connection, packets)) = next {
        let is_silent = only_templates && has_template(rcu, connection);
        let told = !is_silent && sync_one(host, queues, connection, packets);
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

/// Sends the template of a connection whose only packet passed (B-5).
#[cold]
#[inline(never)]
pub(crate) fn sync_template<H: SyncHost, F: InetFamily>(
    host: &H,
    rcu: Rcu<'_>,
    template: &Connection<F>,
) {
    if let (Some(queues), Version::V1) = (
        host.daemons().queues.get(rcu),
        host.sync_settings().version(),
    ) {
        let packets = template.count_for_master();
        sync_one(host, queues, template, packets);
    }
}

/// Sends a template that stays beyond its time, for its connections (C-16).
pub(crate) fn sync_kept<H: SyncHost, F: InetFamily>(
    host: &H,
    rcu: Rcu<'_>,
    template: &Connection<F>,
) {
    if let Some(queues) = host.daemons().queues.get(rcu) {
        sync_one(host, queues, template, host.sync_settings().first());
    }
}

/// Queues a connection or template if the rate limit allows; returns whether it did.
fn sync_one<H: SyncHost, F: InetFamily>(
    host: &H,
    queues: &SyncQueues,
    connection: &Connection<F>,
    packets: u32,
) -> bool {
    let sync = host.sync_settings();
    if !connection.should_sync(&sync.rules(), packets) {
        return false;
    }
    let format = queues.format(sync.version());
    let most = sync.qlen_max.load();
    queues
        .of(connection.links.outward_hash(host.outward_key()))
        .is_some_and(|queue| queue.add(&format, most, &connection.entry()))
}
