// SPDX-License-Identifier: GPL-2.0

//! Per-CPU counters.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)
//!
//! Packets count without shared cache lines: each CPU adds to its own copy of a counter, and
//! readers add up the copies.
//!
//! # Memory ordering
//!
//! Additions and sums are relaxed. A sum is exact only if nobody counts meanwhile; for statistics
//! that is enough.
//!
//! # Lifetime
//!
//! A per-CPU allocation has a high fixed cost, whatever its size. So sets of counters are taken
//! from a [`Pool`], which allocates [`SETS`] of them at a time.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::percpu::Pool;
//! const PACKETS: usize = 0;
//! const BYTES: usize = 1;
//!
//! let pool = Pool::<2>::new()?;
//! let counters = pool.take()?;
//! counters.add::<PACKETS>(1);
//! counters.add_two::<PACKETS, BYTES>(1, 1500);
//! assert_eq!(counters.sums(), [2, 1500]);
//! # Ok::<(), Error>(())
//! ```

mod lazy;

pub(crate) use lazy::LazyCounters;

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

/// Number of sets that are allocated together. They are freed when the last of them is dropped.
const SETS: u32 = 16;
/// Value of [`Chunk::free`] if all sets are free.
const ALL: u32 = (1 << SETS) - 1;

/// Memory for [`SETS`] sets of `N` counters.
///
/// # Invariants
///
/// `base` is a per-CPU allocation of `SETS * N` words that this value owns. A set whose bit in
/// `free` is clear belongs to one [`PercpuCounters`].
struct Chunk<const N: usize> {
    base: NonNull<u64>,
    /// Bit mask of the sets that have no owner.
    ///
    /// Cleared under the lock of the [`Pool`], set by the drop of a [`PercpuCounters`] in any
    /// context.
    free: Atomic<u32>,
}

// SAFETY: Per-CPU memory may be used on, and freed from, any CPU.
unsafe impl<const N: usize> Send for Chunk<N> {}
// SAFETY: By the type invariant the words of a set belong to its `PercpuCounters`. `free` is
// atomic.
unsafe impl<const N: usize> Sync for Chunk<N> {}

impl<const N: usize> Chunk<N> {
    /// Allocates a chunk of free sets. Process context; sleeps. Fails with `ENOMEM`.
    fn new() -> Result<Arc<Self>> {
        let size = const { size_of::<[u64; N]>().wrapping_mul(SETS as usize) };
        // SAFETY: Size and alignment are not zero. `GFP_KERNEL` may sleep, and so may this
        // function's caller.
        let base = unsafe {
            bindings::pcpu_alloc_noprof(size, align_of::<u64>(), false, bindings::GFP_KERNEL)
        };
        // INVARIANT: `base` was just allocated with `SETS * N` words, and all bits of `free` are
        // set.
        let chunk = Self {
            base: NonNull::new(base.cast()).ok_or(ENOMEM)?,
            free: Atomic::new(ALL),
        };
        Ok(Arc::new(chunk, GFP_KERNEL)?)
    }

    /// Replaces `free` by the result of `change`, atomically. `change` may be called several times.
    fn update(&self, change: impl Fn(u32) -> u32) {
        let mut free = self.free.load(Relaxed);
        // Full ordering: the next owner of a set sees what the last one did to it.
        while let Err(now) = self.free.cmpxchg(free, change(free), Full) {
            free = now;
        }
    }

    /// Takes a free set and zeroes it. Returns `None` if there is none. The caller must hold the
    /// lock of the [`Pool`]: other calls must not run at once, while sets may be freed at any time.
    fn take(this: &Arc<Self>) -> Option<PercpuCounters<N>> {
        // Relaxed: `update` orders the accesses to the set's memory.
        let free = this.free.load(Relaxed);
        if free == 0 {
            return None;
        }
        // Bits are cleared by this function only, of which one call runs at a time. So the set
        // stays free between the load and the update, although other bits may be set meanwhile.
        let number = free.trailing_zeros();
        this.update(|free| free & !(1u32 << number));
        // SAFETY: The set is inside the allocation by the type invariant. It is owned by this call
        // from now on, and no `PercpuCounters` of it exists yet, so no CPU adds to it.
        let base = unsafe {
            let base = this.base.add((number as usize).wrapping_mul(N));
            bindings::rust_ipvs_helper_percpu_zero(base.as_ptr() as usize, N as u32);
            base
        };
        // INVARIANT: The bit was set, so the set had no owner, and is clear now because of this
        // value.
        Some(PercpuCounters {
            base,
            chunk: this.clone(),
        })
    }
}

impl<const N: usize> Drop for Chunk<N> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant `base` is an allocation that this value owns, and it is not
        // used afterwards. Each `PercpuCounters` has a reference to the chunk, so none is left.
        unsafe { bindings::free_percpu(self.base.as_ptr().cast()) };
    }
}

/// Allocator of sets of `N` counters. Freed sets are used again as long as their chunk is the
/// current one.
///
/// A chunk of which a few sets are left in use keeps its whole allocation. That is accepted:
/// services and destinations that are created together are often deleted together.
#[pin_data]
pub(crate) struct Pool<const N: usize> {
    /// The chunk that sets are taken from. Older chunks are kept alive by their sets only.
    #[pin]
    chunk: Mutex<Option<Arc<Chunk<N>>>>,
}

