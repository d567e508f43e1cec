// SPDX-License-Identifier: GPL-2.0

//! Threads of the kernel that run until they are stopped.
//!
//! C headers: [`include/linux/kthread.h`](srctree/include/linux/kthread.h),
//! [`include/linux/wait.h`](srctree/include/linux/wait.h)
//!
//! A [`Thread`] that is dropped is told to stop, and waited for: a module that dropped its threads
//! can go. A routine sleeps only in ways that end when it is to stop: [`Running::rest`] for a short
//! time, [`WakeFlag::wait`] until it is woken.

use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    error::from_err_ptr,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// Routine of a [`Thread`].
pub(crate) trait Routine: Send + Sync + 'static {
    /// Runs in process context, once; returns soon after [`Running::is_to_stop`] says so.
    fn run(&self, running: &Running);
}

/// Evidence of being in a [`Thread`].
///
/// # Invariants
///
/// Exists only while a routine of a kernel thread runs, and in that thread.
pub(crate) struct Running(PhantomData<*const ()>);

impl Running {
    /// Returns whether the thread is to stop.
    pub(crate) fn is_to_stop(&self) -> bool {
        // SAFETY: This is a kernel thread, by the type invariant.
        unsafe { bindings::kthread_should_stop() }
    }

    /// Sleeps for so many jiffies.
    pub(crate) fn rest(&self, jiffies: u32) {
        // SAFETY: Process context, by the type invariant.
        unsafe { bindings::schedule_timeout_idle(jiffies as c_long) };
    }
}

/// A running thread; dropping it stops it.
///
/// # Invariants
///
/// `task` is a kernel thread that runs [`entry::<R>`] with `routine`, of which this value owns a
/// reference; `routine` came from `Arc::into_raw`, and this value owns that reference too.
pub(crate) struct Thread<R: Routine> {
    task: NonNull<bindings::task_struct>,
    routine: *const R,
}

// SAFETY: The task may be stopped from anywhere, and the routine is shareable.
unsafe impl<R: Routine> Send for Thread<R> {}
// SAFETY: There are no methods on a shared reference.
unsafe impl<R: Routine> Sync for Thread<R> {}

impl<R: Routine> Thread<R> {
    /// Starts a thread, by a name of which the first 15 bytes are seen.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINTR` where the caller is being killed.
    pub(crate) fn start(routine: Arc<R>, name: &CStr) -> Result<Self> {
        let routine = Arc::into_raw(routine);
        // SAFETY: `routine` lives until the thread has ended, see `drop`; the format takes one
        // string, which is copied.
        let task = unsafe {
            bindings::kthread_create_on_node(
                Some(entry::<R>),
                routine.cast_mut().cast(),
                bindings::NUMA_NO_NODE,
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        };
        let task = from_err_ptr(task).and_then(|task| NonNull::new(task).ok_or(ENOMEM));
        match task {
            Ok(task) => {
                // SAFETY: A thread that was created does not go before it was woken.
                unsafe {
                    bindings::rust_ipvs_helper_get_task(task.as_ptr());
                    bindings::wake_up_process(task.as_ptr());
                }
                // INVARIANT: Created with this function and argument, and a reference taken, just
                // above.
                Ok(Self { task, routine })
            }
            Err(error) => {
                // SAFETY: From `into_raw` above, and no thread has it.
                drop(unsafe { Arc::from_raw(routine) });
                Err(error)
            }
        }
    }
}

impl<R: Routine> Thread<R> {
    /// Returns the number of the thread, in the namespace of the first process.
    pub(crate) fn pid(&self) -> i32 {
        // SAFETY: This value has a reference to the task, by the type invariant.
        unsafe { bindings::rust_ipvs_helper_task_pid(self.task.as_ptr()) }
    }
}

impl<R: Routine> Drop for Thread<R> {
    fn drop(&mut self) {
        // SAFETY: A kernel thread that this value has a reference to, which is given up here. Once
        // this returns the thread has ended, or never began.
        unsafe { bindings::kthread_stop_put(self.task.as_ptr()) };
        // SAFETY: By the type invariant; the thread does not use it any more.
        drop(unsafe { Arc::from_raw(self.routine) });
    }
}

/// The function of a thread.
///
/// # Safety
///
/// `routine` must be an `R` that lives as long as the thread.
unsafe extern "C" fn entry<R: Routine>(routine: *mut c_void) -> c_int {
    // SAFETY: By the contract of this function.
    let routine = unsafe { &*routine.cast_const().cast::<R>() };
    // INVARIANT: Called by `kthread()`, in the new thread.
    R::run(routine, &Running(PhantomData));
    0
}

/// A wait queue with a flag, by which others wake a thread.
///
/// # Invariants
///
/// Both are initialised; `woken` is accessed by single loads, stores and exchanges.
#[pin_data]
pub(crate) struct WakeFlag {
    #[pin]
    queue: Opaque<bindings::wait_queue_head_t>,
    /// 1 from when it was set until the thread has seen it.
    woken: Opaque<c_uint>,
}

// SAFETY: Wait queues are made to be shared.
unsafe impl Send for WakeFlag {}
// SAFETY: Wait queues are made to be shared.
unsafe impl Sync for WakeFlag {}

impl WakeFlag {
    /// Creates a flag that is not set.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            queue <- Opaque::ffi_init(|queue| {
                // SAFETY: The memory is large enough, and does not move.
                unsafe { bindings::rust_ipvs_helper_init_wait_queue(queue) }
            }),
            woken: Opaque::new(0),
        })
    }

    /// Wakes the thread that waits, or that will. Any context.
    pub(crate) fn wake(&self) {
        // SAFETY: Initialised, by the type invariant.
        unsafe { bindings::rust_ipvs_helper_wake(self.queue.get(), self.woken.get()) };
    }

    /// Waits until the flag is set, or was since the last call, at most `jiffies`; not at all if
    /// the thread is to stop.
    pub(crate) fn wait(&self, _: &Running, jiffies: u32) {
        // SAFETY: Initialised, by the type invariant; process context, in a kernel thread, by that
        // of `Running`.
        unsafe {
            bindings::rust_ipvs_helper_wait_for_wake(
                self.queue.get(),
                self.woken.get(),
                jiffies as c_long,
            );
        }
    }
}
