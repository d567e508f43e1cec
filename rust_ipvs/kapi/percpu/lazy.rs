// SPDX-License-Identifier: GPL-2.0

//! Per-CPU counters that are allocated where they are first needed, in any context.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)
//!
//! For counters that most of their owners never need: an owner costs a pointer until it counts.

use crate::{
    bindings,
    kapi::rcu::{
        Rcu,
        RcuBox,
        RcuCell, //
    },
};
use core::ptr::NonNull;
use kernel::prelude::*;

/// A per-CPU allocation of `N` counters.
///
/// # Invariants
///
/// `base` is a per-CPU allocation of `N` words that this value owns.
struct Allocation<const N: usize> {
    base: NonNull<u64>,
}

// SAFETY: Per-CPU memory may be used on, and freed from, any CPU.
unsafe impl<const N: usize> Send for Allocation<N> {}
// SAFETY: A shared reference gives additions, which are single instructions on the current CPU's
// own copy, and loads of whole words. Neither tears.
unsafe impl<const N: usize> Sync for Allocation<N> {}

impl<const N: usize> Allocation<N> {
    /// Allocates counters of zero. Any context: does not sleep.
    fn new() -> Option<Self> {
        let size = const { size_of::<[u64; N]>() };
        // SAFETY: The size is not zero. The function does not sleep, and zeroes the memory.
        let base = unsafe { bindings::rust_ipvs_helper_percpu_alloc(size) };
        // INVARIANT: `base` was just allocated with `N` words.
        Some(Self {
            base: NonNull::new(base as *mut u64)?,
        })
    }

    /// Adds 1 to a counter of the current CPU, if there is one with this index.
    fn count(&self, index: usize) {
        if index < N {
            let counter = self.base.as_ptr().wrapping_add(index);
            // SAFETY: `index < N`, so by the type invariant the counter is inside the allocation.
            unsafe { bindings::rust_ipvs_helper_this_cpu_add(counter as usize, 1) }
        }
    }

    /// Returns the sums over all possible CPUs.
    fn sums(&self) -> [u64; N] {
        let mut sums = [0; N];
        // SAFETY: By the type invariant the `N` counters are inside the allocation. `sums` has room
        // for `N` words.
        unsafe {
            bindings::rust_ipvs_helper_percpu_sums(
                self.base.as_ptr() as usize,
                N as u32,
                sums.as_mut_ptr(),
            )
        };
        sums
    }
}

impl<const N: usize> Drop for Allocation<N> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant `base` is an allocation that this value owns, and it is not
        // used afterwards. May be called in any context.
        unsafe { bindings::free_percpu(self.base.as_ptr().cast()) };
    }
}

/// `N` counters with a copy for each possible CPU, allocated by the first addition. They wrap at
/// 2^64.
pub(crate) struct LazyCounters<const N: usize>(RcuCell<Allocation<N>>);

impl<const N: usize> LazyCounters<N> {
    /// Creates counters of zero, without memory.
    pub(crate) const fn new() -> Self {
        Self(RcuCell::empty())
    }

    /// Allocates the counters, if they are not allocated. Any context; does not sleep.
    ///
    /// Of two CPUs that allocate at once, one publishes its counters, and both use those.
    pub(crate) fn allocate<'g>(&'g self, rcu: Rcu<'g>) {
        if self.0.get(rcu).is_some() {
            return;
        }
        let allocation = Allocation::new();
        let made = allocation.and_then(|new| RcuBox::new(new, GFP_ATOMIC | __GFP_NOWARN).ok());
        if let Some(new) = made {
            self.0.exchange(rcu, None, new);
        }
    }

    /// Adds 1 to a counter. Does nothing if `index` is not below `N`, or if there is no memory for
    /// the counters. Any context.
    pub(crate) fn count<'g>(&'g self, rcu: Rcu<'g>, index: usize) {
        self.allocate(rcu);
        if let Some(counters) = self.0.get(rcu) {
            counters.count(index);
        }
    }

    /// Returns the sums over all possible CPUs; `None` if nothing was counted. Takes time in
    /// proportion to the number of possible CPUs.
    pub(crate) fn sums(&self, rcu: Rcu<'_>) -> Option<[u64; N]> {
        self.0.get(rcu).map(Allocation::sums)
    }

    /// Zeroes the counters, and frees their memory after a grace period. What is counted at the
    /// same time may be lost. Any context.
    pub(crate) fn zero(&self) {
        self.0.replace(None);
    }
}