impl<const N: usize> Pool<N> {
    /// Creates a pool without sets. Process context. Fails with `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                chunk <- new_mutex!(None),
            }),
            GFP_KERNEL,
        )
    }

    /// Takes a set of counters, all zero. Process context: takes a mutex and may allocate. Fails
    /// with `ENOMEM`.
    pub(crate) fn take(&self) -> Result<PercpuCounters<N>> {
        let mut chunk = self.chunk.lock();
        if let Some(counters) = chunk.as_ref().and_then(Chunk::take) {
            return Ok(counters);
        }
        // The old chunk is dropped by the pool. Its sets keep it alive, and its free sets are not
        // used any more.
        let new = Chunk::new()?;
        let counters = Chunk::take(&new).ok_or(ENOMEM)?;
        *chunk = Some(new);
        Ok(counters)
    }
}

/// `N` counters with a copy for each possible CPU. They wrap at 2^64.
///
/// Adding takes one instruction without a lock prefix. Reading visits all CPUs.
///
/// # Invariants
///
/// `base` is a set of `N` words in the allocation of `chunk`, whose bit in `free` is clear because
/// of this value.
pub(crate) struct PercpuCounters<const N: usize> {
    /// Base address in the per-CPU address space; not to be dereferenced.
    base: NonNull<u64>,
    /// Keeps the allocation alive.
    chunk: Arc<Chunk<N>>,
}

// SAFETY: Per-CPU memory may be used on, and freed from, any CPU.
unsafe impl<const N: usize> Send for PercpuCounters<N> {}
// SAFETY: A shared reference gives additions, which are single instructions on the current CPU's
// own copy, and loads of whole words. Neither tears.
unsafe impl<const N: usize> Sync for PercpuCounters<N> {}

impl<const N: usize> PercpuCounters<N> {
    /// Adds `value` to counter `I` of the current CPU. Any context: neither preemption nor an
    /// interrupt can lose an addition.
    ///
    /// The index is a constant, so that the bound is checked at build time.
    #[inline(always)]
    pub(crate) fn add<const I: usize>(&self, value: u64) {
        const { assert!(I < N) };
        // SAFETY: By the type invariant and the assertion above, the counter is inside the
        // allocation.
        unsafe {
            bindings::rust_ipvs_helper_this_cpu_add(self.base.as_ptr().add(I) as usize, value)
        }
    }

    /// Adds to two counters of the current CPU, whose base address is loaded once.
    #[inline(always)]
    pub(crate) fn add_two<const I: usize, const J: usize>(&self, to_first: u64, to_second: u64) {
        const { assert!(I < N && J < N) };
        let base = self.base.as_ptr();
        // SAFETY: By the type invariant and the assertion above, both counters are inside the
        // allocation.
        unsafe {
            bindings::rust_ipvs_helper_this_cpu_add(base.add(I) as usize, to_first);
            bindings::rust_ipvs_helper_this_cpu_add(base.add(J) as usize, to_second);
        }
    }

    /// Increments counter `I` of the current CPU and returns the result.
    ///
    /// The results on one CPU are distinct and increasing, even if interrupts count as well.
    #[inline(always)]
    pub(crate) fn next<const I: usize>(&self) -> u64 {
        const { assert!(I < N) };
        // SAFETY: By the type invariant and the assertion above, the counter is inside the
        // allocation.
        unsafe {
            bindings::rust_ipvs_helper_this_cpu_inc_return(self.base.as_ptr().add(I) as usize)
        }
    }

    /// Sets counter `I` of the current CPU, and of no other, to `value`.
    pub(crate) fn set<const I: usize>(&self, value: u64) {
        const { assert!(I < N) };
        // SAFETY: By the type invariant and the assertion above, the counter is inside the
        // allocation.
        unsafe {
            bindings::rust_ipvs_helper_this_cpu_write(self.base.as_ptr().add(I) as usize, value)
        }
    }

    /// Returns the sums over all possible CPUs. Concurrent additions may be included or not, and
    /// the counters are not read at one point in time.
    ///
    /// Takes time in proportion to the number of possible CPUs, so it is for readers of statistics,
    /// not for packets.
    pub(crate) fn sums(&self) -> [u64; N] {
        // The helper visits each possible CPU once and adds up all counters of the set, whose words
        // are adjacent, so it touches one or two cache lines per CPU.
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

impl<const N: usize> PercpuCounters<N> {
    /// Returns the counters of one CPU; zeros if it is not [possible](super::cpus::possible).
    ///
    /// For statistics that are shown by CPU. Reads words of another CPU without synchronisation:
    /// each word is whole, but the words are not from one point in time.
    pub(crate) fn of_cpu(&self, cpu: u32) -> [u64; N] {
        if !super::cpus::is_possible(cpu) {
            return [0; N];
        }
        core::array::from_fn(|index| {
            // SAFETY: `index < N`, so by the type invariant the counter is inside the allocation.
            // The CPU is possible, so it has a copy.
            unsafe {
                bindings::rust_ipvs_helper_percpu_read(
                    self.base.as_ptr().wrapping_add(index) as usize,
                    cpu,
                )
            }
        })
    }
}

impl<const N: usize> Drop for PercpuCounters<N> {
    fn drop(&mut self) {
        // The number of the set follows from its offset in the chunk.
        let first = self.chunk.base.as_ptr() as usize;
        let bytes = (self.base.as_ptr() as usize).wrapping_sub(first);
        let number = bytes.checked_div(size_of::<[u64; N]>()).unwrap_or(0);
        self.chunk
            .update(|free| free | (1u32 << (number as u32 & 31)));
    }
}
