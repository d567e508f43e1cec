// SPDX-License-Identifier: GPL-2.0

//! Facts of a connection that filters ask for, and that are shown by the netlink family `RIPVS`.

use super::{
    family::InetFamily,
    timeouts,
    Connection, //
};
use crate::{
    kapi::time,
    logic::{
        config::{
            Ip,
            ServiceKey, //
        },
        engine::Engine,
        ripvs::{
            uapi::conn_flags,
            Facts,
            SelectedConnection, //
        },
    },
};

impl<F: InetFamily> Connection<F> {
    /// Returns whether no packet finds the connection any more, as it was unhashed or, a template,
    /// invalidated.
    pub(crate) fn is_unhashed(&self) -> bool {
        self.is_given_up() || self.status.load().is_invalid()
    }

    /// Makes the connection one that no packet finds, for one that cannot be removed as it controls
    /// others. Another may have the same key. It expires when it would have, or after those that it
    /// controls (C-16).
    pub(super) fn hide(&self) {
        match self.is_template() {
            true => self.invalidate(),
            false => self.unhash(),
        }
    }

    /// Returns the connection as the netlink family `RIPVS` shows it.
    pub(crate) fn selected(&self) -> SelectedConnection<'_> {
        let data = self.data.as_ref();
        SelectedConnection {
            protocol: self.protocol(),
            client: Facts::client(self),
            vip: Facts::vip(self),
            server: self.server(),
            mark: self.mark(),
            method: self.method,
            state: Facts::state(self),
            state_name: self.state_name(),
            expires: u32::try_from(self.left()).unwrap_or(0) / time::HZ,
            idle: self.idle_seconds(),
            flags: self.flags(),
            engine: data.map(|data| (Engine::Sip.name(), data.found())),
        }
    }
}

impl<F: InetFamily> Facts for Connection<F> {
    fn protocol(&self) -> u8 {
        Self::protocol(self)
    }

    fn client(&self) -> (Ip, u16) {
        (F::ip(self.client.addr), self.client.port)
    }

    fn vip(&self) -> Option<(Ip, u16)> {
        // Only the template of a service by mark has the protocol 0, and the mark in this place.
        let is_address = self.protocol() != 0;
        is_address.then(|| (F::ip(self.vip.addr), self.vip.port))
    }

    fn server(&self) -> (Ip, u16) {
        (self.destination.id.addr, self.dest.port)
    }

    fn mark(&self) -> Option<u32> {
        match self.destination.service.key {
            ServiceKey::Mark(mark) if mark != 0 => Some(mark),
            _ => None,
        }
    }

    fn state(&self) -> u8 {
        Self::state(self)
    }

    fn state_name(&self) -> &'static str {
        timeouts::state_name(self.protocol(), self.status.load())
    }

    fn flags(&self) -> u32 {
        let status = self.status.load();
        let mut flags = 0;
        for (flag, is_set) in [
            (conn_flags::TEMPLATE, status.is_template()),
            (conn_flags::SYNCED, status.is_synced()),
            (conn_flags::INACTIVE, status.is_inactive()),
            (conn_flags::NO_OUTPUT, status.is_silent()),
            (conn_flags::NO_CLIENT_PORT, status.is_no_cport()),
            (conn_flags::ONE_PACKET, status.is_ops()),
            (conn_flags::TRACKED, status.is_tracked()),
            (conn_flags::UNHASHED, self.is_unhashed()),
            (conn_flags::CONTROLLED, self.is_controlled()),
            (conn_flags::CONTROLS, self.controls()),
        ] {
            if is_set {
                flags |= flag;
            }
        }
        flags
    }

    fn idle(&self) -> u32 {
        self.idle_seconds()
    }
}
