// SPDX-License-Identifier: GPL-2.0

//! A coarse expiry wheel: in which slot a deadline is filed, and which slots a tick looks at.
//!
//! The near ring has a slot for each of the next 256 ticks. The far ring has a slot for each of the
//! next 64 groups of 64 ticks. A far slot is looked at in the first tick of its group, and what it
//! holds is filed again; what falls due in that group then goes to the near ring, and what was
//! filed short of its deadline, as it lay beyond the far ring, goes to the far ring once more.
//!
//! Whoever looks at a slot compares each deadline with the tick: if it is reached (`deadline -
//! tick` is not positive, in wrapping arithmetic) the entry expires, else it is filed again with
//! [`place`]`(tick, deadline)`. So a deadline may move away freely while its entry stays where it
//! is filed, which is why a packet need not touch the wheel. One that moves closer has to be filed
//! again.
//!
//! All ticks wrap; deadlines and ticks are to be less than 2^31 apart (17 years).

/// Milliseconds in a tick.
pub(crate) const TICK_MS: u32 = 250;

/// Slots of the near ring, one tick each. A power of two.
const NEAR: u32 = 256;
/// Slots of the far ring. A power of two.
const FAR: u32 = 64;
/// Ticks in a far slot. A power of two.
const GROUP: u32 = 64;

/// Slots of both rings.
pub(crate) const SLOTS: usize = 320;

/// A slot of the wheel, of either ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WheelSlot(u16);

impl WheelSlot {
    /// Returns where the slot is in an array of [`SLOTS`].
    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0.into()
    }

    /// The near slot of a tick.
    #[inline]
    fn near(tick: u32) -> Self {
        Self((tick & NEAR.wrapping_sub(1)) as u16)
    }

    /// The far slot of a group of ticks.
    #[inline]
    fn far(group: u32) -> Self {
        Self((group & FAR.wrapping_sub(1)).wrapping_add(NEAR) as u16)
    }
}

/// Returns where to file a deadline.
///
/// The slot is looked at, at the latest, in the tick of the deadline, and at the earliest in the
/// tick after `now`. A deadline that has passed is filed for the tick after `now`.
#[inline]
pub(crate) fn place(now_tick: u32, deadline_tick: u32) -> WheelSlot {
    let left = deadline_tick.wrapping_sub(now_tick) as i32;
    if left <= 0 {
        return WheelSlot::near(now_tick.wrapping_add(1));
    }
    // 256 ticks ahead is this tick's own slot, which may not have been looked at yet.
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

/// The slots to look at in the ticks after one up to another, each of them once.
///
/// Far slots come first: what is filed again from one may go to a near slot that comes then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    /// The last tick.
    until: u32,
    /// Number of far slots that are left, the last of them that of the last tick's group.
    far: u32,
    /// Number of near slots that are left, the last of them that of the last tick.
    near: u32,
}

impl Due {
    /// The slots of the ticks after `after`, up to `until` and with it. None if both are the same.
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

    /// Every so many of the cases under Miri, where each costs a thousand times as much.
    const STRIDE: usize = if cfg!(miri) { 997 } else { 1 };

    /// The slots to look at in one tick: a near one, and in the first tick of a group its far one.
    fn due(tick: u32) -> (WheelSlot, Option<WheelSlot>) {
        let mut slots = Due::between(tick.wrapping_sub(1), tick);
        let first = slots.next().unwrap();
        match slots.next() {
            Some(second) => (second, Some(first)),
            None => (first, None),
        }
    }

    /// The first tick after `now` that looks at a slot.
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
                // Then it is near, or filed as far away as it goes.
                assert!(remains < GROUP || tick.wrapping_sub(now) > 62 * GROUP);
                assert!(remains < GROUP || left >= 62 * GROUP);
            }
        }
    }

    // T-3: the longest timeout fits, so that a connection without packets is moved once.
    #[test]
    fn fifteen_minutes_fit() {
        for now in (0..200).step_by(STRIDE) {
            let tick = looked_at(now, place(now, now + 15 * MINUTE));
            assert!(now + 15 * MINUTE - tick < GROUP);
        }
    }

    /// It makes no difference if the present tick has been worked on already.
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
    /// Ticks that are looked at together have the slots of each of them, and no other.
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
                // What is filed again from a far slot is looked at in the near one.
                assert!(together.is_sorted_by_key(|slot| *slot < NEAR as usize));
            }
        }
    }
}
