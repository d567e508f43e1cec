// SPDX-License-Identifier: GPL-2.0

//! Work in process context that is done again and again, and can be stopped for good.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)
//!
//! `kernel::workqueue` hands each run a reference to its owner and cannot cancel. A
//! [`PeriodicWork`] owns what it runs and, when dropped, waits for a run under way and allows no
//! other. So a module that dropped its works can go.
//!
//! # Examples
//!
//! ```ignore
//! let mut count = 0;
//! let work = PeriodicWork::new(c"count", static_lock_class!(), move |process: &Process| {
//!     count += 1;
//!     process.give_way();
//!     (count < 10).then_some(HZ)
//! })?;
//! work.handle().queue(0);
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

/// Evidence of process context in which nothing is locked: whoever has it may sleep.
///
/// # Invariants
///
/// Exists only while a work item runs, and in that thread.
pub(crate) struct Process(PhantomData<*const ()>);

impl Process {
    /// Calls `cond_resched()`. The caller holds no lock and is in no read-side critical section.
    pub(crate) fn give_way(&self) {
        // SAFETY: Process context, by the type invariant.
        unsafe { bindings::rust_ipvs_helper_cond_resched() };
    }
}

/// The type-erased head of a [`Job`], by which a work is queued.
///
/// # Invariants
///
/// The work was initialised, and does not move: it is in an `Arc`.
#[repr(C)]
struct Head(Opaque<bindings::delayed_work>);

/// Closure of a work.
///
/// # Invariants
///
/// `run` is accessed by a run of the work, and by the drop of its [`PeriodicWork`], which has
/// disabled the work before. The workqueue never runs a work item twice at once.
#[repr(C)]
struct Job<R> {
    head: Head,
    run: UnsafeCell<Option<R>>,
}

// SAFETY: The work is accessed by the workqueue alone; `run` by one thread at a time, by the type
// invariant.
unsafe impl<R: Send> Send for Job<R> {}
// SAFETY: The work is accessed by the workqueue alone; `run` by one thread at a time, by the type
// invariant.
unsafe impl<R: Send> Sync for Job<R> {}

/// A [`Job`] of any closure.
trait Queued: Send + Sync {
    /// The head of the job.
    fn head(&self) -> &Head;
    /// Disables the work, waits for a run under way, and drops what it runs.
    fn end(&self);
}

impl<R: FnMut(&Process) -> Option<u32> + Send> Queued for Job<R> {
    fn head(&self) -> &Head {
        &self.head
    }

    fn end(&self) {
        // SAFETY: The work is initialised; after this it neither runs nor can be queued.
        unsafe { bindings::disable_delayed_work_sync(self.head.0.get()) };
        // SAFETY: The work cannot run any more, and only the drop of the one `PeriodicWork` of this
        // job calls this function.
        drop(unsafe { (*self.run.get()).take() });
    }
}

/// Runs a closure on an unbound workqueue, whenever it is queued, until this is dropped.
///
/// The closure runs in process context and never twice at once, so what it captures is its own. It
/// returns after how many jiffies it runs again, or `None` to rest until it is queued. Dropping
/// this sleeps: it waits for a run under way. The closure must not drop it.
pub(crate) struct PeriodicWork(Arc<dyn Queued>);

impl PeriodicWork {
    /// Makes a work that rests. Process context.
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
        // SAFETY: The memory is large enough, does not move, and is nobody else's yet; name and
        // class are static.
        unsafe {
            bindings::rust_ipvs_helper_init_delayed_work(
                job.head.0.get(),
                Some(run::<R>),
                name.as_char_ptr(),
                class.as_ptr(),
            );
        }
        // INVARIANT: Initialised just above.
        Ok(Self(job))
    }

    /// A handle by which others queue the work; what the work runs may keep it.
    pub(crate) fn handle(&self) -> WorkHandle {
        WorkHandle(self.0.clone())
    }
}

impl Drop for PeriodicWork {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Queues a [`PeriodicWork`]; does nothing once that is gone. Any context.
#[derive(Clone)]
pub(crate) struct WorkHandle(Arc<dyn Queued>);

impl WorkHandle {
    /// Has the work run in `jiffies`, unless it is queued already.
    ///
    /// A run that begins after this sees everything that was written before.
    pub(crate) fn queue(&self, jiffies: u32) {
        self.0.head().queue(jiffies);
    }

    /// Has the work run at once, whatever it was queued for.
    pub(crate) fn queue_now(&self) {
        // SAFETY: Initialised, by the type invariant of `Head`.
        unsafe { bindings::rust_ipvs_helper_mod_delayed_work(self.0.head().0.get(), 0) };
    }
}

impl Head {
    fn queue(&self, jiffies: u32) {
        // SAFETY: Initialised, by the type invariant. Work that is pending stays as it is, and work
        // that is disabled is not queued.
        unsafe { bindings::rust_ipvs_helper_queue_delayed_work(self.0.get(), jiffies as usize) };
    }
}

/// Runs a job and queues it again.
///
/// # Safety
///
/// `work` must be the work inside the `delayed_work` of a live `Job<R>`, and run now.
unsafe extern "C" fn run<R>(work: *mut bindings::work_struct)
where
    R: FnMut(&Process) -> Option<u32> + Send,
{
    // SAFETY: By the contract of this function.
    let delayed = unsafe { container_of!(work, bindings::delayed_work, work) };
    // SAFETY: As above; the head is the first field of the job, which lives until its
    // `PeriodicWork` has waited for this run.
    let job = unsafe { &*delayed.cast::<Job<R>>() };
    // SAFETY: The work runs, so by the type invariant nobody else has what it runs.
    let work = unsafe { &mut *job.run.get() };
    // INVARIANT: The workqueue runs this, in a thread of its own and without locks.
    let again = work.as_mut().and_then(|work| work(&Process(PhantomData)));
    if let Some(jiffies) = again {
        job.head.queue(jiffies);
    }
}
