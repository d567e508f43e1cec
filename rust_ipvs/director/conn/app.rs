// SPDX-License-Identifier: GPL-2.0

//! Connections of an application helper (C: `cp->app`): FTP's control connections, and the data
//! connections that they expect (F-1 to F-9).
//!
//! An expected data connection is inserted before its first packet, in LISTEN, and references its
//! control connection. If the client begins it, the client's port is unknown: see
//! [`no_cport`](super::no_cport). Its packets are handled like all others.

use super::{
    family::InetFamily,
    status::{
        NextState,
        Status, //
    },
    ConnTuple,
    Connection,
    PacketRole,
    Stamp, //
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
        ftp::Mode,
        packet::TCP,
        tcp, //
    },
};
use kernel::sync::atomic::Relaxed;

impl<F: InetFamily> Connection<F> {
    /// Creates an expected data connection by NAT, without packets, with a timeout of `timeout`
    /// jiffies. A client port of 0 is unknown.
    pub(crate) fn expected(
        tuple: ConnTuple<F>,
        destination: RcuArc<Destination>,
        control: ControlRef<Self>,
        timeout: u32,
    ) -> Self {
        let is_no_cport = tuple.client.port == 0;
        let mut connection = Self::new(TCP, tuple, destination, control);
        connection.method = ForwardMethod::MASQ;
        connection.status = Status::expected(is_no_cport);
        connection.timeout.store(timeout, Relaxed);
        connection.tracked(true)
    }

    /// Sets an expected connection back to LISTEN, with a timeout of `timeout` jiffies from now.
    pub(crate) fn listen(&self, timeout: u32) {
        // `Output`, so that no packet of the client is counted.
        self.advance(Direction::Output, |_, _| NextState {
            state: tcp::LISTEN,
            active: false,
            assures: false,
        });
        self.last_seen.store(time::jiffies32());
        self.timeout.store(timeout, Relaxed);
    }

    /// Binds the connection to the application helper (F-1). It counts in the helper's users (K-10)
    /// until it ends.
    pub(crate) fn set_app(&mut self) {
        self.status.set_app();
        self.destination.counted.count_app(true);
    }

    /// Returns whether the connection is bound to the application helper (C: `cp->app`).
    #[inline(always)]
    pub(crate) fn has_app(&self) -> bool {
        self.status.load().has_app()
    }

    /// Returns the stamp of requests or of replies for the fast path; `None` for a connection that
    /// is bound to the application helper.
    #[inline(always)]
    pub(crate) fn stamp(&self, role: PacketRole) -> Option<Stamp<'_>> {
        match (self.has_app(), role) {
            (true, _) => None,
            (false, PacketRole::Request) => Some(self.words.request()),
            (false, PacketRole::Reply) => Some(self.words.reply()),
        }
    }

    /// Records a data connection of this control connection: the client's port, or 0, and the
    /// VIP's. Returns the ports of the oldest recorded one if that has to be removed.
    pub(crate) fn expect(&self, client: u16, virt: u16) -> Option<(u16, u16)> {
        if !self.has_app() {
            return None;
        }
        let gone = self.words.add(u32::from(client) << 16 | u32::from(virt))?;
        Some(((gone >> 16) as u16, gone as u16))
    }

    /// Returns whether `control` is the controlling connection.
    pub(crate) fn is_of_control(&self, rcu: Rcu<'_>, control: &Self) -> bool {
        self.control(rcu)
            .is_some_and(|own| core::ptr::eq(own, control))
    }

    /// Returns whether an expected data connection can be removed: it is closed, or its control
    /// connection is closed.
    pub(crate) fn is_expected_no_more(&self, rcu: Rcu<'_>) -> bool {
        let is_closed = |state| matches!(state, tcp::TIME_WAIT | tcp::CLOSE);
        match (self.state(), self.control(rcu)) {
            (tcp::LISTEN, Some(control)) => is_closed(control.state()),
            (state, _) => is_closed(state),
        }
    }

    /// Returns the form of the server's reply with its address (PASV or EPSV).
    pub(crate) fn mode(&self) -> Option<Mode> {
        self.status.load().mode()
    }

    /// Sets the form of the server's reply with its address.
    pub(crate) fn set_mode(&self, mode: Option<Mode>) {
        self.status.set_mode(mode);
    }
}
