// SPDX-License-Identifier: GPL-2.0

//! Counters that each CPU keeps for itself.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)

use crate::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

/// `N` counters, one set per possible CPU; they wrap.
///
/// Adding costs one instruction without a lock prefix; reading visits every CPU.
///
/// # Invariants
///
/// `base` is a per-CPU allocation of `N` words that this value owns.
pub(crate) struct Counters<const N: usize> {
    base: NonNull<u64>,
}

// SAFETY: Per-CPU memory may be used on and freed from any CPU.
unsafe impl<const N: usize> Send for Counters<N> {}
// SAFETY: Additions are single instructions on the CPU's own copy, reads are single loads.
unsafe impl<const N: usize> Sync for Counters<N> {}

impl<const N: usize> Counters<N> {
    /// Allocates counters at zero. Sleeps.
    pub(crate) fn new() -> Result<Self> {
        let size = size_of::<[u64; N]>();
        // SAFETY: Plain allocation; one set fits in 64 bytes' alignment so that it shares few lines.
        let base = unsafe {
            bindings::pcpu_alloc_noprof(size, align_of::<u64>(), false, bindings::GFP_KERNEL)
        };
        // INVARIANT: Just allocated, with the size of `N` words.
        Ok(Self {
            base: NonNull::new(base.cast()).ok_or(ENOMEM)?,
        })
    }

    /// Adds to counter `I` of this CPU.
    #[inline(always)]
    pub(crate) fn add<const I: usize>(&self, value: u64) {
        const { assert!(I < N) };
        // SAFETY: The counter is inside the allocation by the type invariant and the check above.
        unsafe {
            bindings::rust_ipvs_helper_this_cpu_add(self.base.as_ptr().add(I) as usize, value)
        }
    }

    /// Adds one to counter `I` of this CPU and returns what that gives.
    #[inline(always)]
    pub(crate) fn next<const I: usize>(&self) -> u64 {
        const { assert!(I < N) };
        // SAFETY: As in `add`.
        unsafe {
            bindings::rust_ipvs_helper_this_cpu_inc_return(self.base.as_ptr().add(I) as usize)
        }
    }

    /// Sets counter `I` of this CPU.
    pub(crate) fn set<const I: usize>(&self, value: u64) {
        const { assert!(I < N) };
        // SAFETY: As in `add`.
        unsafe {
            bindings::rust_ipvs_helper_this_cpu_write(self.base.as_ptr().add(I) as usize, value)
        }
    }

    /// The sums over all CPUs. Additions that happen meanwhile may be in or not.
    pub(crate) fn sums(&self) -> [u64; N] {
        core::array::from_fn(|index| {
            // SAFETY: `index < N`, so the counter is inside the allocation.
            unsafe { bindings::rust_ipvs_helper_percpu_sum(self.base.as_ptr().add(index) as usize) }
        })
    }
}

impl<const N: usize> Drop for Counters<N> {
    fn drop(&mut self) {
        // SAFETY: Allocated in `new`, owned, and not used afterwards.
        unsafe { bindings::free_percpu(self.base.as_ptr().cast()) };
    }
}
