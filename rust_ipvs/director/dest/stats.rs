// SPDX-License-Identifier: GPL-2.0

//! Counting: one per-CPU set at each destination, and one for the namespace.
//!
//! A service's counters are those of its destinations, added up when somebody reads, and those it
//! *retired*: the counters of deleted destinations while they were its own. The namespace has a set
//! of its own, which each packet adds to as well: anybody may read it, so a read must cost the same
//! however many destinations there are, and must take no lock that the configuration needs. Nothing
//! runs while nobody reads; a rate is worked out, from the last reading, when the next one comes.

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

/// The counters that packets add to (E-1), and the number of the next packet of each CPU, for those
/// that need one.
pub(crate) struct Counted {
    own: percpu::Counters<6>,
    /// Counts the same packets.
    totals: Arc<Totals>,
}

/// The allocator of per-CPU counters.
pub(crate) type Pool = percpu::Pool<6>;

/// The statistics of a namespace.
#[pin_data]
pub(crate) struct Totals {
    sums: percpu::Counters<6>,
    /// Connections bound to the application helper (K-10).
    app_conns: Atomic<i64>,
    /// Taken by readers of the totals, and by whoever zeroes or freezes them; the innermost lock.
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

    /// Reads counters and rates. Costs a look at each CPU. Process context.
    pub(crate) fn read(&self) -> Statistics {
        self.base.lock().read(of_words(self.sums.sums()))
    }

    /// Returns the counters of a CPU, whatever was zeroed since (K-8).
    pub(crate) fn of_cpu(&self, cpu: u32) -> Counters {
        of_words(self.sums.of_cpu(cpu))
    }

    /// Starts the statistics over (E-10). Process context.
    pub(crate) fn zero(&self) {
        self.base.lock().zero(of_words(self.sums.sums()));
    }

    /// Stops or restarts the statistics (E-8). Process context.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.base.lock().freeze(frozen, of_words(self.sums.sums()));
    }
}

/// The sources of counters of a namespace.
pub(crate) struct Counting {
    pool: Arc<Pool>,
    /// The statistics of the namespace.
    pub(crate) totals: Arc<Totals>,
    /// Totals for destinations that no service has: nobody reads their counters.
    unread: Arc<Totals>,
}

impl Counting {
    /// Counters at zero.
    pub(crate) fn new(pool: &Arc<Pool>) -> Result<Self> {
        Ok(Self {
            pool: pool.clone(),
            totals: Totals::new(pool)?,
            unread: Totals::new(pool)?,
        })
    }

    /// Returns new counters of a destination that a service has, or of one that none has.
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

    /// Returns how many connections are bound to the application helper (K-10).
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

    /// Counts a packet from a client, of so many bytes.
    #[inline(always)]
    pub(crate) fn input(&self, bytes: u32) {
        for counters in [&self.own, &self.totals.sums] {
            counters.add_two::<1, 3>(1, bytes.into());
        }
    }

    /// Counts a packet to a client, of so many bytes.
    #[inline(always)]
    pub(crate) fn output(&self, bytes: u32) {
        for counters in [&self.own, &self.totals.sums] {
            counters.add_two::<2, 4>(1, bytes.into());
        }
    }

    /// The next number on this CPU: one more than the last one.
    #[inline(always)]
    pub(crate) fn serial(&self) -> u64 {
        self.own.next::<SERIAL>()
    }

    /// Says which number this CPU used last.
    pub(super) fn set_serial(&self, used: u64) {
        self.own.set::<SERIAL>(used);
    }

    /// The sums over all CPUs.
    pub(crate) fn sums(&self) -> Counters {
        of_words(self.own.sums())
    }

    /// Counts a connection that is bound to the application helper, or one that ends; any context.
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

/// `a + b`, each counter for itself; they wrap.
pub(crate) fn plus(a: &Counters, b: &Counters) -> Counters {
    Counters {
        conns: a.conns.wrapping_add(b.conns),
        in_packets: a.in_packets.wrapping_add(b.in_packets),
        out_packets: a.out_packets.wrapping_add(b.out_packets),
        in_bytes: a.in_bytes.wrapping_add(b.in_bytes),
        out_bytes: a.out_bytes.wrapping_add(b.out_bytes),
    }
}

/// `a - b`, each counter for itself; they wrap.
pub(super) fn minus(a: &Counters, b: &Counters) -> Counters {
    Counters {
        conns: a.conns.wrapping_sub(b.conns),
        in_packets: a.in_packets.wrapping_sub(b.in_packets),
        out_packets: a.out_packets.wrapping_sub(b.out_packets),
        in_bytes: a.in_bytes.wrapping_sub(b.in_bytes),
        out_bytes: a.out_bytes.wrapping_sub(b.out_bytes),
    }
}

/// Base of statistics: what deleted destinations counted, and the rates of the last reading.
pub(crate) struct StatsBase {
    /// Counters of destinations that are gone.
    retired: Counters,
    estimate: Estimate,
    /// Statistics that are shown while estimation is stopped (E-8).
    frozen: Option<Statistics>,
}

impl StatsBase {
    /// Of something that begins now.
    pub(crate) fn new() -> Self {
        Self {
            retired: Counters::default(),
            estimate: Estimate::new(time::milliseconds()),
            frozen: None,
        }
    }

    /// Reads, given what is counted now by those that are there.
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

    /// Starts over.
    pub(crate) fn zero(&mut self, present: Counters) {
        let sums = plus(&present, &self.retired);
        self.estimate.zero(time::milliseconds(), &sums);
        if self.frozen.is_some() {
            self.frozen = Some(Statistics::default());
        }
    }

    /// From now on shows what there is now, or goes on (E-8).
    pub(crate) fn freeze(&mut self, frozen: bool, present: Counters) {
        match (frozen, self.frozen) {
            (true, None) => self.frozen = Some(self.read(present)),
            (false, Some(_)) => self.frozen = None,
            _ => {}
        }
    }

    /// Something with these counters went.
    pub(crate) fn retire(&mut self, gone: &Counters) {
        self.retired = plus(&self.retired, gone);
    }

    /// Something came that had counted this much already.
    pub(crate) fn readmit(&mut self, back: &Counters) {
        self.retired = minus(&self.retired, back);
    }
}
