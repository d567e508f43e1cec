// SPDX-License-Identifier: GPL-2.0

//! Time in jiffies and milliseconds, and `cond_resched()`.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use crate::bindings;

/// Number of jiffies per second (C: `CONFIG_HZ`).
pub(crate) const HZ: u32 = kernel::bindings::CONFIG_HZ;

/// Returns the low 32 bits of `jiffies`. They wrap, so values are to be compared by their
/// difference. Any context.
#[inline(always)]
pub(crate) fn jiffies32() -> u32 {
    // SAFETY: Reads a variable that exists while the kernel runs.
    (unsafe { bindings::rust_ipvs_helper_jiffies() }) as u32
}

/// Returns the 64-bit tick counter (C: `get_jiffies_64()`), which does not wrap. Any context.
#[inline(always)]
pub(crate) fn jiffies64() -> u64 {
    // SAFETY: Reads a variable that always exists.
    unsafe { bindings::rust_ipvs_helper_jiffies64() }
}

/// Calls `cond_resched()`. Process context, outside of read-side sections and without a spinlock;
/// mutexes may be held.
pub(crate) fn give_way() {
    // SAFETY: Process context without locks or read-side sections, as the documentation of this
    // function asks of callers.
    unsafe { bindings::rust_ipvs_helper_cond_resched() };
}

/// Returns the milliseconds since an arbitrary point in time, monotonic.
pub(crate) fn milliseconds() -> u64 {
    const SECOND: u64 = HZ as u64;
    jiffies64().wrapping_mul(1000) / SECOND
}
