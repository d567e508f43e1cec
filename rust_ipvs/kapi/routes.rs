// SPDX-License-Identifier: GPL-2.0

//! Notification of changes of routes and of rules of routing.
//!
//! C header: [`include/net/fib_notifier.h`](srctree/include/net/fib_notifier.h)
//!
//! [`Net::route_generation`](super::net::Net::route_generation) tells of most changes without a
//! call; but not of an IPv6 route that is deleted.

use super::net::Lease;
use crate::bindings;
use core::{
    cell::UnsafeCell,
    ptr, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::Arc, //
};

/// Receiver of changes.
pub(crate) trait RouteListener: Send + Sync + 'static {
    /// Handles a change of the routes, after the routes were changed (IPv6) or before (IPv4). Any
    /// context; must not sleep. Also called, without a change, while the notifier is registered.
    fn routes_changed(&self);
}

/// The notifier block with its receiver.
#[repr(C)]
struct Block<L> {
    block: UnsafeCell<bindings::notifier_block>,
    listener: Arc<L>,
}

/// Notifier of a namespace, registered until it is dropped. Dropping it waits for callbacks that
/// are running; process context.
///
/// # Invariants
///
/// The block is registered in the namespace of the lease and does not move.
pub(crate) struct RouteNotifier<L: RouteListener> {
    lease: Lease,
    block: KBox<Block<L>>,
}

// SAFETY: The block is written by the notifier chain alone, under its lock. The rest is `Send`.
unsafe impl<L: RouteListener> Send for RouteNotifier<L> {}

impl<L: RouteListener> RouteNotifier<L> {
    /// Registers a notifier. Process context; calls the listener for each route that there is.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EBUSY` if routes change all the time.
    pub(crate) fn new(lease: Lease, listener: Arc<L>) -> Result<Self> {
        let block = KBox::new(
            Block {
                block: UnsafeCell::new(bindings::notifier_block {
                    notifier_call: Some(called::<L>),
                    next: ptr::null_mut(),
                    priority: 0,
                }),
                listener,
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The lease makes the namespace live. The block is in a box, which does not move
        // and is dropped after it was unregistered. `called` may be called with it.
        to_result(unsafe {
            bindings::register_fib_notifier(
                lease.as_ptr(),
                block.block.get(),
                None,
                ptr::null_mut(),
            )
        })?;
        // INVARIANT: Registered just above.
        Ok(Self { lease, block })
    }
}

impl<L: RouteListener> Drop for RouteNotifier<L> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the block is registered in this live namespace. The call
        // waits for callbacks that are running.
        unsafe {
            bindings::unregister_fib_notifier(self.lease.as_ptr(), self.block.block.get());
        }
    }
}

/// The notifier callback.
///
/// # Safety
///
/// `block` must be that of a [`Block<L>`].
unsafe extern "C" fn called<L: RouteListener>(
    block: *mut bindings::notifier_block,
    _event: c_ulong,
    _info: *mut c_void,
) -> c_int {
    // SAFETY: By the contract of this function `block` is the first field of a `Block<L>`, which
    // lives until the notifier was unregistered.
    let block = unsafe { &*block.cast::<Block<L>>() };
    block.listener.routes_changed();
    bindings::NOTIFY_DONE as c_int
}
