// SPDX-License-Identifier: GPL-2.0

//! Statistics, the part of [`NetnsIpvs`] that reads, zeroes and stops them (E-6 to E-10).
//!
//! There are no estimation threads. Stopping the estimation freezes the shown values.

use crate::{
    director::{
        conn::InetFamily,
        dest::ConfigHeld,
        netns::NetnsIpvs,
        service::{
            for_af,
            AfState,
            Service, //
        },
    },
    kapi::cpus,
    logic::config::{
        ConfigError,
        Counters,
        ServiceId,
        Statistics, //
    },
};
use kernel::prelude::*;

impl NetnsIpvs {
    /// Sets `run_estimation` (E-8).
    pub(crate) fn set_run_estimation(&self, value: i32) -> Result {
        let mut config = self.config.lock();
        self.settings.run_estimation.store(value);
        self.follow_estimation(&mut config.held)
    }

    /// Follows a write to `est_cpulist` (E-9).
    pub(crate) fn est_cpulist_changed(&self) -> Result {
        self.follow_estimation(&mut self.config.lock().held)
    }

    /// Stops or restarts all statistics according to the settings.
    fn follow_estimation(&self, held: &mut ConfigHeld) -> Result {
        let frozen = self.settings.is_frozen();
        self.v4
            .each_service(held, |held, service| service.freeze(held, frozen))?;
        self.v6
            .each_service(held, |held, service| service.freeze(held, frozen))?;
        self.counting.totals.freeze(frozen);
        Ok(())
    }

    /// Zeroes the statistics of a service, or all (E-10).
    pub(crate) fn zero(&self, id: Option<&ServiceId>) -> Result<(), ConfigError> {
        let mut config = self.config.lock();
        match id {
            Some(id) => for_af!(self, id.family, af => af.get(id)?.zero()),
            None => self
                .zero_all(&mut config.held)
                .map_err(|_| ConfigError::NO_MEMORY)?,
        }
        Ok(())
    }

    fn zero_all(&self, held: &mut ConfigHeld) -> Result {
        self.v4.each_service(held, |_, service| service.zero())?;
        self.v6.each_service(held, |_, service| service.zero())?;
        self.counting.totals.zero();
        Ok(())
    }

    /// Returns the statistics of the namespace. Reads the counters of each CPU and nothing else, as
    /// any user may call it. Process context.
    pub(crate) fn totals(&self) -> Statistics {
        self.counting.totals.read()
    }

    /// Returns the number and the counters of each CPU, including what was zeroed (K-8).
    pub(crate) fn of_cpus(&self) -> impl Iterator<Item = (u32, Counters)> + '_ {
        cpus::possible().map(|cpu| (cpu, self.counting.totals.of_cpu(cpu)))
    }
}

impl<F: InetFamily> AfState<F> {
    /// Calls a function for each service, under the configuration mutex.
    fn each_service(
        &self,
        held: &mut ConfigHeld,
        mut work: impl FnMut(&mut ConfigHeld, &Service<F>),
    ) -> Result {
        self.each_paged((0, 0), |_, service| {
            work(held, service);
            true
        })?;
        Ok(())
    }
}
