// SPDX-License-Identifier: GPL-2.0

//! FTP's part of [`NetnsIpvs`]: connection tracking for services of the helper (F-1, F-3, K-10).

use crate::{
    director::{
        conn::InetFamily,
        netns::{
            ConfigState,
            NetnsIpvs, //
        },
        service::{
            for_af,
            AfState, //
        },
    },
    kapi::{
        conntrack::Tracking,
        inet::Protocol, //
    },
    logic::config::{
        AddressFamily,
        ForwardMethod,
        ServiceId,
        ServiceKey, //
    },
};
use kernel::prelude::*;

impl<F: InetFamily> AfState<F> {
    /// Returns whether a service has the helper's port.
    fn is_app_service(&self, id: &ServiceId) -> bool {
        match id.key {
            ServiceKey::Address { port, .. } => Some(port) == self.helper_port,
            ServiceKey::Mark(_) => false,
        }
    }
}

/// Returns a family's index in [`ConfigState::tracking`], and its netfilter number.
const fn place(family: AddressFamily) -> (usize, Protocol) {
    match family {
        AddressFamily::V4 => (0, Protocol::Ipv4),
        AddressFamily::V6 => (1, Protocol::Ipv6),
    }
}

impl NetnsIpvs {
    /// Enables conntrack if a service with the helper's port gets a destination by NAT. On failure
    /// logs a warning; passive FTP then does not work, and other connections do.
    pub(crate) fn track_for_helper(
        &self,
        config: &mut ConfigState,
        id: &ServiceId,
        method: ForwardMethod,
    ) {
        let (at, protocol) = place(id.family);
        let is_app_service = for_af!(self, id.family, af => af.is_app_service(id));
        if !is_app_service || method != ForwardMethod::MASQ {
            return;
        }
        if let Some(tracking @ None) = config.tracking.get_mut(at) {
            match self
                .lease()
                .and_then(|lease| Tracking::begin(lease, protocol))
            {
                Ok(begun) => *tracking = Some(begun),
                Err(_) => {
                    pr_warn!("IPVS: connections cannot be tracked: passive FTP by NAT will fail\n")
                }
            }
        }
    }

    /// Takes the conntrack reference of a family without services of the helper. The caller drops
    /// it without the mutex.
    pub(crate) fn unneeded_tracking(
        &self,
        config: &mut ConfigState,
        family: AddressFamily,
    ) -> Option<Tracking> {
        let tracking = config.tracking.get_mut(place(family).0)?;
        if tracking.is_none() || for_af!(self, family, af => af.has_app_service()) {
            return None;
        }
        tracking.take()
    }

    /// Returns the FTP helper's port and the number of connections bound to it; `None` if there is
    /// no helper.
    pub(crate) fn ftp_helper(&self) -> Option<(u16, usize)> {
        Some((self.v4.helper_port?, self.counting.app_conns()))
    }
}
