// SPDX-License-Identifier: GPL-2.0

//! Rates per second, computed when they are read (E-7).
//!
//! C IPVS visits every object every 2 seconds and moves an average by a quarter of its distance
//! from the new rate. Here nothing runs in the background. A read catches up with the periods since
//! the last one as if their events had been evenly spread. If read every 2 seconds it gives C
//! IPVS's numbers; if read rarely it gives the same average of a steady rate.

use super::config::{
    Counters,
    Rates, //
};

/// Length of a period, in milliseconds.
const PERIOD_MS: u64 = 2000;

/// Number of periods after which an average has reached its limit: each reduces the distance by a
/// quarter, and (3/4)^160 of 2^64 is less than one.
const SETTLED: u64 = 160;

/// Average in fixed point: 2^10 for one per second of connections and packets, 2^5 for bytes.
type Average = i64;

/// Fixed-point scale of a counter's average.
#[derive(Clone, Copy)]
struct Scale {
    /// Value of one event per period, as a power of two.
    count: u32,
    /// Value of one event per second, as a power of two.
    unit: u32,
}

/// Connections and packets.
const COUNTS: Scale = Scale { count: 9, unit: 10 };
/// Bytes.
const BYTES: Scale = Scale { count: 4, unit: 5 };

impl Scale {
    /// Returns an average after `periods` periods with `count` events in each.
    fn advance(self, average: Average, count: u64, periods: u64) -> Average {
        let limit = Average::MAX as u64 >> self.count;
        let rate = (count.min(limit) << self.count) as Average;
        let mut average = average;
        for _ in 0..periods.min(SETTLED) {
            let step = rate.saturating_sub(average) >> 2;
            if step == 0 {
                break;
            }
            average = average.saturating_add(step);
        }
        average
    }

    /// Converts an average to events per second.
    fn read(self, average: Average) -> u64 {
        let half = (1i64 << self.unit.saturating_sub(1)).saturating_sub(1);
        (average.saturating_add(half) >> self.unit).max(0) as u64
    }
}

/// Averages of a service or destination, and the counter values that zeroing subtracts.
///
/// The counters themselves are stored elsewhere and are never reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Estimate {
    /// Counters at the last zeroing.
    base: Counters,
    /// Counters that the averages include.
    last: Counters,
    /// Time up to which the averages include them, in ms.
    at_ms: u64,
    conns: Average,
    in_packets: Average,
    out_packets: Average,
    in_bytes: Average,
    out_bytes: Average,
}

