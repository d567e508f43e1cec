// SPDX-License-Identifier: GPL-2.0

//! Notification of network devices that go down or are unregistered.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{
//! #     devices::{DeviceListener, DeviceNotifier},
//! #     net::Net,
//! # };
//! struct Routes;
//! impl DeviceListener for Routes {
//!     fn device_lost(net: &Net) {
//!         pr_info!("initial namespace: {}\n", net.is_initial());
//!     }
//! }
//! static DEVICES: DeviceNotifier<Routes> = DeviceNotifier::new();
//!
//! let guard = DEVICES.register()?;
//! // `Routes::device_lost()` is called until the guard is dropped.
//! # Ok::<(), Error>(())
//! ```

use super::net::Net;
use crate::bindings;
use core::{cell::UnsafeCell, marker::PhantomData, ptr};
use kernel::{
    error::to_result,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
};

/// Receiver of device events.
pub(crate) trait DeviceListener: 'static {
    /// Handles a device of `net` that goes down. Called again while the device is unregistered;
    /// that waits until all references to the device have been dropped, so cached routes must be
    /// dropped here. Process context, under RTNL.
    fn device_lost(net: &Net);
}

/// A notifier block for network devices, whose function is that of `L`.
pub(crate) struct DeviceNotifier<L> {
    block: UnsafeCell<bindings::notifier_block>,
    listener: PhantomData<fn() -> L>,
}

// SAFETY: Only the notifier chain writes the block, under its lock. There is no other data.
unsafe impl<L> Sync for DeviceNotifier<L> {}

impl<L: DeviceListener> DeviceNotifier<L> {
    /// Creates a notifier that is not registered.
    pub(crate) const fn new() -> Self {
        Self {
            block: UnsafeCell::new(bindings::notifier_block {
                notifier_call: Some(Self::called),
                next: ptr::null_mut(),
                priority: 0,
            }),
            listener: PhantomData,
        }
    }

    /// Registers the notifier until the guard is dropped. Process context; takes RTNL. There can be
    /// one guard at a time.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is a guard, or another error of the registration.
    pub(crate) fn register(&'static self) -> Result<DeviceNotifierGuard> {
        let block = self.block.get();
        // SAFETY: The block is static, its callback may be called with any block, and the chain
        // refuses to register a block twice.
        to_result(unsafe { bindings::rust_ipvs_helper_register_netdevice_notifier(block) })?;
        Ok(DeviceNotifierGuard(block))
    }

    /// The notifier callback. Calls the listener for the events that it handles.
    ///
    /// # Safety
    ///
    /// `info` must be the `struct netdev_notifier_info` of `event`, as the kernel's chain gives it.
    unsafe extern "C" fn called(
        _block: *mut bindings::notifier_block,
        event: c_ulong,
        info: *mut c_void,
    ) -> c_int {
        // SAFETY: By the contract of this function `info` is that of `event`. Its device has a
        // namespace, which is live during the call.
        let net = unsafe { bindings::rust_ipvs_helper_net_of_lost_device(event, info) };
        if !net.is_null() {
            // SAFETY: The pointer is to a namespace that is live during the call, as argued above.
            L::device_lost(unsafe { Net::from_raw(net) });
        }
        bindings::NOTIFY_DONE as c_int
    }
}

/// Keeps a notifier registered. Dropping it waits for callbacks that are running. Process context;
/// takes RTNL.
///
/// # Invariants
///
/// The block is static and registered.
pub(crate) struct DeviceNotifierGuard(*mut bindings::notifier_block);

// SAFETY: A notifier may be unregistered from any thread.
unsafe impl Send for DeviceNotifierGuard {}
// SAFETY: There are no methods on a shared reference.
unsafe impl Sync for DeviceNotifierGuard {}

impl Drop for DeviceNotifierGuard {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the notifier is registered, and this is the only call that
        // undoes it.
        unsafe { bindings::rust_ipvs_helper_unregister_netdevice_notifier(self.0) };
    }
}
