// SPDX-License-Identifier: GPL-2.0

//! Size of the tables of `lblc` and `lblcr`, and eviction from them (D-17, D-19).

/// Number of entries above which unused ones are evicted early.
const MANY: i32 = 16_384;
/// Number of entries from which on no more are added.
const MOST: i32 = MANY / 2 * 3;
/// Age from which on early eviction takes an entry, in seconds.
const WHILE: u64 = 360;

/// Returns true if a table with that many entries takes one more.
pub(crate) const fn has_room(addresses: i32) -> bool {
    addresses < MOST
}

/// Returns the number of entries to evict early: four thirds of the excess over [`MANY`], at most
/// half of [`MANY`].
fn excess(addresses: i32) -> i32 {
    let goal = i64::from(addresses.saturating_sub(MANY)).saturating_mul(4) / 3;
    i32::try_from(goal.clamp(0, i64::from(MANY / 2))).unwrap_or(0)
}

/// Converts a sysctl value to seconds; a negative one is 0.
pub(crate) fn seconds(setting: i32) -> u64 {
    u64::try_from(setting).unwrap_or(0)
}

/// Returns true if an entry that was last used at `used` has not expired. All times are in seconds.
pub(crate) fn stays(now: u64, used: u64, lasts: u64) -> bool {
    now.saturating_sub(used) < lasts
}

/// Returns true if an entry has several destinations that have not changed for more than `lasts`
/// seconds (D-18).
pub(crate) fn is_expired(members: usize, now: u64, changed: u64, lasts: u64) -> bool {
    members > 1 && now.saturating_sub(changed) > lasts
}

/// Table of `lblc` or `lblcr`, evicted by bucket.
pub(crate) trait EvictTable {
    /// Number of buckets.
    const BUCKETS: u32;

    /// Returns the number of entries.
    fn addresses(&self) -> i32;

    /// Evicts the entries of a bucket that were not used for `seconds`; returns their number.
    fn evict(&self, bucket: u32, seconds: u64) -> i32;
}

