// SPDX-License-Identifier: GPL-2.0

//! Resizing and rekeying of the connection table, with the part of [`NetnsIpvs`] that queues it
//! (C-28, C-29, C-31).
//!
//! A new connection queues it if there are too many for the table or if its chain is longer than
//! chance explains, the expiry of connections if there are few, and a write to `conn_lfactor`
//! always.

use super::NetnsIpvs;
use crate::{
    director::{
        conn::{
            ConnTable,
            InetFamily, //
        },
        service::AfState, //
    },
    kapi::{
        time::{
            self,
            HZ, //
        },
        work::Process, //
    },
    logic::sizing::{
        self,
        Patience, //
    },
};
use kernel::prelude::*;

/// Time in jiffies for which a table requests no new key, after it got one or memory was exhausted.
///
/// Some chains are long with any key: the connections of one client from one port by many VIPs to
/// the same server have the same hash in their second direction.
const KEY_STAYS: u32 = 60 * HZ;

/// Work that resizes a family's connection table and gives it a new key.
pub(crate) struct Resize<F: InetFamily> {
    af: fn(&NetnsIpvs) -> &AfState<F>,
    patience: Patience,
    /// Time in jiffies from which the table may request a new key again; `None` if it may already.
    muted_until: Option<u32>,
}

impl<F: InetFamily> Resize<F> {
    /// Creates the work for the family whose state `af` returns.
    pub(crate) fn new(af: fn(&NetnsIpvs) -> &AfState<F>) -> Self {
        Self {
            af,
            patience: Patience::new(),
            muted_until: None,
        }
    }

    /// Gives the table a new key and resizes it, if necessary. Returns the delay in jiffies of the
    /// next run: if memory is exhausted, or if the table may request a new key then.
    pub(crate) fn run(&mut self, ipvs: &NetnsIpvs, _: &Process) -> Option<u32> {
        let connections = (self.af)(ipvs).connections.as_ref()?;
        let key = self.renew_key(connections);
        let size = self.fit(ipvs, connections);
        Iterator::chain(key.into_iter(), size).min()
    }

    /// Gives the table a new key if it requests one. Returns the number of jiffies until it may
    /// request another one, `None` if it may already.
    fn renew_key(&mut self, connections: &ConnTable<F>) -> Option<u32> {
        if connections.renew_key() {
            self.muted_until = Some(time::jiffies32().wrapping_add(KEY_STAYS));
        }
        let left = self.muted_until?.wrapping_sub(time::jiffies32());
        if (1..=KEY_STAYS).contains(&left) {
            return Some(left);
        }
        self.muted_until = None;
        connections.allow_key_requests();
        None
    }

    /// Resizes the table if necessary. Returns the delay in jiffies of the next attempt if memory
    /// is exhausted.
    fn fit(&mut self, ipvs: &NetnsIpvs, connections: &ConnTable<F>) -> Option<u32> {
        let lfactor = sizing::of_connections(ipvs.settings.conn_lfactor.load());
        match connections.fit(lfactor) {
            Ok(again) => {
                self.patience = Patience::new();
                again.then_some(0)
            }
            Err(_) => Some(self.patience.failed().saturating_mul(HZ)),
        }
    }
}

impl NetnsIpvs {
    /// Sets the load factor of the connection tables (C-31).
    pub(crate) fn set_conn_lfactor(&self, value: i32) -> Result {
        self.settings.conn_lfactor.store(value);
        for queues in [&self.v4.queues, &self.v6.queues] {
            if let Some(queues) = queues.as_ref() {
                queues.resize.queue_now();
            }
        }
        Ok(())
    }
}
