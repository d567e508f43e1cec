// SPDX-License-Identifier: GPL-2.0

//! Statistics: per-CPU counters for each destination, and for the namespace.
//!
//! A service's counters are the sum of its destinations' counters when they are read, plus the
//! *retired* ones: the counts of its deleted destinations. The namespace has counters of its own,
//! which each packet adds to: a read then takes the same time with any number of destinations, and
//! no lock that the configuration needs. There is no estimation timer; a rate is computed by the
//! next read from the last one.

use super::Overloads;
use crate::{
    kapi::{
        percpu,
        time, //
    },
    logic::{
        config::{
            Counters,
            Statistics, //
        },
        estimator::Estimate, //
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
};

/// Counters that packets add to (E-1), and the number of the next packet of each CPU, for outer
/// IPv4 headers.
pub(crate) struct Counted {
    own: percpu::PercpuCounters<6>,
    /// Counters of the namespace, which count the same packets.
    totals: Arc<Totals>,
}

/// Allocator of per-CPU counters.
pub(crate) type Pool = percpu::Pool<6>;

/// Statistics of a namespace.
#[pin_data]
pub(crate) struct Totals {
    sums: percpu::PercpuCounters<6>,
    /// Number of connections bound to the application helper (K-10).
    app_conns: Atomic<i64>,
    /// Base of the statistics. Locked by readers and by zeroing and freezing; no other lock is
    /// taken inside.
    #[pin]
    base: Mutex<StatsBase>,
}

impl Totals {
    fn new(pool: &Pool) -> Result<Arc<Self>> {
        let sums = pool.take()?;
        Arc::pin_init(
            pin_init!(Self {
                sums,
                app_conns: Atomic::new(0),
                base <- new_mutex!(StatsBase::new()),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns counters and rates. Reads the counters of each CPU. Process context.
    pub(crate) fn read(&self) -> Statistics {
        self.base.lock().read(of_words(self.sums.sums()))
    }

    /// Returns the counters of a CPU, including what was zeroed (K-8).
    pub(crate) fn of_cpu(&self, cpu: u32) -> Counters {
        of_words(self.sums.of_cpu(cpu))
    }

    /// Zeroes the statistics (E-10). Process context.
    pub(crate) fn zero(&self) {
        self.base.lock().zero(of_words(self.sums.sums()));
    }

    /// Stops or restarts the estimation (E-8). Process context.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.base.lock().freeze(frozen, of_words(self.sums.sums()));
    }
}

/// Parts that the destinations of a namespace share: the allocation of counters, and notes of
/// changed OVERLOAD flags.
pub(crate) struct Counting {
    pool: Arc<Pool>,
    /// Changes of OVERLOAD flags in the namespace.
    pub(crate) overloads: Arc<Overloads>,
    /// Statistics of the namespace.
    pub(crate) totals: Arc<Totals>,
    /// Counters for destinations without a service; not shown.
    unread: Arc<Totals>,
}

impl Counting {
    /// Creates counters of zero.
    pub(crate) fn new(pool: &Arc<Pool>) -> Result<Self> {
        Ok(Self {
            pool: pool.clone(),
            overloads: Arc::new(Overloads::new(), GFP_KERNEL)?,
            totals: Totals::new(pool)?,
            unread: Totals::new(pool)?,
        })
    }

    /// Returns new counters for a destination; `has_service` is false for placeholders and for the
    /// bypass destination.
    pub(crate) fn counted(&self, has_service: bool) -> Result<Counted> {
        let totals = if has_service {
            &self.totals
        } else {
            &self.unread
        };
        Ok(Counted {
            own: self.pool.take()?,
            totals: totals.clone(),
        })
    }

    /// Returns the number of connections bound to the application helper (K-10).
    pub(crate) fn app_conns(&self) -> usize {
        let count = |totals: &Totals| usize::try_from(totals.app_conns.load(Relaxed)).unwrap_or(0);
        count(&self.totals).saturating_add(count(&self.unread))
    }
}

/// Index of the counter that is the number of the next packet.
const SERIAL: usize = 5;

impl Counted {
    /// Counts a scheduled connection.
    pub(crate) fn connection(&self) {
        self.own.add::<0>(1);
        self.totals.sums.add::<0>(1);
    }

    /// Counts a packet of `bytes` from a client.
    #[inline(always)]
    pub(crate) fn input(&self, bytes: u32) {
        for counters in [&self.own, &self.totals.sums] {
            counters.add_two::<1, 3>(1, bytes.into());
        }
    }

    /// Counts a packet of `bytes` to a client.
    #[inline(always)]
    pub(crate) fn output(&self, bytes: u32) {
        for counters in [&self.own, &self.totals.sums] {
            counters.add_two::<2, 4>(1, bytes.into());
        }
    }

    /// Increments this CPU's packet number and returns it.
    #[inline(always)]
    pub(crate) fn serial(&self) -> u64 {
        self.own.next::<SERIAL>()
    }

    /// Sets this CPU's packet number.
    pub(super) fn set_serial(&self, used: u64) {
        self.own.set::<SERIAL>(used);
    }

    /// Returns the sums over all CPUs.
    pub(crate) fn sums(&self) -> Counters {
        of_words(self.own.sums())
    }

    /// Counts a connection that is bound to the application helper (`true`), or ends (`false`). Any
    /// context.
    pub(crate) fn count_app(&self, bound: bool) {
        self.totals
            .app_conns
            .add(if bound { 1 } else { -1 }, Relaxed);
    }
}

fn of_words([conns, in_packets, out_packets, in_bytes, out_bytes, _]: [u64; 6]) -> Counters {
    Counters {
        conns,
        in_packets,
        out_packets,
        in_bytes,
        out_bytes,
    }
}

/// Returns `a + b` for each counter, wrapping.
pub(crate) fn plus(a: &Counters, b: &Counters) -> Counters {
    Counters {
        conns: a.conns.wrapping_add(b.conns),
        in_packets: a.in_packets.wrapping_add(b.in_packets),
        out_packets: a.out_packets.wrapping_add(b.out_packets),
        in_bytes: a.in_bytes.wrapping_add(b.in_bytes),
        out_bytes: a.out_bytes.wrapping_add(b.out_bytes),
    }
}

/// Returns `a - b` for each counter, wrapping.
pub(super) fn minus(a: &Counters, b: &Counters) -> Counters {
    Counters {
        conns: a.conns.wrapping_sub(b.conns),
        in_packets: a.in_packets.wrapping_sub(b.in_packets),
        out_packets: a.out_packets.wrapping_sub(b.out_packets),
        in_bytes: a.in_bytes.wrapping_sub(b.in_bytes),
        out_bytes: a.out_bytes.wrapping_sub(b.out_bytes),
    }
}

/// Base of statistics: the counts of deleted destinations, and the rates of the last read.
pub(crate) struct StatsBase {
    /// Counts of deleted destinations.
    retired: Counters,
    estimate: Estimate,
    /// Statistics to show while the estimation is stopped (E-8).
    frozen: Option<Statistics>,
}

impl StatsBase {
    /// Creates the base for new counters.
    pub(crate) fn new() -> Self {
        Self {
            retired: Counters::default(),
            estimate: Estimate::new(time::milliseconds()),
            frozen: None,
        }
    }

    /// Returns the statistics, given the sum of the `present` destinations' counters.
    pub(crate) fn read(&mut self, present: Counters) -> Statistics {
        if let Some(statistics) = self.frozen {
            return statistics;
        }
        let sums = plus(&present, &self.retired);
        let rates = self.estimate.read(time::milliseconds(), &sums);
        Statistics {
            counters: self.estimate.since_zero(&sums),
            rates,
        }
    }

    /// Zeroes the statistics.
    pub(crate) fn zero(&mut self, present: Counters) {
        let sums = plus(&present, &self.retired);
        self.estimate.zero(time::milliseconds(), &sums);
        if self.frozen.is_some() {
            self.frozen = Some(Statistics::default());
        }
    }

    /// Stops the estimation, from now on showing the present statistics, or restarts it (E-8).
    pub(crate) fn freeze(&mut self, frozen: bool, present: Counters) {
        match (frozen, self.frozen) {
            (true, None) => self.frozen = Some(self.read(present)),
            (false, Some(_)) => self.frozen = None,
            _ => {}
        }
    }

    /// Adds the counts of a deleted destination.
    pub(crate) fn retire(&mut self, gone: &Counters) {
        self.retired = plus(&self.retired, gone);
    }

    /// Excludes the previous counts of an added destination.
    pub(crate) fn readmit(&mut self, back: &Counters) {
        self.retired = minus(&self.retired, back);
    }
}
