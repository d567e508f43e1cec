// SPDX-License-Identifier: GPL-2.0

//! Coarse timer wheel: the slot of a deadline, and the slots to visit at a tick.
//!
//! The near ring has a slot for each of the next 256 ticks. The far ring has a slot for each of the
//! next 64 groups of 64 ticks. A far slot is visited at the first tick of its group, and its
//! entries are placed again: those due in that group go to the near ring, those whose deadline was
//! beyond the far ring go to the far ring again.
//!
//! A visit compares each deadline with the tick. An entry whose deadline is reached (`deadline -
//! tick` is not positive, in wrapping arithmetic) expires; otherwise it goes to the slot
//! [`place`]`(tick, deadline)`. So a deadline may be postponed while its entry stays in its slot,
//! and packets do not access the wheel. An entry whose deadline moves closer must be placed again.
//!
//! All ticks wrap. Deadlines and ticks must be less than 2^31 ticks (17 years) apart.

/// Length of a tick, in milliseconds.
pub(crate) const TICK_MS: u32 = 250;

/// Number of slots of the near ring, one tick each. A power of two.
const NEAR: u32 = 256;
/// Number of slots of the far ring. A power of two.
const FAR: u32 = 64;
/// Number of ticks in a far slot. A power of two.
const GROUP: u32 = 64;

/// Number of slots of both rings.
pub(crate) const SLOTS: usize = 320;

/// Slot of either ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WheelSlot(u16);

impl WheelSlot {
    /// Returns the index of the slot in an array of [`SLOTS`].
    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0.into()
    }

    /// Returns the near slot of a tick.
    #[inline]
    fn near(tick: u32) -> Self {
        Self((tick & NEAR.wrapping_sub(1)) as u16)
    }

    /// Returns the far slot of a group of ticks.
    #[inline]
    fn far(group: u32) -> Self {
        Self((group & FAR.wrapping_sub(1)).wrapping_add(NEAR) as u16)
    }
}

/// Returns the slot for a deadline.
///
/// The slot is visited at the tick of the deadline or earlier, but not before the tick after
/// `now_tick`. A deadline that has passed gets the slot of the tick after `now_tick`.
#[inline]
pub(crate) fn place(now_tick: u32, deadline_tick: u32) -> WheelSlot {
    let left = deadline_tick.wrapping_sub(now_tick) as i32;
    if left <= 0 {
        return WheelSlot::near(now_tick.wrapping_add(1));
    }
    // 256 ticks ahead is the slot of this tick, which may not have been visited yet.
    if left < NEAR as i32 {
        return WheelSlot::near(deadline_tick);
    }
    // Groups are counted from the first tick of the current one, so that wrapping does not split
    // one.
    let start = now_tick & !GROUP.wrapping_sub(1);
    let ahead = deadline_tick.wrapping_sub(start) / GROUP;
    let ahead = ahead.min(FAR.wrapping_sub(1));
    WheelSlot::far((start / GROUP).wrapping_add(ahead))
}

/// Iterator over the slots to visit in a range of ticks, each slot once.
///
/// Far slots come first, as an entry of one may move to a near slot of the same range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    /// Last tick.
    until: u32,
    /// Number of far slots left. The last of them is the one of the last tick's group.
    far: u32,
    /// Number of near slots left. The last of them is the one of the last tick.
    near: u32,
}

impl Due {
    /// Returns the slots of the ticks after `after`, up to and including `until`.
    pub(crate) fn between(after: u32, until: u32) -> Self {
        const GROUPS: u32 = u32::MAX / GROUP;
        let groups = (until / GROUP).wrapping_sub(after / GROUP) & GROUPS;
        Self {
            until,
            far: groups.min(FAR),
            near: until.wrapping_sub(after).min(NEAR),
        }
    }
}

impl Iterator for Due {
    type Item = WheelSlot;

