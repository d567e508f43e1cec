// SPDX-License-Identifier: GPL-2.0

//! Counting: one per-CPU set at each destination, everything else by adding up when somebody reads.
//!
//! A service's counters are those of its destinations and what it *retired*: what destinations that
//! are gone counted while they were its own. The same holds of a namespace and its services. Nothing
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
use kernel::prelude::*;

/// What packets count (E-1), and the number of the next packet of each CPU, for those that need one.
pub(super) struct Counted(percpu::Counters<6>);

/// Where they come from.
pub(super) type Pool = percpu::Pool<6>;

/// Which of the counters is the number of the next packet.
const SERIAL: usize = 5;

impl Counted {
    /// Counters at zero.
    pub(super) fn new(pool: &Pool) -> Result<Self> {
        Ok(Self(pool.take()?))
    }

    /// A connection was scheduled.
    pub(super) fn connection(&self) {
        self.0.add::<0>(1);
    }

    /// A packet from a client, of so many bytes.
    #[inline(always)]
    pub(super) fn input(&self, bytes: u32) {
        self.0.add::<1>(1);
        self.0.add::<3>(bytes.into());
    }

    /// A packet to a client, of so many bytes.
    #[inline(always)]
    pub(super) fn output(&self, bytes: u32) {
        self.0.add::<2>(1);
        self.0.add::<4>(bytes.into());
    }

    /// The next number on this CPU: one more than the last one.
    #[inline(always)]
    pub(super) fn serial(&self) -> u64 {
        self.0.next::<SERIAL>()
    }

    /// Says which number this CPU used last.
    pub(super) fn set_serial(&self, used: u64) {
        self.0.set::<SERIAL>(used);
    }

    /// The sums over all CPUs.
    pub(super) fn sums(&self) -> Counters {
        of_words(self.0.sums())
    }

    /// What a CPU counted.
    pub(super) fn of_cpu(&self, cpu: u32) -> Counters {
        of_words(self.0.of_cpu(cpu))
    }

    /// Adds what those counted who are gone.
    pub(super) fn retire(&self, gone: &Self) {
        self.0.take_over(&gone.0, false);
    }

    /// Those who were gone are back with what they counted.
    pub(super) fn readmit(&self, back: &Self) {
        self.0.take_over(&back.0, true);
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
pub(super) fn plus(a: &Counters, b: &Counters) -> Counters {
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

/// What is remembered from one reading to the next.
pub(super) struct Books {
    /// What those that are gone counted.
    retired: Counters,
    estimate: Estimate,
    /// What is shown while estimation is stopped (E-8).
    frozen: Option<Statistics>,
}

impl Books {
    /// Of something that begins now.
    pub(super) fn new() -> Self {
        Self {
            retired: Counters::default(),
            estimate: Estimate::new(time::milliseconds()),
            frozen: None,
        }
    }

    /// Reads, given what is counted now by those that are there.
    pub(super) fn read(&mut self, present: Counters) -> Statistics {
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
    pub(super) fn zero(&mut self, present: Counters) {
        let sums = plus(&present, &self.retired);
        self.estimate.zero(time::milliseconds(), &sums);
        if self.frozen.is_some() {
            self.frozen = Some(Statistics::default());
        }
    }

    /// From now on shows what there is now, or goes on (E-8).
    pub(super) fn freeze(&mut self, frozen: bool, present: Counters) {
        match (frozen, self.frozen) {
            (true, None) => self.frozen = Some(self.read(present)),
            (false, Some(_)) => self.frozen = None,
            _ => {}
        }
    }

    /// Something with these counters went.
    pub(super) fn retire(&mut self, gone: &Counters) {
        self.retired = plus(&self.retired, gone);
    }

    /// Something came that had counted this much already.
    pub(super) fn readmit(&mut self, back: &Counters) {
        self.retired = minus(&self.retired, back);
    }

    /// What those that are gone counted.
    pub(super) fn retired(&self) -> Counters {
        self.retired
    }
}
