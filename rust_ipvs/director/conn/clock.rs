// SPDX-License-Identifier: GPL-2.0

//! The wheel's clock: ticks of a quarter second, counted from the kernel's jiffies.

use crate::{
    kapi::time::{
        self,
        HZ, //
    },
    logic::wheel, //
};

/// Ticks in a second.
const TICKS: u64 = 1000 / wheel::TICK_MS as u64;
/// Jiffies for which the works that end connections wait.
pub(crate) const TICK_JIFFIES: u32 = HZ / TICKS as u32;

fn tick_of(jiffies: u64) -> u32 {
    const JIFFIES: u64 = HZ as u64;
    (jiffies.wrapping_mul(TICKS) / JIFFIES) as u32
}

/// The present tick.
pub(crate) fn now_tick() -> u32 {
    tick_of(time::jiffies64())
}

/// The wheel's slot for what ends in so many jiffies.
pub(crate) fn slot(left: i32) -> u16 {
    let now = time::jiffies64();
    let left = u64::try_from(left).unwrap_or(0);
    // The next tick after the deadline: never early.
    let deadline = tick_of(now.wrapping_add(left)).wrapping_add(1);
    wheel::place(tick_of(now), deadline).index() as u16
}
