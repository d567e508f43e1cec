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

/// Returns where in [`ConfigState::tracking`] a family's is, and what its packets are to the
/// network stack.
const fn place(family: AddressFamily) -> (usize, Protocol) {
    match family {
        AddressFamily::V4 => (0, Protocol::Ipv4),
        AddressFamily::V6 => (1, Protocol::Ipv6),
    }
}

impl NetnsIpvs {
    /// A destination of a service is to be reached by a method: has the namespace track connections
    /// where the helper then has some to look at. Without that, which the log says, the others pass
    /// all the same.
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

    /// Takes what has connections tracked for services that are gone; the caller drops it without
    /// the mutex.
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

    /// Returns the port that the FTP helper looks at, and how many connections are bound to it;
    /// `None` if there is no helper.
    pub(crate) fn ftp_helper(&self) -> Option<(u16, usize)> {
        Some((self.v4.helper_port?, self.counting.app_conns()))
    }
}
