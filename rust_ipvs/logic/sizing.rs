// SPDX-License-Identifier: GPL-2.0

//! Sizes of hash tables (C-29, C-31, V-7).
//!
//! Sizes are powers of two, given as exponents. A load factor `lfactor` requests 2^-lfactor buckets
//! for each entry.

/// Returns the load factor of a connection table for the one of the sysctl.
///
/// C IPVS's default of -4 requests 16 to 32 buckets for each connection. They take as much memory
/// as the connection, to be cleared, filled and moved when the table grows. Here it requests 2 to
/// 4, and -2, the default of other namespaces than the first, 1 to 2. That suffices because an
/// entry holds its hash, so that skipping one costs little.
pub(crate) const fn of_connections(lfactor: i32) -> i32 {
    (lfactor >> 1).saturating_add(1)
}

/// Returns the size that a table should have, in bits (C-29).
///
/// A table grows at once to the requested size. It shrinks only if that is a sixteenth or less, and
/// then to twice the requested size, which gives hysteresis. After a change of the load factor it
/// gets exactly the requested size.
pub(crate) fn wanted_bits(
    entries: usize,
    lfactor: i32,
    current_bits: u32,
    min_bits: u32,
    max_bits: u32,
    lfactor_changed: bool,
) -> u32 {
    let entries_bits = usize::BITS.wrapping_sub(entries.saturating_sub(1).leading_zeros());
    let asked = i64::from(entries_bits).saturating_sub(lfactor.into());
    let asked = u32::try_from(asked)
        .unwrap_or(0)
        .max(min_bits)
        .min(max_bits);
    if lfactor_changed || asked > current_bits {
        asked
    } else if asked.saturating_add(4) > current_bits {
        current_bits
    } else {
        asked.saturating_add(1)
    }
}

/// Returns the size that a connection table should have, in bits: that of [`wanted_bits`], but if
/// it grows, it grows at least to four times its size.
///
/// To double the size each time moves each entry between once and twice until the table has its
/// last size; to quadruple it, between a third and four thirds of that. So a table that grows has
/// up to twice as many buckets as requested.
pub(crate) fn wanted_bits_of_connections(
    entries: usize,
    lfactor: i32,
    current_bits: u32,
    min_bits: u32,
    max_bits: u32,
    lfactor_changed: bool,
) -> u32 {
    let wanted = wanted_bits(
        entries,
        lfactor,
        current_bits,
        min_bits,
        max_bits,
        lfactor_changed,
    );
    if lfactor_changed || wanted <= current_bits {
        return wanted;
    }
    wanted.max(current_bits.saturating_add(2).min(max_bits))
}

/// Returns the numbers of entries at which to reconsider a table's size, as (lower, upper) (C-31).
///
/// A table may have to grow with more than `upper` entries, and may shrink with at most `lower`. A
/// table of the largest size never grows, and one of the smallest never shrinks.
pub(crate) fn thresholds(bits: u32, lfactor: i32, min_bits: u32, max_bits: u32) -> (usize, usize) {
    /// Threshold that is never reached: `INT_MAX`, the value that C IPVS shows.
    const NEVER: usize = i32::MAX as usize;
    let exponent = i64::from(bits).saturating_add(lfactor.into());
    let upper = match u32::try_from(exponent) {
        Ok(exponent) => 1u64.checked_shl(exponent).unwrap_or(u64::MAX),
        Err(_) => 0,
    };
    let count = |n: u64| usize::try_from(n).unwrap_or(NEVER).min(NEVER);
    let lower = if bits <= min_bits {
        0
    } else {
        count(upper / 16)
    };
    let upper = if bits >= max_bits {
        NEVER
    } else {
        count(upper)
    };
    (lower, upper)
}

/// Backoff after a failed allocation of a table.
///
/// Insertions do not shorten the wait, as a large allocation is expensive, above all if it fails.
pub(crate) struct Patience {
    seconds: u32,
}

impl Patience {
    /// Longest wait, in seconds.
    const MOST: u32 = 64;

    /// Starts with the shortest wait.
    pub(crate) const fn new() -> Self {
        Self { seconds: 1 }
    }

