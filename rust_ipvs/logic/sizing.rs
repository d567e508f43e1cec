// SPDX-License-Identifier: GPL-2.0

//! Sizes of hash tables (C-29, C-31, V-7).
//!
//! Sizes are powers of two and given as their exponents. A load factor `lfactor` asks for a table
//! of 2^-lfactor buckets for each entry.

/// The load factor of a connection table, from the one that a user sets.
///
/// C IPVS's default of -4 asks for 16 to 32 buckets for each connection: as many bytes again as a
/// connection has, to be cleared, filled and moved whenever the table grows. Here 2 to 4 do, and 1
/// to 2 where it is -2, the default of other namespaces than the first: an entry carries its hash,
/// so that passing one that is not meant is cheap.
pub(crate) const fn of_connections(lfactor: i32) -> i32 {
    (lfactor >> 1).saturating_add(1)
}

/// The size that a table should have, as bits (C-29).
///
/// A table grows at once to the size its entries ask for. It shrinks only where that is a sixteenth
/// or less, and then to twice what is asked, so that it does not swing. Where the load factor was
/// changed it is taken at its word.
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

/// The numbers of entries at which a table's size is to be reconsidered, as (lower, upper) (C-31).
///
/// With more than `upper` entries it may have to grow, with at most `lower` it may shrink. A table
/// of the largest size never grows, and one of the smallest never shrinks.
pub(crate) fn thresholds(bits: u32, lfactor: i32, min_bits: u32, max_bits: u32) -> (usize, usize) {
    /// As many as can be counted; `INT_MAX`, which users may have seen.
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

/// Time to wait before a table that got no memory asks for it again.
///
/// What comes meanwhile does not shorten that: a request for very much memory is dear, above all if
/// there is none.
pub(crate) struct Patience {
    seconds: u32,
}

impl Patience {
    /// The longest wait, in seconds.
    const MOST: u32 = 64;

    /// Nothing has failed yet.
    pub(crate) const fn new() -> Self {
        Self { seconds: 1 }
    }

    /// There was no memory: returns how many seconds to wait. That is twice as many each time.
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
        // Who asks for more gets no less.
        assert!((-8..8).all(|lfactor| of(lfactor) <= of(lfactor + 1)));
    }

    // 17 entries make the table of the first namespace grow, 65 that of another.
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
        // More than a sixteenth of what there is: it stays.
        assert_eq!(wanted_bits(1 << 15, 0, 18, 8, 20, false), 18);
        // A sixteenth: twice what is asked.
        assert_eq!(wanted_bits(1 << 14, 0, 18, 8, 20, false), 15);
        assert_eq!(wanted_bits(0, 0, 18, 8, 20, false), 9);
        assert_eq!(wanted_bits(0, 0, 8, 8, 20, false), 8);
        // After a change of the load factor it is what is asked.
        assert_eq!(wanted_bits(1 << 15, 0, 18, 8, 20, true), 15);
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

    /// A table that got no memory waits a second, and longer each time, but never for good.
    #[cfg(test)]
    #[test]
    fn waits_longer_each_time() {
        let mut patience = Patience::new();
        let waits: Vec<_> = (0..9).map(|_| patience.failed()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
    }
}
