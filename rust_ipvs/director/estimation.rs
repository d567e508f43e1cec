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
    kapi::{
        shared::RcuArc,
        time, //
    },
    logic::config::{
        AddressFamily,
        Counters,
        Refusal,
        ServiceId,
        Statistics, //
    },
};
use kernel::prelude::*;

/// How many services are looked at before others get the CPU.
const PAGE: usize = 64;

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
        self.v4.each_paged(|service| service.freeze(frozen))?;
        self.v6.each_paged(|service| service.freeze(frozen))?;
        let present = self.present()?;
        books.totals.freeze(frozen, present);
        Ok(())
    }

    /// Starts the statistics of a service, or of everything, over (E-10).
    pub(crate) fn zero(&self, id: Option<&ServiceId>) -> Result<(), Refusal> {
        let mut books = self.books.lock();
        let result = match id {
            Some(id) => match id.family {
                AddressFamily::V4 => self.v4.get(id)?.zero(),
                AddressFamily::V6 => self.v6.get(id)?.zero(),
            },
            None => self.zero_all(&mut books),
        };
        result.map_err(|_| Refusal::NO_MEMORY)
    }

    fn zero_all(&self, books: &mut Books) -> Result {
        self.v4.each_paged(|service| service.zero())?;
        self.v6.each_paged(|service| service.zero())?;
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

    fn present(&self) -> Result<Counters> {
        Ok(plus(&self.v4.sums()?, &self.v6.sums()?))
    }
}

impl<F: Stack> Plane<F> {
    /// Does something to each service. The caller holds the director's mutex, so that none comes or goes.
    fn each_paged(&self, mut work: impl FnMut(&RcuArc<Service<F>>) -> Result) -> Result {
        let mut from = 0usize;
        loop {
            let page = self.page(from, PAGE)?;
            if page.is_empty() {
                return Ok(());
            }
            from = from.saturating_add(page.len());
            for service in page {
                work(&service)?;
            }
            time::give_way();
        }
    }

    fn sums(&self) -> Result<Counters> {
        let mut sums = Counters::default();
        self.each_paged(|service| {
            sums = plus(&sums, &service.sums());
            Ok(())
        })?;
        Ok(sums)
    }
}