    /// Returns the number of seconds to wait after a failure, which doubles each time.
    pub(crate) fn failed(&mut self) -> u32 {
        let seconds = self.seconds;
        self.seconds = seconds.saturating_mul(2).min(Self::MOST);
        seconds
    }
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_sizing),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    // C-31
    #[test]
    fn connections_get_fewer_buckets_than_asked_for() {
        let of = |lfactor| of_connections(lfactor);
        assert_eq!([of(-8), of(-4), of(-2), of(0), of(8)], [-3, -1, 0, 1, 5]);
        // A greater request never gets a smaller table.
        assert!((-8..8).all(|lfactor| of(lfactor) <= of(lfactor + 1)));
    }

    // the table of the first namespace grows at 17 entries, that of another at 65.
    #[test]
    fn first_growth() {
        for (lfactor, fits) in [(-4, 16), (-2, 64)] {
            let (lower, upper) = thresholds(8, lfactor, 8, 20);
            assert_eq!((lower, upper), (0, fits));
            assert_eq!(wanted_bits(fits, lfactor, 8, 8, 20, false), 8);
            assert_eq!(wanted_bits(fits + 1, lfactor, 8, 8, 20, false), 9);
        }
    }

    // C-29
    #[test]
    fn grows_at_once_and_shrinks_reluctantly() {
        assert_eq!(wanted_bits(1_000_000, -2, 8, 8, 30, false), 22);
        assert_eq!(wanted_bits(1_000_000, 2, 8, 8, 30, false), 18);
        assert_eq!(wanted_bits(1_000_000, -4, 8, 8, 12, false), 12);
        // More than a sixteenth of the present size: it stays.
        assert_eq!(wanted_bits(1 << 15, 0, 18, 8, 20, false), 18);
        // A sixteenth: twice the requested size.
        assert_eq!(wanted_bits(1 << 14, 0, 18, 8, 20, false), 15);
        assert_eq!(wanted_bits(0, 0, 18, 8, 20, false), 9);
        assert_eq!(wanted_bits(0, 0, 8, 8, 20, false), 8);
        // After a change of the load factor: the requested size.
        assert_eq!(wanted_bits(1 << 15, 0, 18, 8, 20, true), 15);
    }

    // C-29
    #[test]
    fn connections_grow_at_least_fourfold() {
        let wanted =
            |entries, bits, max| wanted_bits_of_connections(entries, -1, bits, 8, max, false);
        assert_eq!([wanted(128, 8, 20), wanted(129, 8, 20)], [8, 10]);
        // Further at once, up to the limit, and back as every table.
        assert_eq!([wanted(100_000, 8, 20), wanted(100_000, 17, 18)], [18, 18]);
        assert_eq!([wanted(1 << 15, 19, 20), wanted(1 << 14, 19, 20)], [19, 16]);
        // After a change of the load factor: the requested size.
        let changed = |bits| wanted_bits_of_connections(129, -1, bits, 8, 20, true);
        assert_eq!([changed(8), changed(12)], [9, 9]);
    }

    // C-31, V-7
    #[test]
    fn thresholds_follow_the_load_factor() {
        assert_eq!(thresholds(12, -4, 8, 20), (16, 256));
        assert_eq!(thresholds(12, 3, 8, 20), (2048, 32768));
        assert_eq!(thresholds(4, -3, 4, 20), (0, 2));
        assert_eq!(thresholds(4, -8, 4, 20), (0, 0));
        // The largest never grows, the smallest never shrinks.
        assert_eq!(thresholds(20, -4, 8, 20), (4096, i32::MAX as usize));
        assert_eq!(thresholds(8, 0, 8, 8), (0, i32::MAX as usize));
        assert_eq!(thresholds(30, 8, 8, 31).1, i32::MAX as usize);
    }

    /// The wait starts at a second and doubles up to a limit.
    #[cfg(test)]
    #[test]
    fn waits_longer_each_time() {
        let mut patience = Patience::new();
        let waits: Vec<_> = (0..9).map(|_| patience.failed()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
    }
}
