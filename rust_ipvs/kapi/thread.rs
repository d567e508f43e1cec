// SPDX-License-Identifier: GPL-2.0

//! Kernel threads that run until they are stopped, and a flag to wake them.
//!
//! C headers: [`include/linux/kthread.h`](srctree/include/linux/kthread.h),
//! [`include/linux/wait.h`](srctree/include/linux/wait.h)
//!
//! Dropping a [`Thread`] stops it and waits for its end, so a module that has dropped its threads
//! can be unloaded. A routine must sleep only in ways that end when it is to stop:
//! [`Running::rest`] for a short time, [`WakeFlag::wait`] until it is woken.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{
//! #     thread::{Routine, Running, Thread, WakeFlag},
//! #     time::HZ,
//! # };
//! # use kernel::sync::Arc;
//! #[pin_data]
//! struct Sender {
//!     #[pin]
//!     flag: WakeFlag,
//! }
//!
//! impl Routine for Sender {
//!     fn run(&self, running: &Running) {
//!         while !running.is_to_stop() {
//!             self.flag.wait(running, HZ);
//!         }
//!     }
//! }
//!
//! # fn example() -> Result {
//! let sender = Arc::pin_init(pin_init!(Sender { flag <- WakeFlag::new() }), GFP_KERNEL)?;
//! let thread = Thread::start(sender.clone(), c"sender")?;
//! sender.flag.wake();
//! // Stops it, and waits for its end.
//! drop(thread);
//! # Ok(())
//! # }
//! ```

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
    /// The body of the thread. Process context, without locks; may sleep. Must return soon after
    /// [`Running::is_to_stop`] returns `true`.
    fn run(&self, running: &Running);
}

/// Proof of running in a [`Thread`].
///
/// # Invariants
///
/// Exists only while the routine of a kernel thread runs, and only in that thread, because it is
/// not `Send`.
pub(crate) struct Running(PhantomData<*const ()>);

impl Running {
    /// Returns `true` if the thread is to stop (C: `kthread_should_stop()`).
    pub(crate) fn is_to_stop(&self) -> bool {
        // SAFETY: By the type invariant the current task is a kernel thread.
        unsafe { bindings::kthread_should_stop() }
    }

    /// Sleeps for `jiffies`. A stop request ends the sleep.
    pub(crate) fn rest(&self, jiffies: u32) {
        // SAFETY: By the type invariant this is process context in a kernel thread.
        unsafe { bindings::schedule_timeout_idle(jiffies as c_long) };
    }
}

/// A running kernel thread. Dropping it stops the thread and sleeps until that has ended.
///
/// # Invariants
///
/// - `task` is a kernel thread that runs [`entry::<R>`] with `routine`, and this value owns a
///   reference to the task.
/// - `routine` came from `Arc::into_raw`, and this value owns that reference.
pub(crate) struct Thread<R: Routine> {
    task: NonNull<bindings::task_struct>,
    routine: *const R,
}

// SAFETY: A thread may be stopped from any other one, and `R: Send + Sync`.
unsafe impl<R: Routine> Send for Thread<R> {}
// SAFETY: A shared reference gives the number of the task only, which does not change.
unsafe impl<R: Routine> Sync for Thread<R> {}

impl<R: Routine> Thread<R> {
    /// Starts a thread that runs `routine`. The first 15 bytes of `name` show in lists of
    /// processes. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINTR` if the caller receives a fatal signal.
    pub(crate) fn start(routine: Arc<R>, name: &CStr) -> Result<Self> {
        let routine = Arc::into_raw(routine);
        // SAFETY: `routine` is valid until the thread has ended, because `drop` waits for that
        // before it drops the reference. `entry::<R>` takes such a pointer. The format has one
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
                // SAFETY: A thread that was created and not woken does not end, so `task` is valid.
                unsafe {
                    bindings::rust_ipvs_helper_get_task(task.as_ptr());
                    bindings::wake_up_process(task.as_ptr());
                }
                // INVARIANT: The thread was created with this function and argument, and a
                // reference to it was taken just above.
                Ok(Self { task, routine })
            }
            Err(error) => {
                // SAFETY: `routine` came from `into_raw` above. There is no thread that has it.
                drop(unsafe { Arc::from_raw(routine) });
                Err(error)
            }
        }
    }
}

impl<R: Routine> Thread<R> {
    /// Returns the PID of the thread in the initial PID namespace.
    pub(crate) fn pid(&self) -> i32 {
        // SAFETY: By the type invariant this value owns a reference to the task, so it is valid.
        unsafe { bindings::rust_ipvs_helper_task_pid(self.task.as_ptr()) }
    }
}

impl<R: Routine> Drop for Thread<R> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this value owns a reference to a kernel thread, which the
        // call consumes. When it returns, the thread has ended or was never scheduled.
        unsafe { bindings::kthread_stop_put(self.task.as_ptr()) };
        // SAFETY: By the type invariant `routine` came from `Arc::into_raw`, and this value owns
        // that reference. The thread has ended.
        drop(unsafe { Arc::from_raw(self.routine) });
    }
}

/// The C function of a thread.
///
/// # Safety
///
/// `routine` must be the address of an `R` that lives until this function returns. Must be called
/// as the function of a kernel thread.
unsafe extern "C" fn entry<R: Routine>(routine: *mut c_void) -> c_int {
    // SAFETY: By the contract of this function `routine` is a valid `R`.
    let routine = unsafe { &*routine.cast_const().cast::<R>() };
    // INVARIANT: By the contract of this function this runs in a kernel thread.
    R::run(routine, &Running(PhantomData));
    0
}

/// A wait queue with a flag, by which any context wakes a thread.
///
/// The flag keeps a wake-up that happens while the thread is not waiting.
///
/// # Invariants
///
/// Both fields are initialised. `woken` is accessed by atomic loads, stores and exchanges only.
#[pin_data]
pub(crate) struct WakeFlag {
    #[pin]
    queue: Opaque<bindings::wait_queue_head_t>,
    /// 1 from [`WakeFlag::wake`] until the thread has seen it, else 0.
    woken: Opaque<c_uint>,
}

// SAFETY: A wait queue may be used and freed in any thread, as long as nobody waits.
unsafe impl Send for WakeFlag {}
// SAFETY: A wait queue has a lock of its own, and `woken` is accessed atomically.
unsafe impl Sync for WakeFlag {}

impl WakeFlag {
    /// Creates a flag that is not set.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            queue <- Opaque::ffi_init(|queue| {
                // SAFETY: `Opaque::ffi_init` passes memory for a wait queue that is pinned.
                unsafe { bindings::rust_ipvs_helper_init_wait_queue(queue) }
            }),
            woken: Opaque::new(0),
        })
    }

    /// Sets the flag and wakes the thread if it is waiting. Any context. What was written before is
    /// visible to the thread when it returns from [`WakeFlag::wait`].
    pub(crate) fn wake(&self) {
        // SAFETY: By the type invariant the queue and the flag are initialised.
        unsafe { bindings::rust_ipvs_helper_wake(self.queue.get(), self.woken.get()) };
    }

    /// Sleeps until the flag is set, for `jiffies` at most, and clears it. Returns at once if the
    /// flag was set since the last call, or if the thread is to stop.
    pub(crate) fn wait(&self, _: &Running, jiffies: u32) {
        // SAFETY: By the type invariant the queue and the flag are initialised. By the type
        // invariant of `Running` this is process context in a kernel thread.
        unsafe {
            bindings::rust_ipvs_helper_wait_for_wake(
                self.queue.get(),
                self.woken.get(),
                jiffies as c_long,
            );
        }
    }
}
