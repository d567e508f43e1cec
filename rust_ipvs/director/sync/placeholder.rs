// SPDX-License-Identifier: GPL-2.0

//! Placeholder destinations, for servers of received connections that are not configured here
//! (B-24).

use crate::{
    director::dest::{
        Counting,
        Destination, //
    },
    kapi::shared::RcuArc,
    logic::{
        config::{
            DestinationId,
            DestinationSpec,
            ForwardMethod,
            Ip,
            ServiceId,
            ServiceKey,
            TunnelSpec, //
        },
        own_options::OwnOptions,
    },
};
use kernel::prelude::*;

/// Maximum number of placeholders.
const MOST: usize = 1024;

/// Placeholder destinations, one for each address and forwarding method.
pub(crate) struct Placeholders(KVec<RcuArc<Destination>>);

impl Placeholders {
    /// Creates an empty list.
    pub(super) fn new() -> Self {
        Self(KVec::new())
    }

    /// Returns the placeholder for an address and a forwarding method; creates it if necessary.
    /// Process context.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if the maximum number is in use by connections; `ENOMEM`.
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
        let family = addr.family();
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
        let placeholder = Destination::new(
            counting,
            &service,
            Destination::NO_SERVICE,
            &spec,
            &OwnOptions::NONE,
        )?;
        self.0.push(placeholder.clone(), GFP_KERNEL)?;
        Ok(placeholder)
    }

    /// Drops the placeholders without connections. The others must stay in the list, so that their
    /// cached routes can be dropped with a device (L-8).
    pub(super) fn drop_unused(&mut self) {
        self.0.retain(|known| !known.is_unique());
    }

    /// Drops the cached routes of all placeholders.
    pub(super) fn forget_routes(&self) {
        for known in &self.0 {
            known.forget_route();
        }
    }
}
