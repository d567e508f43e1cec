// SPDX-License-Identifier: GPL-2.0

//! Dropping large objects in process context, after their grace period.
//!
//! C headers: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h),
//! [`include/linux/llist.h`](srctree/include/linux/llist.h)
//!
//! RCU callbacks run in softirq context, which should not take longer than some microseconds. The
//! callback of a large object puts it in a list, and a work item drops it. RCU does not use the
//! head of an object any more when its callback runs, so the list is linked by the heads. Nothing
//! is allocated, so handing an object over cannot fail.
//!
//! The list is lock-free: callbacks on all CPUs push with a compare-and-exchange, and the work item
//! takes the whole list with an exchange, as `struct llist_head` does. Nothing is popped singly, so
//! there is no ABA problem.

use super::work::{
    PeriodicWork,
    Process,
    WorkHandle, //
};
use crate::bindings;
use kernel::{
    prelude::*,
    static_lock_class,
    sync::atomic::{
        Acquire,
        Atomic,
        Full,
        Relaxed,
        Release, //
    },
};

/// Type of a function that drops an object, given its head.
pub(super) type Callback = unsafe extern "C" fn(*mut bindings::callback_head);

/// Head of the list: the address of the object's head that was pushed last; 0 if the list is empty.
static WAITING: Atomic<usize> = Atomic::new(0);
/// Address of the [`WorkHandle`] that queues the work item, from `KBox::into_raw`; 0 if there is
/// none.
static HANDLE: Atomic<usize> = Atomic::new(0);

/// The work item that drops large objects.
///
/// The module has at most one. It is created before anything is queued for RCU, and dropped after
/// the last [`rcu::drain`](super::rcu::drain) has returned.
pub(crate) struct Reclaimer(#[expect(dead_code)] PeriodicWork);

impl Reclaimer {
    /// Creates the work item. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EBUSY` if there is one.
    pub(crate) fn new() -> Result<Self> {
        let work = PeriodicWork::new(c"reclaim", static_lock_class!(), |process: &Process| {
            run(process);
            None
        })?;
        let handle = KBox::into_raw(KBox::new(work.handle(), GFP_KERNEL)?);
        if HANDLE.cmpxchg(0, handle as usize, Full).is_err() {
            // SAFETY: `handle` came from `into_raw` just above and was not published, so nobody
            // else has it.
            drop(unsafe { KBox::from_raw(handle) });
            return Err(EBUSY);
        }
        Ok(Self(work))
    }
}

impl Drop for Reclaimer {
    fn drop(&mut self) {
        let handle = HANDLE.xchg(0, Full) as *mut WorkHandle;
        if !handle.is_null() {
            // SAFETY: The address came from `into_raw` in `new`, and the exchange took it, so it is
            // used once. No callback that could be using it is running, because `drain` has
            // returned.
            drop(unsafe { KBox::from_raw(handle) });
        }
    }
}

/// Makes the work item call `callback` with `head`. Calls it at once if there is no work item. Any
/// context.
///
/// # Safety
///
/// `head` must be valid until it is passed to `callback`, and nobody else may access it. `callback`
/// must be sound to call with it, in softirq as well as in process context.
pub(super) unsafe fn later(head: *mut bindings::callback_head, callback: Callback) {
    // SAFETY: The address is null or that of a handle, which is freed only after all callbacks have
    // run; this function is called by such a callback.
    let Some(handle) = (unsafe { (HANDLE.load(Acquire) as *const WorkHandle).as_ref() }) else {
        // SAFETY: By the contract of this function `callback` may be called with `head` in this
        // context.
        return unsafe { callback(head) };
    };
    // SAFETY: By the contract of this function `head` is valid and nobody else accesses it.
    unsafe { (*head).func = Some(callback) };
    let mut first = WAITING.load(Relaxed);
    loop {
        // SAFETY: By the contract of this function `head` is valid, and nobody else accesses it
        // before the exchange has published it.
        unsafe { (*head).next = first as *mut bindings::callback_head };
        match WAITING.cmpxchg(first, head as usize, Release) {
            Ok(_) => break,
            Err(other) => first = other,
        }
    }
    handle.queue(0);
}

/// Drops all objects of the list. Called by the work item, in process context. Yields the CPU after
/// each object if that is needed.
fn run(process: &Process) {
    let mut next = WAITING.xchg(0, Acquire) as *mut bindings::callback_head;
    while !next.is_null() {
        let head = next;
        // SAFETY: The exchange took the list, so this call owns its heads. `later` initialised both
        // fields, and Acquire makes them visible.
        let callback = unsafe {
            next = (*head).next;
            (*head).func
        };
        if let Some(callback) = callback {
            // SAFETY: By the contract of `later`, `callback` may be called with `head` in process
            // context. `head` is not used afterwards.
            unsafe { callback(head) };
        }
        process.give_way();
    }
}
