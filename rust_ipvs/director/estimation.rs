// SPDX-License-Identifier: GPL-2.0

//! Statistics of services and of the namespace: read, started over, stopped (E-6 to E-10).
//!
//! Nothing needs to run for statistics here. So stopping them means that what is shown stands still.

use super::{
    namespace::{
        Books,
        Director, //
    },
    plane::Plane,
    service::Service,
    stack::Stack,
    statistics::plus, //
};
use crate::{
    kapi::cpus,
    logic::config::{
        AddressFamily,
        Counters,
        Refusal,
        ServiceId,
        Statistics, //
    },
};
use kernel::prelude::*;

impl Director {
    /// Sets whether statistics are kept up to date (E-8).
    pub(crate) fn set_run_estimation(&self, value: i32) -> Result {
        let mut books = self.books.lock();
        self.settings.run_estimation.store(value);
        self.follow_estimation(&mut books)
    }

    /// The list of CPUs for estimation was written (E-9).
    pub(crate) fn est_cpulist_changed(&self) -> Result {
        self.follow_estimation(&mut self.books.lock())
    }

    /// Has all statistics stand still, or go on, as the settings say.
    fn follow_estimation(&self, books: &mut Books) -> Result {
        let frozen = self.settings.is_frozen();
        self.v4.each_service(|service| service.freeze(frozen))?;
        self.v6.each_service(|service| service.freeze(frozen))?;
        let present = self.present()?;
        books.totals.freeze(frozen, present);
        Ok(())
    }

    /// Starts the statistics of a service, or of everything, over (E-10).
    pub(crate) fn zero(&self, id: Option<&ServiceId>) -> Result<(), Refusal> {
        let mut books = self.books.lock();
        match id {
            Some(id) => match id.family {
                AddressFamily::V4 => self.v4.get(id)?.zero(),
                AddressFamily::V6 => self.v6.get(id)?.zero(),
            },
            None => self.zero_all(&mut books).map_err(|_| Refusal::NO_MEMORY)?,
        }
        Ok(())
    }

    fn zero_all(&self, books: &mut Books) -> Result {
        self.v4.each_service(|service| service.zero())?;
        self.v6.each_service(|service| service.zero())?;
        let present = self.present()?;
        books.totals.zero(present);
        Ok(())
    }

    /// The statistics of the namespace.
    pub(crate) fn totals(&self) -> Statistics {
        let mut books = self.books.lock();
        // Without memory the reading is of what has gone, and the next one whole again.
        let present = self.present().unwrap_or_default();
        books.totals.read(present)
    }

    /// What each CPU has counted, whatever was zeroed since: its number, and its counters (K-8).
    pub(crate) fn of_cpus(&self) -> Result<KVec<(u32, Counters)>> {
        let books = self.books.lock();
        let mut rows = KVec::new();
        for cpu in cpus::possible() {
            rows.push((cpu, books.gone.of_cpu(cpu)), GFP_KERNEL)?;
        }
        self.v4.add_of_cpus(&mut rows)?;
        self.v6.add_of_cpus(&mut rows)?;
        Ok(rows)
    }

    fn present(&self) -> Result<Counters> {
        Ok(plus(&self.v4.sums()?, &self.v6.sums()?))
    }
}

impl<F: Stack> Plane<F> {
    /// Does something to each service. The caller holds the director's mutex, so that none comes or goes.
    fn each_service(&self, mut work: impl FnMut(&Service<F>)) -> Result {
        self.each_paged((0, 0), |_, service| {
            work(service);
            true
        })?;
        Ok(())
    }

    fn add_of_cpus(&self, rows: &mut [(u32, Counters)]) -> Result {
        self.each_service(|service| {
            service.each_paged(u32::MAX, |destination| {
                for (cpu, counters) in rows.iter_mut() {
                    *counters = plus(counters, &destination.counted.of_cpu(*cpu));
                }
                true
            });
        })
    }

    fn sums(&self) -> Result<Counters> {
        let mut sums = Counters::default();
        self.each_service(|service| sums = plus(&sums, &service.sums()))?;
        Ok(sums)
    }
}
