// SPDX-License-Identifier: GPL-2.0

//! Reasons for which packets were dropped, refused or left untouched, the part of [`NetnsIpvs`]
//! that reads and zeroes their counters.

use super::dump::Bookmark;
use crate::{
    director::{
        conn::InetFamily,
        dest::reasons::ReasonCounts,
        netns::NetnsIpvs,
        service::{
            for_af,
            AfState,
            ServicePos, //
        },
    },
    kapi::rcu,
    logic::{
        config::{
            ConfigError,
            ServiceId, //
        },
        reason::Reason, //
    },
};
use kernel::prelude::*;

impl<F: InetFamily> AfState<F> {
    /// Calls `visit` for each service that has counted reasons; returns the position of the one for
    /// which it returned `false`.
    fn reasons(
        &self,
        from: ServicePos,
        visit: &mut dyn FnMut(&ServiceId, &ReasonCounts) -> bool,
    ) -> Result<Option<ServicePos>> {
        self.each_paged(from, |_, service| {
            let counts = service.reason_counts();
            counts.is_none_or(|counts| visit(&service.id, &counts))
        })
    }

    /// Zeroes the reasons of all services.
    fn zero_reasons(&self) -> Result {
        self.each_paged((0, 0), |_, service| {
            service.reasons.zero();
            true
        })?;
        Ok(())
    }
}

impl NetnsIpvs {
    /// Returns the numbers of reasons in the namespace, those of deleted services included.
    pub(crate) fn reason_totals(&self) -> ReasonCounts {
        rcu::read(|rcu| self.reasons.sums(rcu)).unwrap_or([0; Reason::COUNT])
    }

    /// Returns the numbers of reasons of a service.
    ///
    /// # Errors
    ///
    /// `ESRCH` if there is no such service.
    pub(crate) fn reasons_of(&self, id: &ServiceId) -> Result<ReasonCounts, ConfigError> {
        let counts = for_af!(self, id.family, af => af.get(id)?.reason_counts());
        Ok(counts.unwrap_or([0; Reason::COUNT]))
    }

    /// Calls `visit` for each service from a position on that has counted reasons, until it returns
    /// `false`. Returns that position, or `None` at the end. Process context; calls
    /// `cond_resched()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn service_reasons(
        &self,
        from: Bookmark,
        visit: &mut dyn FnMut(&ServiceId, &ReasonCounts) -> bool,
    ) -> Result<Option<Bookmark>> {
        let mut from_v6 = from.place();
        if !from.is_v6() {
            if let Some(place) = self.v4.reasons(from.place(), visit)? {
                return Ok(Some(Bookmark::at(0, place)));
            }
            from_v6 = (0, 0);
        }
        let stopped = self.v6.reasons(from_v6, visit)?;
        Ok(stopped.map(|place| Bookmark::at(1, place)))
    }

    /// Zeroes the reasons of a service, or those of the namespace and of all services.
    ///
    /// # Errors
    ///
    /// `ESRCH` if there is no such service; `ENOMEM`, with some of them zeroed.
    pub(crate) fn zero_reasons(&self, id: Option<&ServiceId>) -> Result<(), ConfigError> {
        if let Some(id) = id {
            for_af!(self, id.family, af => af.get(id)?.reasons.zero());
            return Ok(());
        }
        let zeroed = self.v4.zero_reasons().and_then(|()| self.v6.zero_reasons());
        zeroed.map_err(|_| ConfigError::NO_MEMORY)?;
        self.reasons.zero();
        Ok(())
    }
}
