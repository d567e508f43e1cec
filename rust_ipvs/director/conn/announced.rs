// SPDX-License-Identifier: GPL-2.0

//! Connections that a control connection expects (FTP), and `IP_VS_CONN_F_NO_CPORT` (F-4 to F-10,
//! C-24).
//!
//! A data connection is in the table before its first packet, in LISTEN, and holds the control
//! connection that announced it. Of one that the client is to begin, nobody knows the client's
//! port: it has port 0 in its place, and waits. The client's first packet makes a connection that
//! has the port and takes the place of the one that waits. So keys never change, and whoever reads
//! the table meanwhile finds the one or the other.

use super::{
    family::InetFamily,
    status::{
        NextState,
        Status, //
    },
    Connection, //
};
use crate::{
    director::dest::Destination,
    kapi::{
        rcu::Rcu,
        shared::RcuArc,
        table::ControlRef,
        time, //
    },
    logic::{
        config::ForwardMethod,
        direction::Direction,
        family::Endpoint,
        ftp::Mode,
        packet::TCP,
        tcp, //
    },
};
use kernel::sync::atomic::Relaxed;

impl<F: InetFamily> Connection<F> {
    /// Creates an expected data connection by NAT, which no packet has passed yet, for `timeout`
    /// jiffies. If the client's port is 0, it is not known yet.
    pub(crate) fn expected(
        ends: (Endpoint<F>, Endpoint<F>, Endpoint<F>),
        destination: RcuArc<Destination>,
        control: ControlRef<Self>,
        timeout: u32,
    ) -> Self {
        let (client, ..) = ends;
        let mut connection = Self::new(TCP, ends, destination, control);
        let is_no_cport = client.port == 0;
        connection.method = ForwardMethod::MASQ;
        connection.status = Status::expected(is_no_cport);
        connection.timeout.store(timeout, Relaxed);
        connection.tracked(true)
    }

    /// Creates the connection that takes the place of this one, with the client's port (C:
    /// `ip_vs_conn_fill_cport()`). The destination does not count it anew.
    pub(crate) fn fill_cport(&self, rcu: Rcu<'_>, client: Endpoint<F>) -> Self {
        // Held, as long as this connection is in the table.
        let control = self.control(rcu).and_then(ControlRef::on);
        let ends = (client, self.virt, self.real);
        let mut filled = Self::expected(
            ends,
            self.destination.clone(),
            control.unwrap_or(ControlRef::none()),
            self.timeout.load(Relaxed),
        );
        filled.status.inherit_count();
        filled
    }

    /// Returns whether the client's port was not known when it was created.
    pub(crate) fn is_no_cport(&self) -> bool {
        self.status.load().is_no_cport()
    }

    /// Passes its count at the destination on to the filled connection; returns whether it was this
    /// call that did.
    pub(crate) fn release_count(&self) -> bool {
        let given = self.status.release_count();
        if let Some(account) = given {
            self.account(account);
        }
        given.is_some()
    }

    /// It was announced again: it listens, for another `timeout` jiffies.
    pub(crate) fn listen(&self, timeout: u32) {
        // Of the server, so it does not count as a packet of the client.
        self.advance(Direction::Output, |_, _| NextState {
            state: tcp::LISTEN,
            active: false,
            assures: false,
        });
        self.last_seen.store(time::jiffies32());
        self.timeout.store(timeout, Relaxed);
    }

    /// Has the helper look at the packets of the connection (F-1). It counts as one (K-10) until it
    /// ends.
    pub(crate) fn set_app(&mut self) {
        self.status.set_app();
        self.destination.counted.count_app(true);
    }

    /// Returns whether the connection is bound to the application helper (C: `cp->app`).
    #[inline(always)]
    pub(crate) fn has_app(&self) -> bool {
        self.status.load().has_app()
    }

    /// Remembers the ports of a data connection that this control connection announces: its
    /// client's, or 0, and its VIP's. Returns those of an earlier one that is to go for that, if it
    /// still waits.
    pub(crate) fn expect(&self, client: u16, virt: u16) -> Option<(u16, u16)> {
        let gone = self
            .expected
            .add(u32::from(client) << 16 | u32::from(virt))?;
        Some(((gone >> 16) as u16, gone as u16))
    }

    /// Returns whether `control` has announced the connection.
    pub(crate) fn is_of_control(&self, rcu: Rcu<'_>, control: &Self) -> bool {
        self.control(rcu)
            .is_some_and(|own| core::ptr::eq(own, control))
    }

    /// Returns whether a data connection is of no use any more: it is closed, or waits for a
    /// session that is.
    pub(crate) fn is_expected_no_more(&self, rcu: Rcu<'_>) -> bool {
        let is_closed = |state| matches!(state, tcp::TIME_WAIT | tcp::CLOSE);
        match (self.state(), self.control(rcu)) {
            (tcp::LISTEN, Some(control)) => is_closed(control.state()),
            (state, _) => is_closed(state),
        }
    }

    /// Returns how the server is to say where it listens.
    pub(crate) fn mode(&self) -> Option<Mode> {
        self.status.load().mode()
    }

    /// Takes note of how the server is to say where it listens.
    pub(crate) fn set_mode(&self, mode: Option<Mode>) {
        self.status.set_mode(mode);
    }
}
