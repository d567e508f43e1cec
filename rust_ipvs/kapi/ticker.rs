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

/// # Invariants
///
/// While the work can run, `owner` is alive: its [`Ticker`] keeps it so, and disables the work first.
struct Job<T> {
    work: Opaque<bindings::delayed_work>,
    owner: *const T,
}

// SAFETY: The work is accessed by the workqueue alone; the owner is shareable.
unsafe impl<T: Tick> Send for Job<T> {}
// SAFETY: As above.
unsafe impl<T: Tick> Sync for Job<T> {}

impl<T: Tick> Job<T> {
    fn queue(&self, jiffies: u32) {
        // SAFETY: Jobs are initialised before anybody can get at them. Work that is pending stays as
        // it is, and work that is disabled is not queued.
        unsafe {
            bindings::rust_ipvs_helper_queue_delayed_work(self.work.get(), jiffies as usize);
        }
    }
}

/// Runs `T::tick()` on an unbound workqueue, until it is dropped.
///
/// # Invariants
///
/// The job's work was initialised; it does not move, being in an `Arc`.
pub(crate) struct Ticker<T: Tick> {
    job: Arc<Job<T>>,
    _owner: Arc<T>,
}

/// Wakes a [`Ticker`]; does nothing once that is gone.
pub(crate) struct Kicker<T: Tick>(Arc<Job<T>>);

impl<T: Tick> Ticker<T> {
    /// Makes a ticker that rests.
    pub(crate) fn new(owner: Arc<T>) -> Result<Self> {
        let job = Arc::new(
            Job {
                work: Opaque::uninit(),
                // INVARIANT: `_owner` below keeps it alive.
                owner: &raw const *owner,
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The memory is large enough, does not move, and is nobody else's yet.
        unsafe {
            bindings::rust_ipvs_helper_init_delayed_work(job.work.get(), Some(run::<T>));
        }
        // INVARIANT: Initialised just above.
        Ok(Self { job, _owner: owner })
    }

    /// Makes sure that the ticker runs in at most `jiffies`, unless it is due anyway. Any context.
    pub(crate) fn kick(&self, jiffies: u32) {
        self.job.queue(jiffies);
    }

    /// A handle by which others wake the ticker; the owner may keep it.
    pub(crate) fn kicker(&self) -> Kicker<T> {
        Kicker(self.job.clone())
    }
}

impl<T: Tick> Kicker<T> {
    /// Has the ticker run at once. Any context.
    pub(crate) fn kick(&self) {
        // SAFETY: The work is initialised by the invariant of the ticker that made this.
        unsafe { bindings::rust_ipvs_helper_mod_delayed_work(self.0.work.get(), 0) };
    }
}

impl<T: Tick> Drop for Ticker<T> {
    fn drop(&mut self) {
        // SAFETY: The work is initialised; after this it neither runs nor can be queued.
        unsafe { bindings::disable_delayed_work_sync(self.job.work.get()) };
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
    // SAFETY: As above; the job lives until its ticker has waited for this run.
    let job = unsafe { &*container_of!(Opaque::cast_from(delayed), Job<T>, work) };
    // SAFETY: The work runs, so the owner is alive by the type invariant.
    let owner = unsafe { &*job.owner };
    if let Some(jiffies) = owner.tick() {
        job.queue(jiffies);
    }
}