impl Estimate {
    /// Starts with rates of 0, at a time in milliseconds of a monotonic clock.
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            at_ms: now_ms,
            ..Self::default()
        }
    }

    /// Adds what was counted since the last read, and returns the rates.
    pub(crate) fn read(&mut self, now_ms: u64, counters: &Counters) -> Rates {
        let elapsed = now_ms.saturating_sub(self.at_ms);
        let periods = elapsed / PERIOD_MS;
        if periods != 0 {
            let update = |scale: Scale, average: &mut Average, last: &mut u64, count: u64| {
                // Most objects of a large listing are idle.
                if count == *last && *average == 0 {
                    return;
                }
                let each = share(count.saturating_sub(*last), elapsed);
                *average = scale.advance(*average, each, periods);
                // Events after the last whole period are left for the next read.
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

    /// Returns the counters since the last [`Estimate::zero`].
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

    /// Zeroes the shown counters and the rates (E-10).
    pub(crate) fn zero(&mut self, now_ms: u64, counters: &Counters) {
        *self = Self {
            base: *counters,
            last: *counters,
            ..Self::new(now_ms)
        };
    }
}

/// Scales `count`, assumed evenly spread over `elapsed` ms, to one 2 s period.
fn share(count: u64, elapsed: u64) -> u64 {
    let whole = count.checked_div(elapsed).unwrap_or(0);
    let rest = count.checked_rem(elapsed).unwrap_or(0);
    let rest = rest
        .saturating_mul(PERIOD_MS)
        .checked_div(elapsed)
        .unwrap_or(0);
    whole.saturating_mul(PERIOD_MS).saturating_add(rest)
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_estimator),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    fn packets(in_packets: u64) -> Counters {
        Counters {
            in_packets,
            ..Counters::default()
        }
    }

    // E-7
    #[cfg(test)]
    #[test]
    fn the_reference_vector() {
        let mut estimate = Estimate::new(5);
        let mut exact = 0.0f64;
        for period in 1..=40 {
            let rates = estimate.read(5 + 2000 * period, &packets(200 * period));
            exact += (102_400.0 - exact) / 4.0;
            let rounded = ((exact + 511.0) / 1024.0).floor();
            assert!((rates.in_packets as f64 - rounded).abs() <= 1.0);
            let head = [25, 44, 58, 68];
            if let Some(expected) = head.get(period as usize - 1) {
                assert_eq!(rates.in_packets, *expected);
            }
        }
        assert_eq!(estimate.read(80_005, &packets(8000)).in_packets, 100);
    }

    /// C IPVS's arithmetic for one period, of counts and of bytes.
    fn step(average: i64, delta: u64, shift: u32) -> i64 {
        average + (((delta << shift) as i64 - average) >> 2)
    }

    // E-7
    #[test]
    fn equals_the_reference_when_read_each_period() {
        let (mut conns, mut bytes) = (0, 0);
        let mut estimate = Estimate::new(0);
        let mut total = Counters::default();
        let mut noise = 1u64;
        for period in 1..=if cfg!(miri) { 10 } else { 1000 } {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // Even numbers, whose share has no remainder.
            let (c, b) = ((noise >> 50) * 2000, (noise >> 30) * 2000);
            total.conns += c;
            total.out_bytes += b;
            conns = step(conns, c, 9);
            bytes = step(bytes, b, 4);
            let rates = estimate.read(2000 * period, &total);
            assert_eq!(rates.conns, ((conns + 0x1ff) >> 10) as u64);
            assert_eq!(rates.out_bytes, ((bytes + 0xf) >> 5) as u64);
        }
    }

    // E-6, E-7
    #[test]
    fn fresh_objects_have_no_rates() {
        let mut estimate = Estimate::new(1000);
        assert_eq!(estimate.read(1000, &packets(1_000_000)), Rates::default());
        assert_eq!(estimate.read(2999, &packets(1_000_000)), Rates::default());
        assert_ne!(estimate.read(3000, &packets(1_000_000)), Rates::default());
    }

    // E-7
    #[cfg(test)]
    #[test]
    fn rare_reads_give_the_same_average() {
        let mut often = Estimate::new(0);
        let mut rarely = Estimate::new(0);
        for read in 1..=30 {
            let now = read * 14_000;
            for period in (now - 12_000..=now).step_by(2000) {
                often.read(period, &packets(period / 10));
            }
            let rates = rarely.read(now, &packets(now / 10));
            assert_eq!(rates, often.read(now, &packets(now / 10)));
        }
        // Reads out of phase with the periods: the remainder counts in the next one.
        let mut odd = Estimate::new(0);
        let mut rates = Rates::default();
        for now in (0..=400_000).step_by(3333) {
            rates = odd.read(now, &packets(now / 10));
        }
        assert!((99..=100).contains(&rates.in_packets), "{rates:?}");
    }

    // E-7
    #[test]
    fn rates_fade() {
        let mut estimate = Estimate::new(0);
        estimate.read(2000, &packets(1_000_000));
        let mut last = u64::MAX;
        for period in 2..60 {
            let rate = estimate.read(2000 * period, &packets(1_000_000)).in_packets;
            assert!(rate <= last);
            last = rate;
        }
        assert_eq!(last, 0);
        let mut estimate = Estimate::new(0);
        estimate.read(2000, &packets(1_000_000));
        // A year later, with a bounded number of steps.
        let year = 365 * 86_400_000;
        assert_eq!(estimate.read(year, &packets(1_000_000)), Rates::default());
    }

    // E-10
    #[test]
    fn zeroing_starts_over() {
        let mut estimate = Estimate::new(0);
        estimate.read(2000, &packets(500));
        estimate.zero(3000, &packets(700));
        assert_eq!(estimate.since_zero(&packets(700)), packets(0));
        assert_eq!(estimate.since_zero(&packets(750)), packets(50));
        assert_eq!(estimate.read(4000, &packets(750)), Rates::default());
        // 50 in 2 s, a quarter of the way: 6.25.
        assert_eq!(estimate.read(5000, &packets(750)).in_packets, 6);
        // Counters that decreased count as 0.
        assert_eq!(estimate.since_zero(&packets(1)), packets(0));
    }

    #[cfg(test)]
    #[test]
    fn extremes_do_not_overflow() {
        let most = Counters {
            conns: u64::MAX,
            in_packets: u64::MAX,
            out_packets: u64::MAX,
            in_bytes: u64::MAX,
            out_bytes: u64::MAX,
        };
        for elapsed in [0, 1, 1999, 2000, 4001, u64::MAX] {
            let mut estimate = Estimate::new(0);
            estimate.read(elapsed, &most);
            estimate.read(u64::MAX, &Counters::default());
            estimate.read(0, &most);
        }
        // A count beyond the range of an average saturates and does not wrap.
        let mut estimate = Estimate::new(0);
        let rates = estimate.read(2000, &packets(1 << 56));
        assert!(rates.in_packets > 1 << 50, "{rates:?}");
    }
}
