// SPDX-License-Identifier: GPL-2.0

//! Rates per second, worked out when somebody asks (E-7).
//!
//! The reference visits every object every 2 seconds and moves an average a quarter of the way towards
//! what it counted. Here nothing runs in the background: a read catches up with the periods that went by
//! since the last one, as if what was counted in them had come evenly. Read every 2 seconds it gives the
//! reference's numbers; read rarely it gives the same average of a steady rate.

use super::config::{
    Counters,
    Rates, //
};

/// Length of a period in milliseconds.
const PERIOD_MS: u64 = 2000;

/// Periods after which an average is where it goes: each takes away a quarter of what is missing, and
/// (3/4)^160 of 2^64 is less than one.
const SETTLED: u64 = 160;

/// An average, in fixed point: 2^10 for one per second of connections and packets, 2^5 for bytes.
type Average = i64;

/// How a counter's average is kept.
#[derive(Clone, Copy)]
struct Scale {
    /// What one count in a period is, as a power of two.
    count: u32,
    /// What one per second is, as a power of two.
    unit: u32,
}

/// Connections and packets.
const COUNTS: Scale = Scale { count: 9, unit: 10 };
/// Bytes.
const BYTES: Scale = Scale { count: 4, unit: 5 };

impl Scale {
    /// An average after `periods` periods with `count` in each.
    fn advance(self, average: Average, count: u64, periods: u64) -> Average {
        let limit = Average::MAX as u64 >> self.count;
        let rate = (count.min(limit) << self.count) as Average;
        let mut average = average;
        for _ in 0..periods.min(SETTLED) {
            average = average.saturating_add(rate.saturating_sub(average) >> 2);
        }
        average
    }

    /// What an average is per second.
    fn read(self, average: Average) -> u64 {
        let half = (1i64 << self.unit.saturating_sub(1)).saturating_sub(1);
        (average.saturating_add(half) >> self.unit).max(0) as u64
    }
}

/// The rates of a service or destination, and the point that its counters are shown from.
///
/// The counters themselves are elsewhere and only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Estimate {
    /// What is counted up to here is not shown.
    base: Counters,
    /// What went into the averages.
    last: Counters,
    /// When that was.
    at_ms: u64,
    conns: Average,
    in_packets: Average,
    out_packets: Average,
    in_bytes: Average,
    out_bytes: Average,
}

impl Estimate {
    /// Starts with no rates, at a time in milliseconds of any clock that does not go back.
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            at_ms: now_ms,
            ..Self::default()
        }
    }

    /// Takes in what was counted, and returns the rates.
    pub(crate) fn read(&mut self, now_ms: u64, counters: &Counters) -> Rates {
        let elapsed = now_ms.saturating_sub(self.at_ms);
        let periods = elapsed / PERIOD_MS;
        if periods != 0 {
            let update = |scale: Scale, average: &mut Average, last: &mut u64, count: u64| {
                let each = share(count.saturating_sub(*last), elapsed);
                *average = scale.advance(*average, each, periods);
                // What came after the last whole period is left for the next read.
                *last = last.saturating_add(each.saturating_mul(periods));
            };
            let last = &mut self.last;
            update(COUNTS, &mut self.conns, &mut last.conns, counters.conns);
            update(
                COUNTS,
                &mut self.in_packets,
                &mut last.in_packets,
                counters.in_packets,
            );
            update(
                COUNTS,
                &mut self.out_packets,
                &mut last.out_packets,
                counters.out_packets,
            );
            update(
                BYTES,
                &mut self.in_bytes,
                &mut last.in_bytes,
                counters.in_bytes,
            );
            update(
                BYTES,
                &mut self.out_bytes,
                &mut last.out_bytes,
                counters.out_bytes,
            );
            self.at_ms = self.at_ms.saturating_add(periods.saturating_mul(PERIOD_MS));
        }
        Rates {
            conns: COUNTS.read(self.conns),
            in_packets: COUNTS.read(self.in_packets),
            out_packets: COUNTS.read(self.out_packets),
            in_bytes: BYTES.read(self.in_bytes),
            out_bytes: BYTES.read(self.out_bytes),
        }
    }

    /// What was counted since the last [`Estimate::zero`].
    pub(crate) fn since_zero(&self, counters: &Counters) -> Counters {
        let base = &self.base;
        Counters {
            conns: counters.conns.saturating_sub(base.conns),
            in_packets: counters.in_packets.saturating_sub(base.in_packets),
            out_packets: counters.out_packets.saturating_sub(base.out_packets),
            in_bytes: counters.in_bytes.saturating_sub(base.in_bytes),
            out_bytes: counters.out_bytes.saturating_sub(base.out_bytes),
        }
    }

    /// Starts over: counters are shown from here on, rates are 0 (E-10).
    pub(crate) fn zero(&mut self, now_ms: u64, counters: &Counters) {
        *self = Self {
            base: *counters,
            last: *counters,
            ..Self::new(now_ms)
        };
    }
}

/// What of `count`, come evenly over `elapsed` milliseconds, belongs to one period.
fn share(count: u64, elapsed: u64) -> u64 {
    let whole = count.checked_div(elapsed).unwrap_or(0);
    let rest = count.checked_rem(elapsed).unwrap_or(0);
    let rest = rest
        .saturating_mul(PERIOD_MS)
        .checked_div(elapsed)
        .unwrap_or(0);
    whole.saturating_mul(PERIOD_MS).saturating_add(rest)
}
