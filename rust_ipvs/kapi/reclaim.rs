// SPDX-License-Identifier: GPL-2.0

//! Dropping what takes long, in process context, after its grace period.
//!
//! C headers: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h),
//! [`include/linux/llist.h`](srctree/include/linux/llist.h)
//!
//! RCU calls back in softirq context, where nothing should take longer than some microseconds. What
//! does is put in a list by its callback, and dropped by a work. RCU is done with the head of what
//! it calls back for, so the list is linked by that.

use super::work::{
    PeriodicWork,
    Process,
    WorkHandle, //
};
use crate::bindings;
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Full,
        Relaxed,
        Release, //
    },
};

/// Callback that drops an object, given its head.
pub(super) type Callback = unsafe extern "C" fn(*mut bindings::callback_head);

/// The address of the head of what waits for the work, the last that came first.
static WAITING: Atomic<usize> = Atomic::new(0);
/// The address of the [`WorkHandle`] that queues the work, from `KBox::into_raw`; 0 while there is
/// none.
static HANDLE: Atomic<usize> = Atomic::new(0);

/// The work that drops what takes long.
///
/// There is at most one, of the module; it is made before anything is queued for RCU, and dropped
/// when [`rcu::drain`](super::rcu::drain) has returned after the last.
pub(crate) struct Reclaimer(#[expect(dead_code)] PeriodicWork);

impl Reclaimer {
    /// Makes the work. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EBUSY` if there is one.
    pub(crate) fn new() -> Result<Self> {
        let work = PeriodicWork::new(|process: &Process| {
            run(process);
            None
        })?;
        let handle = KBox::into_raw(KBox::new(work.handle(), GFP_KERNEL)?);
        if HANDLE.cmpxchg(0, handle as usize, Full).is_err() {
            // SAFETY: From `into_raw` just above, and nobody else has it.
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
            // SAFETY: From `into_raw` in `new`. No callback is under way any more that could use
            // it.
            drop(unsafe { KBox::from_raw(handle) });
        }
    }
}

/// Has `callback` called with `head` by the work, or now if there is none. Any context.
///
/// # Safety
///
/// `head` must be valid until it is given to `callback`, and nobody else's. `callback` must be
/// sound to call with it, in any context.
pub(super) unsafe fn later(head: *mut bindings::callback_head, callback: Callback) {
    // SAFETY: It is freed when no callback is under way any more.
    let Some(handle) = (unsafe { (HANDLE.load(Acquire) as *const WorkHandle).as_ref() }) else {
        // SAFETY: By the contract of this function.
        return unsafe { callback(head) };
    };
    // SAFETY: The head is ours, by the contract of this function.
    unsafe { (*head).func = Some(callback) };
    let mut first = WAITING.load(Relaxed);
    loop {
        // SAFETY: As above, until it is in the list.
        unsafe { (*head).next = first as *mut bindings::callback_head };
        match WAITING.cmpxchg(first, head as usize, Release) {
            Ok(_) => break,
            Err(other) => first = other,
        }
    }
    handle.queue(0);
}

/// Drops all that waits.
fn run(process: &Process) {
    let mut next = WAITING.xchg(0, Acquire) as *mut bindings::callback_head;
    while !next.is_null() {
        let head = next;
        // SAFETY: Taken out of the list, so it is ours: as `later` left it.
        let callback = unsafe {
            next = (*head).next;
            (*head).func
        };
        if let Some(callback) = callback {
            // SAFETY: By the contract of `later`.
            unsafe { callback(head) };
        }
        process.give_way();
    }
}
