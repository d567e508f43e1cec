// SPDX-License-Identifier: GPL-2.0

//! Counters that each CPU keeps for itself.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)
//!
//! An allocation of per-CPU memory is dear, whatever its size. So sets of counters come from a
//! [`Pool`], which allocates [`SETS`] of them at a time.

use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{Atomic, Full, Relaxed},
        Arc, Mutex,
    },
};

/// Number of sets that are allocated together, and freed when the last one of them is.
const SETS: u32 = 16;
/// All sets are free.
const ALL: u32 = (1 << SETS) - 1;

/// Memory for [`SETS`] sets of `N` counters.
///
/// # Invariants
///
/// `base` is a per-CPU allocation of `SETS * N` words that this value owns.
struct Chunk<const N: usize> {
    base: NonNull<u64>,
    /// A bit for each set that nobody has.
    free: Atomic<u32>,
}

// SAFETY: Per-CPU memory may be used on and freed from any CPU.
unsafe impl<const N: usize> Send for Chunk<N> {}
// SAFETY: The words belong to those who have the sets.
unsafe impl<const N: usize> Sync for Chunk<N> {}

impl<const N: usize> Chunk<N> {
    /// Allocates free sets. Sleeps.
    fn new() -> Result<Arc<Self>> {
        let size = const { size_of::<[u64; N]>().wrapping_mul(SETS as usize) };
        // SAFETY: Size and alignment are not zero, and the flags allow to sleep, as this context
        // does.
        let base = unsafe {
            bindings::pcpu_alloc_noprof(size, align_of::<u64>(), false, bindings::GFP_KERNEL)
        };
        // INVARIANT: Just allocated, with that size.
        let chunk = Self {
            base: NonNull::new(base.cast()).ok_or(ENOMEM)?,
            free: Atomic::new(ALL),
        };
        Ok(Arc::new(chunk, GFP_KERNEL)?)
    }

    /// Changes which sets are free.
    fn update(&self, change: impl Fn(u32) -> u32) {
        let mut free = self.free.load(Relaxed);
        // Whoever gets a set sees what its last owner did to it.
        while let Err(now) = self.free.cmpxchg(free, change(free), Full) {
            free = now;
        }
    }

    /// Takes a set, all zeroes. One caller at a time.
    fn take(this: &Arc<Self>) -> Option<Counters<N>> {
        let free = this.free.load(Relaxed);
        if free == 0 {
            return None;
        }
        let number = free.trailing_zeros();
        this.update(|free| free & !(1u32 << number));
        // SAFETY: One of the sets in the allocation, and this one's alone from now on: nobody
        // counts with it.
        let base = unsafe {
            let base = this.base.add((number as usize).wrapping_mul(N));
            bindings::rust_ipvs_helper_percpu_zero(base.as_ptr() as usize, N as u32);
            base
        };
        // INVARIANT: The bit was set, so that nobody had it, and is no more.
        Some(Counters {
            base,
            chunk: this.clone(),
        })
    }
}

impl<const N: usize> Drop for Chunk<N> {
    fn drop(&mut self) {
        // SAFETY: Allocated in `new`, owned, and not used afterwards.
        unsafe { bindings::free_percpu(self.base.as_ptr().cast()) };
    }
}

/// Allocator of sets of `N` counters.
#[pin_data]
pub(crate) struct Pool<const N: usize> {
    /// The sets to be given away next. Other chunks belong to those who have sets of them.
    #[pin]
    chunk: Mutex<Option<Arc<Chunk<N>>>>,
}

impl<const N: usize> Pool<N> {
    /// A pool without memory yet.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                chunk <- new_mutex!(None),
            }),
            GFP_KERNEL,
        )
    }

    /// Takes a set of counters, at zero. Sleeps.
    pub(crate) fn take(&self) -> Result<Counters<N>> {
        let mut chunk = self.chunk.lock();
        if let Some(counters) = chunk.as_ref().and_then(Chunk::take) {
            return Ok(counters);
        }
        let new = Chunk::new()?;
        let counters = Chunk::take(&new).ok_or(ENOMEM)?;
        *chunk = Some(new);
        Ok(counters)
    }
}

/// `N` counters, one set per possible CPU; they wrap.
///
/// Adding costs one instruction without a lock prefix; reading visits every CPU.
///
/// # Invariants
///
/// `base` is a set of `N` words in the allocation of `chunk`, whose bit there is clear because of
/// this value.
pub(crate) struct Counters<const N: usize> {
    base: NonNull<u64>,
    chunk: Arc<Chunk<N>>,
}

// SAFETY: Per-CPU memory may be used on and freed from any CPU.
unsafe impl<const N: usize> Send for Counters<N> {}
// SAFETY: Additions are single instructions on the CPU's own copy, reads are single loads.
unsafe impl<const N: usize> Sync for Counters<N> {}

impl<const N: usize> Counters<N> {
    /// Adds to counter `I` of this CPU.
    #[inline(always)]
    pub(crate) fn add<const I: usize>(&self, value: u64) {
        const { assert!(I < N) };
        // SAFETY: The counter is inside the allocation by the type invariant and the check above.
        unsafe {
            bindings::rust_ipvs_helper_this_cpu_add(self.base.as_ptr().add(I) as usize, value)
        }
    }

    /// Adds to two counters of this CPU, of which it reads once where they are.
    #[inline(always)]
    pub(crate) fn add_two<const I: usize, const J: usize>(&self, to_first: u64, to_second: u64) {
        const { assert!(I < N && J < N) };
        let base = self.base.as_ptr();
        // SAFETY: As in `add`.
        unsafe {
            bindings::rust_ipvs_helper_this_cpu_add(base.add(I) as usize, to_first);
            bindings::rust_ipvs_helper_this_cpu_add(base.add(J) as usize, to_second);
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
        let mut sums = [0; N];
        // SAFETY: The counters are inside the allocation, and the array has room for their sums.
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

impl<const N: usize> Counters<N> {
    /// Returns what one CPU counted, one of those that [`possible`](super::cpus::possible) names;
    /// zeroes for others.
    pub(crate) fn of_cpu(&self, cpu: u32) -> [u64; N] {
        if !super::cpus::is_possible(cpu) {
            return [0; N];
        }
        core::array::from_fn(|index| {
            // SAFETY: `index < N`, so the counter is inside the allocation, and the CPU has a copy
            // of it.
            unsafe {
                bindings::rust_ipvs_helper_percpu_read(
                    self.base.as_ptr().wrapping_add(index) as usize,
                    cpu,
                )
            }
        })
    }
}

impl<const N: usize> Drop for Counters<N> {
    fn drop(&mut self) {
        let first = self.chunk.base.as_ptr() as usize;
        let bytes = (self.base.as_ptr() as usize).wrapping_sub(first);
        let number = bytes.checked_div(size_of::<[u64; N]>()).unwrap_or(0);
        self.chunk
            .update(|free| free | (1u32 << (number as u32 & 31)));
    }
}
