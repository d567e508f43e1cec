// SPDX-License-Identifier: GPL-2.0

//! The tick counter.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use crate::bindings;

/// Jiffies in a second.
pub(crate) const HZ: u32 = kernel::bindings::CONFIG_HZ;

/// The low 32 bits of the tick counter; they wrap, so only differences mean something.
#[inline(always)]
pub(crate) fn jiffies32() -> u32 {
    // SAFETY: Reads a variable that always exists.
    (unsafe { bindings::rust_ipvs_helper_jiffies() }) as u32
}

/// The whole tick counter, which does not wrap.
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

/// Milliseconds since an arbitrary moment.
pub(crate) fn milliseconds() -> u64 {
    const SECOND: u64 = HZ as u64;
    jiffies64().wrapping_mul(1000) / SECOND
}
