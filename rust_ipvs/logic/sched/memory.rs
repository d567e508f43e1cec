// SPDX-License-Identifier: GPL-2.0

//! How much `lblc` and `lblcr` remember, and when they forget (D-17, D-19).

/// From so many addresses on those are forgotten that were not asked for in a while.
const MANY: i32 = 16_384;
/// With so many no more are remembered.
const MOST: i32 = MANY / 2 * 3;
/// A while, in seconds.
pub(crate) const WHILE_SECONDS: u64 = 360;

/// Whether one more address may be remembered beside so many.
pub(crate) const fn has_room(addresses: i32) -> bool {
    addresses < MOST
}

/// How many of so many addresses are to be forgotten, if as many were not asked for in a while: four for each three
/// that are too many, but at most half of what is many.
pub(crate) fn excess(addresses: i32) -> i32 {
    let goal = i64::from(addresses.saturating_sub(MANY)).saturating_mul(4) / 3;
    i32::try_from(goal.clamp(0, i64::from(MANY / 2))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    // D-17
    #[test]
    fn no_more_than_half_as_many_again() {
        assert!(has_room(0));
        assert!(has_room(24_575));
        assert!(!has_room(24_576));
        assert!(!has_room(i32::MAX));
    }

    // D-19
    #[test]
    fn few_are_all_kept() {
        assert_eq!([i32::MIN, -1, 0, 1, 16_383, 16_384].map(excess), [0; 6]);
    }

    // D-19
    #[test]
    fn of_too_many_a_third_more_goes_than_is_too_much() {
        assert_eq!(excess(16_385), 1);
        assert_eq!(excess(16_387), 4);
        assert_eq!(excess(16_384 + 3_000), 4_000);
    }

    // D-19
    #[test]
    fn never_more_than_half_goes_at_once() {
        assert_eq!(excess(16_384 + 6_143), 8_190);
        assert_eq!(excess(16_384 + 6_144), 8_192);
        assert_eq!(excess(24_576), 8_192);
        assert_eq!(excess(i32::MAX), 8_192);
    }
}
