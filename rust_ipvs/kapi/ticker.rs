// SPDX-License-Identifier: GPL-2.0

//! Work that is done again and again, and can be stopped for good.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)
//!
//! `kernel::workqueue` hands each run a reference to its owner and cannot cancel. A [`Ticker`] holds
//! the reference itself and, when dropped, waits for a run under way and allows no other, so a
//! module that dropped its tickers can go.

use crate::bindings;
use kernel::{container_of, prelude::*, sync::Arc, types::Opaque};

/// What a [`Ticker`] does.
pub(crate) trait Tick: Send + Sync + 'static {
    /// Runs in process context; returns after how many jiffies to run again, or `None` to rest until
    /// the next [`Ticker::kick`].
    fn tick(&self) -> Option<u32>;
}

struct Job<T> {
    work: Opaque<bindings::delayed_work>,
    owner: Arc<T>,
}

/// Runs `T::tick()` on an unbound workqueue.
///
/// # Invariants
///
/// The work in the box was initialised and stays at its address until it is cancelled.
pub(crate) struct Ticker<T: Tick>(Pin<KBox<Job<T>>>);

// SAFETY: The workqueue serialises access to the work; the owner is shareable.
unsafe impl<T: Tick> Send for Ticker<T> {}
// SAFETY: As above.
unsafe impl<T: Tick> Sync for Ticker<T> {}

impl<T: Tick> Ticker<T> {
    /// Makes a ticker that rests.
    pub(crate) fn new(owner: Arc<T>) -> Result<Self> {
        let job = KBox::pin(
            Job {
                work: Opaque::uninit(),
                owner,
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The memory is large enough and pinned.
        unsafe {
            bindings::rust_ipvs_helper_init_delayed_work(job.work.get(), Some(run::<T>));
        }
        // INVARIANT: Initialised just above.
        Ok(Self(job))
    }

    /// Makes sure that the ticker runs in at most `jiffies`, unless it is due anyway. Any context.
    pub(crate) fn kick(&self, jiffies: u32) {
        // SAFETY: The work is initialised by the type invariant; work that is pending stays so.
        unsafe {
            bindings::rust_ipvs_helper_queue_delayed_work(self.0.work.get(), jiffies as usize);
        }
    }
}

impl<T: Tick> Drop for Ticker<T> {
    fn drop(&mut self) {
        // SAFETY: The work is initialised; after this it neither runs nor can be queued.
        unsafe { bindings::disable_delayed_work_sync(self.0.work.get()) };
    }
}

/// Runs a job and queues it again.
///
/// # Safety
///
/// `work` must be the work inside the `delayed_work` of a live `Job<T>`.
unsafe extern "C" fn run<T: Tick>(work: *mut bindings::work_struct) {
    // SAFETY: By the contract of this function.
    let delayed = unsafe { container_of!(work, bindings::delayed_work, work) };
    // SAFETY: As above.
    let job = unsafe { &*container_of!(Opaque::cast_from(delayed), Job<T>, work) };
    if let Some(jiffies) = job.owner.tick() {
        // SAFETY: The work is initialised; where it is disabled already, this does nothing.
        unsafe {
            bindings::rust_ipvs_helper_queue_delayed_work(job.work.get(), jiffies as usize);
        }
    }
}
