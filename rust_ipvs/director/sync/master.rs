// SPDX-License-Identifier: GPL-2.0

//! Master: queues connections for sending (C: `ip_vs_sync_conn()`).

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

/// Returns whether a connection has a template, directly or through its control connection.
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

/// Queues a connection after a packet of the client, and its controlling entries, if the rate limit
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
    // B-6: with `sync_persist_mode` only the templates of persistent services are sent.
    let only_templates = sync.persist_mode.load() != 0;
    let mut next = Some((connection, connection.count_for_master()));
    while let Some((connection, packets)) = next {
        let is_silent = only_templates && has_template(rcu, connection);
        let sent = !is_silent && sync_one(host, queues, connection, packets);
        // In the format of version 0, controlling entries are sent with their connection only.
        if !sent && sync.version() == Version::V0 {
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

/// Queues the template of an OPS connection (B-5).
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

/// Queues a template that was extended for its connections (C-16).
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
        .of(connection.wheel.outward_hash(host.outward_key()))
        .is_some_and(|queue| queue.add(&format, most, &connection.entry()))
}
