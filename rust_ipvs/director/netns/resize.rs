// SPDX-License-Identifier: GPL-2.0

//! Resizing of the connection table, with the part of [`NetnsIpvs`] that queues it (C-28, C-29,
//! C-31).
//!
//! A new connection queues it if there are too many for the table, the expiry of connections if
//! there are few, and a write to `conn_lfactor` always.

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

/// Work that resizes a family's connection table.
pub(crate) struct Resize<F: InetFamily> {
    af: fn(&NetnsIpvs) -> &AfState<F>,
    patience: Patience,
}

impl<F: InetFamily> Resize<F> {
    /// Creates the work for the family whose state `af` returns.
    pub(crate) fn new(af: fn(&NetnsIpvs) -> &AfState<F>) -> Self {
        Self {
            af,
            patience: Patience::new(),
        }
    }

    /// Resizes the table if necessary. Returns the delay of the next attempt if memory is
    /// exhausted.
    pub(crate) fn run(&mut self, ipvs: &NetnsIpvs, _: &Process) -> Option<u32> {
        let connections = (self.af)(ipvs).connections.as_ref()?;
        let lfactor = sizing::of_connections(ipvs.settings.conn_lfactor.load());
        // Keeps new connections from queueing this work meanwhile: after a failure it would run at
        // once, and each failing attempt may take long.
        connections.grows.store(1);
        match connections.fit(lfactor) {
            Ok(()) => {
                self.patience = Patience::new();
                // Updates the approximate number of connections: after small decreases in each
                // shard it might still be above `upper`, and each new connection would queue this
                // work needlessly.
                connections.table.tell();
                // From here on a new connection queues this work again. Earlier ones are in the
                // exact number.
                connections.grows.store(0);
                (connections.table.exact_len() > connections.upper.load()).then_some(0)
            }
            // `grows` stays set, so that new connections do not queue this work before the delay.
            Err(_) => Some(self.patience.failed().saturating_mul(HZ)),
        }
    }
}

impl<F: InetFamily> Connections<F> {
    /// Resizes the table to fit the number of connections.
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
