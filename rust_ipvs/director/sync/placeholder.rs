// SPDX-License-Identifier: GPL-2.0

//! Placeholder destinations: servers of received connections that no service here has (B-24).

use crate::{
    director::dest::{
        Counting,
        Destination, //
    },
    kapi::shared::RcuArc,
    logic::config::{
        AddressFamily,
        DestinationId,
        DestinationSpec,
        ForwardMethod,
        Ip,
        ServiceId,
        ServiceKey,
        TunnelSpec, //
    },
};
use kernel::prelude::*;

/// The most of them that are known at a time.
const MOST: usize = 1024;

/// Placeholder destinations: of no service, one for all connections to an address by a forwarding
/// method.
pub(crate) struct Placeholders(KVec<RcuArc<Destination>>);

impl Placeholders {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(KVec::new())
    }

    /// The destination of an address and a method. Process context.
    ///
    /// # Errors
    ///
    /// `ENOSPC` where connections are bound to as many others as there may be; `ENOMEM`.
    pub(super) fn get(
        &mut self,
        counting: &Counting,
        addr: Ip,
        method: ForwardMethod,
    ) -> Result<RcuArc<Destination>> {
        let is = |known: &&RcuArc<Destination>| known.id.addr == addr && known.method() == method;
        if let Some(known) = self.0.iter().find(is) {
            return Ok(known.clone());
        }
        if self.0.len() >= MOST {
            self.drop_unused();
            if self.0.len() >= MOST {
                return Err(ENOSPC);
            }
        }
        let family = match addr {
            Ip::V4(_) => AddressFamily::V4,
            Ip::V6(_) => AddressFamily::V6,
        };
        let service = ServiceId {
            family,
            key: ServiceKey::Mark(0),
        };
        let spec = DestinationSpec {
            id: DestinationId { addr, port: 0 },
            method,
            weight: 1,
            upper: 0,
            lower: 0,
            tunnel: TunnelSpec::default(),
        };
        let placeholder = Destination::new(counting, &service, Destination::NO_SERVICE, &spec)?;
        self.0.push(placeholder.clone(), GFP_KERNEL)?;
        Ok(placeholder)
    }

    /// Drops those that no connection is bound to. The others stay: the routes that they cache
    /// must be found when a device goes (L-8).
    pub(super) fn drop_unused(&mut self) {
        self.0.retain(|known| !known.is_unique());
    }

    /// Drops the cached routes of all of them.
    pub(super) fn forget_routes(&self) {
        for known in &self.0 {
            known.forget_route();
        }
    }
}
