// SPDX-License-Identifier: GPL-2.0

//! Clock of the timer wheel: ticks of a quarter second, derived from jiffies.

use crate::{
    kapi::time::{
        self,
        HZ, //
    },
    logic::wheel, //
};

/// Ticks in a second.
const TICKS: u64 = 1000 / wheel::TICK_MS as u64;
/// Period of the expiry work, in jiffies: one tick.
pub(crate) const TICK_JIFFIES: u32 = HZ / TICKS as u32;

fn tick_of(jiffies: u64) -> u32 {
    const JIFFIES: u64 = HZ as u64;
    (jiffies.wrapping_mul(TICKS) / JIFFIES) as u32
}

/// Returns the present tick.
pub(crate) fn now_tick() -> u32 {
    tick_of(time::jiffies64())
}

/// Returns the wheel slot for an expiry in `left` jiffies.
pub(crate) fn slot(left: i32) -> u16 {
    let now = time::jiffies64();
    let left = u64::try_from(left).unwrap_or(0);
    // The first tick after the deadline, so that no entry expires early.
    let deadline = tick_of(now.wrapping_add(left)).wrapping_add(1);
    wheel::place(tick_of(now), deadline).index() as u16
}
