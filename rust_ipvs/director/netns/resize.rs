// SPDX-License-Identifier: GPL-2.0

//! Resizing of the connection table, with the part of [`NetnsIpvs`] that asks for it (C-28, C-29,
//! C-31).
//!
//! It is queued by the connection that is one too many, by the expiry of connections if there are
//! few, and if the load factor was set.

use super::NetnsIpvs;
use crate::{
    director::{
        conn::{
            Connections,
            InetFamily, //
        },
        service::AfState, //
    },
    kapi::{
        table::MIN_BITS,
        time::HZ,
        work::Process, //
    },
    logic::sizing::{
        self,
        Patience, //
    },
};
use kernel::prelude::*;

/// The work that gives the table of a family the size that its connections ask for.
pub(crate) struct Resize<F: InetFamily> {
    af: fn(&NetnsIpvs) -> &AfState<F>,
    patience: Patience,
}

impl<F: InetFamily> Resize<F> {
    /// The work of the family whose state `af` returns.
    pub(crate) fn new(af: fn(&NetnsIpvs) -> &AfState<F>) -> Self {
        Self {
            af,
            patience: Patience::new(),
        }
    }

    /// Changes the size if that is wanted. Returns when to try again if there was no memory.
    pub(crate) fn run(&mut self, ipvs: &NetnsIpvs, _: &Process) -> Option<u32> {
        let connections = (self.af)(ipvs).connections.as_ref()?;
        let lfactor = sizing::of_connections(ipvs.settings.conn_lfactor.load());
        // Who finds too many connections while this goes on must not queue it: after a failure it
        // would run at once, which may take long each time if there is no memory.
        connections.grows.store(1);
        match connections.fit(lfactor) {
            Ok(()) => {
                self.patience = Patience::new();
                // If few have left each shard, new connections still took the table for too small,
                // and each would queue this work in vain.
                connections.table.tell();
                // From here on who comes queues this work again. Who came before is counted here.
                connections.grows.store(0);
                (connections.table.exact_len() > connections.upper.load()).then_some(0)
            }
            // `grows` stays set: nobody queues this work before its time.
            Err(_) => Some(self.patience.failed().saturating_mul(HZ)),
        }
    }
}

impl<F: InetFamily> Connections<F> {
    /// Gives the table the size that its connections ask for.
    fn fit(&self, lfactor: i32) -> Result {
        let len = self.table.exact_len();
        let bits = self.table.size().trailing_zeros();
        let changed = self.lfactor.load() != lfactor;
        if !changed && len <= self.upper.load() && len > self.lower.load() {
            return Ok(());
        }
        let most = self.most_bits;
        let wanted = sizing::wanted_bits(len, lfactor, bits, MIN_BITS, most, changed);
        if wanted != bits {
            self.table.resize(wanted)?;
        }
        let (lower, upper) = sizing::thresholds(wanted, lfactor, MIN_BITS, most);
        self.lower.store(lower);
        self.upper.store(upper);
        self.lfactor.store(lfactor);
        Ok(())
    }
}

impl NetnsIpvs {
    /// Sets how many buckets there are for each connection, from now on (C-31).
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