/// Evicts entries that were not used for `lasts` seconds. If too many remain, also evicts those not
/// used for [`WHILE`] seconds, from the bucket after `rover` on, until enough are gone (D-19).
///
/// Returns the last bucket of that search, the `rover` of the next call.
pub(crate) fn sweep<T: EvictTable>(table: &T, rover: u32, lasts: u64) -> u32 {
    for bucket in 0..T::BUCKETS {
        table.evict(bucket, lasts);
    }
    let mut goal = excess(table.addresses());
    let mut rover = rover;
    for _ in 0..T::BUCKETS {
        if goal <= 0 {
            break;
        }
        rover = rover.wrapping_add(1);
        if rover >= T::BUCKETS {
            rover = 0;
        }
        goal = goal.saturating_sub(table.evict(rover, WHILE));
    }
    rover
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// Times of last use of the entries of each bucket; the present time is 100,000.
    struct Model(RefCell<Vec<Vec<u64>>>);

    const NOW: u64 = 100_000;
    const DAY: u64 = 86_400;

    impl Model {
        /// Makes a table of that many entries, spread over the buckets in turn, with the given
        /// ages.
        fn of(addresses: usize, age: impl Fn(usize) -> u64) -> Self {
            let mut buckets = vec![Vec::new(); Self::BUCKETS as usize];
            for number in 0..addresses {
                buckets[number % Self::BUCKETS as usize].push(NOW - age(number));
            }
            Self(RefCell::new(buckets))
        }

        /// Returns the number of entries in each bucket.
        fn lengths(&self) -> Vec<usize> {
            self.0.borrow().iter().map(Vec::len).collect()
        }
    }

    impl EvictTable for Model {
        const BUCKETS: u32 = 16;

        fn addresses(&self) -> i32 {
            self.lengths().iter().sum::<usize>() as i32
        }

        fn evict(&self, bucket: u32, seconds: u64) -> i32 {
            let bucket = &mut self.0.borrow_mut()[bucket as usize];
            let before = bucket.len();
            bucket.retain(|used| stays(NOW, *used, seconds));
            (before - bucket.len()) as i32
        }
    }

    // D-19, D-20
    #[test]
    fn an_address_stays_until_its_time_is_over() {
        assert!(stays(NOW, NOW, 1));
        assert!(stays(NOW, NOW - 59, 60));
        assert!(!stays(NOW, NOW - 60, 60));
        assert!(!stays(NOW, 0, 60));
        // Another CPU used the entry after the clock was read.
        assert!(stays(NOW, NOW + 1, 60));
        // A lifetime of 0, which negative settings give too.
        assert!(!stays(NOW, NOW, seconds(0)));
        assert!(!stays(NOW, NOW, seconds(-1)));
        assert!(stays(NOW, 0, seconds(i32::MAX)));
    }

    // D-18
    #[test]
    fn several_destinations_are_settled_when_their_time_is_over() {
        for members in 0..=1 {
            assert!(!is_expired(members, NOW, 0, 60));
        }
        for members in [2, 3, usize::MAX] {
            assert!(!is_expired(members, NOW, NOW, 0));
            assert!(is_expired(members, NOW, NOW - 1, 0));
            assert!(!is_expired(members, NOW, NOW - 60, 60));
            assert!(is_expired(members, NOW, NOW - 61, 60));
            assert!(!is_expired(members, NOW, NOW + 1, 0));
        }
    }

    // D-19: a third of the entries was last used a day ago, the others a second later.
    #[test]
    fn whatever_is_over_goes_and_nothing_else() {
        let age = |number: usize| if number / 16 % 3 == 0 { DAY } else { DAY - 1 };
        let model = Model::of(16 * 30, age);
        assert_eq!(sweep(&model, 5, DAY), 5);
        assert_eq!(model.lengths(), [20; 16]);
        assert_eq!(sweep(&model, 5, DAY), 5);
        assert_eq!(model.lengths(), [20; 16]);
        assert_eq!(sweep(&model, 5, DAY - 1), 5);
        assert_eq!(model.lengths(), [0; 16]);
    }

    // D-19: 16,384 stay, though none was used recently.
    #[test]
    fn many_stay_until_they_are_too_many() {
        let model = Model::of(16_384, |_| WHILE);
        assert_eq!(sweep(&model, 3, DAY), 3);
        assert_eq!(model.addresses(), 16_384);
    }

    // D-19: 8,192 of 24,576 entries are to go, which is 5 1/3 buckets of 1,536: six whole ones,
    // from the one after the rover on.
    #[test]
    fn of_too_many_those_go_that_were_not_asked_for_in_a_while() {
        let model = Model::of(24_576, |_| WHILE);
        assert_eq!(sweep(&model, 12, DAY), 2);
        let gone = |range: std::ops::Range<usize>| {
            let lengths = model.lengths();
            range
                .map(|bucket| usize::from(lengths[bucket] == 0))
                .sum::<usize>()
        };
        assert_eq!((gone(13..16), gone(0..3), gone(3..13)), (3, 3, 0));
        // Few enough remain.
        assert_eq!(sweep(&model, 2, DAY), 2);
        assert_eq!(model.addresses(), 15_360);
    }

    // D-19
    #[test]
    fn of_too_many_those_stay_that_were_just_asked_for() {
        let model = Model::of(24_576, |_| WHILE - 1);
        assert_eq!(sweep(&model, 12, DAY), 12);
        assert_eq!(model.addresses(), 24_576);
        // One eighth is old enough. All of it goes, which is not enough, so that the search ends at
        // the bucket where it began.
        let model = Model::of(24_576, |number| WHILE - (number / 16 % 8).min(1) as u64);
        assert_eq!(sweep(&model, 12, DAY), 12);
        assert_eq!(model.lengths(), [1_536 / 8 * 7; 16]);
    }

    // D-19: expired entries are evicted first.
    #[test]
    fn what_is_over_goes_before_what_was_not_asked_for_in_a_while() {
        let age = |number: usize| if number < 8_192 { DAY } else { WHILE };
        let model = Model::of(24_576, age);
        assert_eq!(sweep(&model, 0, DAY), 0);
        assert_eq!(model.lengths(), [1_024; 16]);
    }

    // D-17, U-23
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
