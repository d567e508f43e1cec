// SPDX-License-Identifier: GPL-2.0

//! Connections with an unknown client port (`IP_VS_CONN_F_NO_CPORT`; C-9, C-24).
//!
//! The port is 0 in the key of such a connection. C IPVS rehashes it when its first packet gives
//! the port. Here a new connection with the port is inserted and the old one is removed, so that
//! keys never change, and a concurrent look-up finds one of the two. The look-up for first packets
//! is in `datapath/no_cport.rs`.

use super::{
    family::InetFamily,
    ConnTuple,
    Connection, //
};
use crate::{
    kapi::{
        rcu::Rcu,
        table::ControlRef,
        time::{
            self,
            HZ, //
        },
    },
    logic::family::Endpoint, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Time in jiffies for which an entry may be found after its timeout: it is removed by a later run
/// of `Expiry`, and packets may still hold a reference.
const SLACK: u32 = 10 * HZ;

/// Time in jiffies by which all entries with an unknown client port of a namespace and family have
/// expired; 0 if there are none.
///
/// A packet without a connection looks for such an entry only if there may be one. C IPVS has a
/// count (`no_cport_conns`), which would have to include entries until no CPU can find them; a
/// time needs no such care.
pub(crate) struct NoCport(Atomic<u32>);

impl NoCport {
    /// Creates the value for no such entry.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Returns whether such an entry may exist.
    #[inline(always)]
    pub(crate) fn is_any(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    /// Records an entry with a timeout of `timeout` jiffies. Called before the entry is inserted
    /// and before the client learns of it.
    ///
    /// Of two concurrent calls the earlier time may remain. It is earlier by the time between the
    /// two loads of jiffies, which `SLACK` covers.
    pub(crate) fn record(&self, timeout: u32) {
        let until = time::jiffies32().wrapping_add(timeout).wrapping_add(SLACK);
        // 0 is the value for none.
        self.0.store(until | 1, Relaxed);
    }

    /// Resets the value if the recorded time has passed.
    pub(crate) fn forget(&self) {
        let until = self.0.load(Relaxed);
        if until != 0 && (until.wrapping_sub(time::jiffies32()) as i32) < 0 {
            // A failure means that another entry was recorded meanwhile.
            let _ = self.0.cmpxchg(until, 0, Relaxed);
        }
    }
}

impl<F: InetFamily> Connection<F> {
    /// Creates the connection that replaces this one, with the client's port (C:
    /// `ip_vs_conn_fill_cport()`). The destination's count passes on to it.
    pub(crate) fn fill_cport(&self, rcu: Rcu<'_>, client: Endpoint<F>) -> Self {
        // This connection is in the table, so its reference to `control` is still there.
        let control = self.control(rcu).and_then(ControlRef::on);
        let tuple = ConnTuple {
            client,
            vip: self.vip,
            dest: self.dest,
        };
        let mut filled = Self::expected(
            tuple,
            self.destination.clone(),
            control.unwrap_or(ControlRef::none()),
            self.timeout.load(Relaxed),
        );
        filled.status.inherit_count();
        filled
    }

    /// Returns whether the entry was created without the client's port.
    pub(crate) fn is_no_cport(&self) -> bool {
        self.status.load().is_no_cport()
    }

    /// Passes the destination's count on to the filled connection. Returns false if another caller
    /// has done so.
    pub(crate) fn release_count(&self) -> bool {
        let given = self.status.release_count();
        if let Some(account) = given {
            self.account(account);
        }
        given.is_some()
    }
}
