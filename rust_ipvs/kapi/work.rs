// SPDX-License-Identifier: GPL-2.0

//! Recurring work in process context that can be stopped.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)
//!
//! `kernel::workqueue` gives each run a reference to its owner, and cannot cancel. A
//! [`PeriodicWork`] owns a closure. Dropping it disables the work item and waits for a run that is
//! under way, so a module that has dropped its work items can be unloaded.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{
//! #     time::HZ,
//! #     work::{PeriodicWork, Process},
//! # };
//! # use kernel::static_lock_class;
//! let mut count = 0;
//! let work = PeriodicWork::new(c"count", static_lock_class!(), move |process: &Process| {
//!     count += 1;
//!     process.give_way();
//!     (count < 10).then_some(HZ)
//! })?;
//! work.handle().queue(0);
//! # Ok::<(), Error>(())
//! ```

use crate::bindings;
use core::{cell::UnsafeCell, marker::PhantomData};
use kernel::{
    container_of,
    prelude::*,
    sync::{
        Arc,
        LockClassKey, //
    },
    types::Opaque, //
};

/// Proof of process context without locks: the holder may sleep.
///
/// # Invariants
///
/// Exists only while a work item runs, and only in that thread, because it is not `Send`.
pub(crate) struct Process(PhantomData<*const ()>);

impl Process {
    /// Calls `cond_resched()`. The caller must hold no spinlock and must not be in a read-side
    /// critical section.
    pub(crate) fn give_way(&self) {
        // SAFETY: By the type invariant this is process context, and by the contract of this method
        // nothing is held.
        unsafe { bindings::rust_ipvs_helper_cond_resched() };
    }
}

/// The head of a [`Job`] of any closure, by which it is queued.
///
/// # Invariants
///
/// The work item is initialised and does not move, because it is in an `Arc`.
#[repr(C)]
struct Head(Opaque<bindings::delayed_work>);

/// A work item with its closure.
///
/// # Invariants
///
/// `run` is accessed by runs of the work item, of which the workqueue never has two at once, and by
/// the drop of its [`PeriodicWork`] after it has disabled the work item.
#[repr(C)]
struct Job<R> {
    head: Head,
    run: UnsafeCell<Option<R>>,
}

// SAFETY: The workqueue may run the item in any thread, which `R: Send` allows for `run`.
unsafe impl<R: Send> Send for Job<R> {}
// SAFETY: Only the workqueue accesses the work item. By the type invariant one thread at a time
// accesses `run`, which `R: Send` allows.
unsafe impl<R: Send> Sync for Job<R> {}

/// A [`Job`], without the type of its closure.
trait Queued: Send + Sync {
    /// Returns the head of the job.
    fn head(&self) -> &Head;
    /// Disables the work item, waits for a run under way, and drops the closure. Process context;
    /// sleeps.
    fn end(&self);
}

impl<R: FnMut(&Process) -> Option<u32> + Send> Queued for Job<R> {
    fn head(&self) -> &Head {
        &self.head
    }

    fn end(&self) {
        // SAFETY: By the type invariant of `Head` the work item is initialised. After this it
        // neither runs nor can be queued.
        unsafe { bindings::disable_delayed_work_sync(self.head.0.get()) };
        // SAFETY: The work item cannot run any more, and only the drop of the job's only
        // `PeriodicWork` calls this function, so nobody else accesses `run`.
        drop(unsafe { (*self.run.get()).take() });
    }
}

/// A closure that runs on an unbound workqueue whenever it is queued.
///
/// The closure runs in process context and never on two CPUs at once, so it needs no lock for what
/// it captures. It returns the number of jiffies after which it is to run again, or `None` to wait
/// until it is queued. Dropping the `PeriodicWork` waits for a run under way; the closure must not
/// drop it.
pub(crate) struct PeriodicWork(Arc<dyn Queued>);

impl PeriodicWork {
    /// Creates a work item that is not queued. Process context.
    ///
    /// `name` and `class` tell it from other works for lockdep, which has a work wait for what its
    /// runs wait for.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new<R>(
        name: &'static CStr,
        class: Pin<&'static LockClassKey>,
        work: R,
    ) -> Result<Self>
    where
        R: FnMut(&Process) -> Option<u32> + Send + 'static,
    {
        let job = Arc::new(
            Job {
                head: Head(Opaque::uninit()),
                run: UnsafeCell::new(Some(work)),
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The work item is in an `Arc`, so it does not move, and nobody else has it yet.
        // `run::<R>` takes a work item of such a `Job<R>`.
        unsafe {
            bindings::rust_ipvs_helper_init_delayed_work(
                job.head.0.get(),
                Some(run::<R>),
                name.as_char_ptr(),
                class.as_ptr(),
            );
        }
        // INVARIANT: The work item of `Head` was initialised just above and is in an `Arc`. No run
        // has accessed the closure of the `Job`, as the work item was not queued yet.
        Ok(Self(job))
    }

    /// Returns a handle by which others queue the work item. The closure may own one.
    pub(crate) fn handle(&self) -> WorkHandle {
        WorkHandle(self.0.clone())
    }
}

impl Drop for PeriodicWork {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Queues a [`PeriodicWork`]. Does nothing once that was dropped. Any context.
#[derive(Clone)]
pub(crate) struct WorkHandle(Arc<dyn Queued>);

impl WorkHandle {
    /// Queues the work item to run in `jiffies`, unless it is queued.
    ///
    /// A run that begins after this call sees all writes before it.
    pub(crate) fn queue(&self, jiffies: u32) {
        self.0.head().queue(jiffies);
    }

    /// Queues the work item to run at once, even if it is queued for later.
    pub(crate) fn queue_now(&self) {
        // SAFETY: By the type invariant of `Head` the work item is initialised.
        unsafe { bindings::rust_ipvs_helper_mod_delayed_work(self.0.head().0.get(), 0) };
    }
}

impl Head {
    /// Queues the work item (C: `queue_delayed_work()`).
    fn queue(&self, jiffies: u32) {
        // SAFETY: By the type invariant the work item is initialised. The call does nothing if it
        // is pending or disabled.
        unsafe { bindings::rust_ipvs_helper_queue_delayed_work(self.0.get(), jiffies as usize) };
    }
}

/// The C function of a work item: runs the closure, and queues the item again if that asks for it.
///
/// # Safety
///
/// `work` must be the `work` field of the `delayed_work` of a live `Job<R>`, and the workqueue must
/// be running it.
unsafe extern "C" fn run<R>(work: *mut bindings::work_struct)
where
    R: FnMut(&Process) -> Option<u32> + Send,
{
    // SAFETY: By the contract of this function `work` is that field of a `delayed_work`.
    let delayed = unsafe { container_of!(work, bindings::delayed_work, work) };
    // SAFETY: By the contract of this function the `delayed_work` is the first field of a `Job<R>`.
    // The job lives until its `PeriodicWork` has waited for this run.
    let job = unsafe { &*delayed.cast::<Job<R>>() };
    // SAFETY: The work item is running, so by the type invariant of `Job` nobody else accesses
    // `run`.
    let work = unsafe { &mut *job.run.get() };
    // INVARIANT: The workqueue calls this function in a thread of its own, without locks.
    let again = work.as_mut().and_then(|work| work(&Process(PhantomData)));
    if let Some(jiffies) = again {
        job.head.queue(jiffies);
    }
}