    fn next(&mut self) -> Option<WheelSlot> {
        if let Some(far) = self.far.checked_sub(1) {
            self.far = far;
            return Some(WheelSlot::far((self.until / GROUP).wrapping_sub(far)));
        }
        self.near = self.near.checked_sub(1)?;
        Some(WheelSlot::near(self.until.wrapping_sub(self.near)))
    }
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_wheel),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    const MINUTE: u32 = 60_000 / TICK_MS;

    /// Step between cases under Miri, where each takes a thousand times as long.
    const STRIDE: usize = if cfg!(miri) { 997 } else { 1 };

    /// The slots to visit at one tick: a near one, and at the first tick of a group its far one.
    fn due(tick: u32) -> (WheelSlot, Option<WheelSlot>) {
        let mut slots = Due::between(tick.wrapping_sub(1), tick);
        let first = slots.next().unwrap();
        match slots.next() {
            Some(second) => (second, Some(first)),
            None => (first, None),
        }
    }

    /// The first tick after `now` that visits a slot.
    fn looked_at(now: u32, slot: WheelSlot) -> u32 {
        (1..=NEAR.max(FAR * GROUP))
            .map(|ahead| now.wrapping_add(ahead))
            .find(|tick| {
                let (near, far) = due(*tick);
                near == slot || far == Some(slot)
            })
            .unwrap()
    }

    // C-16
    #[test]
    fn near_deadlines_are_met_exactly() {
        for now in [0, 63, 64, 1_000_000, u32::MAX - 10, u32::MAX] {
            for left in (1..256u32).step_by(STRIDE) {
                let deadline = now.wrapping_add(left);
                assert_eq!(looked_at(now, place(now, deadline)), deadline);
            }
        }
    }

    // C-16
    #[test]
    fn past_deadlines_are_next() {
        for now in [0, 255, u32::MAX] {
            for late in [0, 1, 2, 255, 256, 100_000, i32::MAX as u32] {
                let slot = place(now, now.wrapping_sub(late));
                assert_eq!(looked_at(now, slot), now.wrapping_add(1));
            }
        }
    }

    // C-16
    #[cfg(test)]
    #[test]
    fn far_deadlines_are_looked_at_in_time() {
        for now in [0, 1, 63, 64, 4095, u32::MAX - 5000, u32::MAX - 63, u32::MAX] {
            for left in (256..20_000u32).step_by(13 * STRIDE) {
                let deadline = now.wrapping_add(left);
                let tick = looked_at(now, place(now, deadline));
                let remains = deadline.wrapping_sub(tick);
                assert!(remains < left, "not later than its deadline");
                // Then it is near, or was placed at the maximum distance.
                assert!(remains < GROUP || tick.wrapping_sub(now) > 62 * GROUP);
                assert!(remains < GROUP || left >= 62 * GROUP);
            }
        }
    }

    // T-3: the longest timeout fits, so a connection without packets is moved once.
    #[test]
    fn fifteen_minutes_fit() {
        for now in (0..200).step_by(STRIDE) {
            let tick = looked_at(now, place(now, now + 15 * MINUTE));
            assert!(now + 15 * MINUTE - tick < GROUP);
        }
    }

    /// The slot is the same whether or not the present tick has been processed.
    #[cfg(test)]
    #[test]
    fn nothing_is_filed_where_it_may_just_be_looked_at() {
        for now in [0, 5, 64, 4096, u32::MAX] {
            let (near, far) = due(now);
            for left in (0..20_000).step_by(STRIDE) {
                let slot = place(now, now.wrapping_add(left));
                assert!(slot != near && Some(slot) != far, "{left} from {now}");
            }
        }
    }

    #[test]
    fn slots_are_within_the_wheel() {
        for tick in (0..10_000).step_by(STRIDE) {
            let (near, far) = due(tick);
            assert!(near.index() < 256);
            assert_eq!(far.is_some(), tick % 64 == 0);
            assert!(far.is_none_or(|far| (256..SLOTS).contains(&far.index())));
        }
    }
    /// A range of ticks has the slots of each of its ticks, and no other.
    #[cfg(test)]
    #[test]
    fn many_ticks_are_looked_at_together() {
        let lengths = [0, 1, 2, 63, 64, 65, 255, 256, 257, 4095, 4096, 5000];
        for after in [
            0,
            1,
            63,
            64,
            4095,
            1_000_000,
            u32::MAX - 4100,
            u32::MAX - 63,
            u32::MAX,
        ] {
            for length in lengths {
                let until = after.wrapping_add(length);
                let together: Vec<_> = Due::between(after, until).map(WheelSlot::index).collect();
                let mut each = Vec::new();
                for tick in 1..=length {
                    let (near, far) = due(after.wrapping_add(tick));
                    each.extend(far.into_iter().chain([near]).map(WheelSlot::index));
                }
                let mut sorted = together.clone();
                sorted.sort();
                each.sort();
                each.dedup();
                assert_eq!(sorted, each, "{length} ticks after {after}");
                // An entry that moves from a far slot is visited in the near one.
                assert!(together.is_sorted_by_key(|slot| *slot < NEAR as usize));
            }
        }
    }
}
