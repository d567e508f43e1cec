// SPDX-License-Identifier: GPL-2.0

//! Network devices that go down or away.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! # Examples
//!
//! ```ignore
//! static DEVICES: DeviceNotifier<NetnsIpvs> = DeviceNotifier::new();
//! let guard = DEVICES.register()?;
//! // `NetnsIpvs::device_lost()` is called until the guard is dropped.
//! ```

use super::net::Net;
use crate::bindings;
use core::{cell::UnsafeCell, marker::PhantomData, ptr};
use kernel::{
    error::to_result,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
};

/// Is told of devices.
pub(crate) trait DeviceListener: 'static {
    /// Is called when a device of `net` goes down, and again while it is unregistered, which waits
    /// until no reference to it is left. Process context, under RTNL.
    fn device_lost(net: &Net);
}

/// A notifier block for network devices, whose function is that of `L`.
pub(crate) struct DeviceNotifier<L> {
    block: UnsafeCell<bindings::notifier_block>,
    listener: PhantomData<fn() -> L>,
}

// SAFETY: The kernel alone changes the block, under its own lock; the rest has no data.
unsafe impl<L> Sync for DeviceNotifier<L> {}

impl<L: DeviceListener> DeviceNotifier<L> {
    /// Makes a notifier that is not registered.
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

    /// Registers it until the guard is dropped. There may be one guard at a time.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is a guard; those of the kernel's registration.
    pub(crate) fn register(&'static self) -> Result<DeviceNotifierGuard> {
        let block = self.block.get();
        // SAFETY: The block is static, and its function can be called with any block; the kernel
        // refuses to register one twice.
        to_result(unsafe { bindings::rust_ipvs_helper_register_netdevice_notifier(block) })?;
        Ok(DeviceNotifierGuard(block))
    }

    /// Tells the listener of events that it is about.
    ///
    /// # Safety
    ///
    /// `info` must be the `struct netdev_notifier_info` of `event`, as the kernel's chain gives it.
    unsafe extern "C" fn called(
        _block: *mut bindings::notifier_block,
        event: c_ulong,
        info: *mut c_void,
    ) -> c_int {
        // SAFETY: By the contract of this function. The device has a namespace, which lives as long
        // as the chain is called for it.
        let net = unsafe { bindings::rust_ipvs_helper_net_of_lost_device(event, info) };
        if !net.is_null() {
            // SAFETY: It is a live namespace for the length of this call, as said above.
            L::device_lost(unsafe { Net::from_raw(net) });
        }
        bindings::NOTIFY_DONE as c_int
    }
}

/// Unregisters a notifier when it is dropped, which waits for calls that go on. Takes RTNL.
///
/// # Invariants
///
/// The block is static and registered.
pub(crate) struct DeviceNotifierGuard(*mut bindings::notifier_block);

// SAFETY: Unregistering may be done by any thread.
unsafe impl Send for DeviceNotifierGuard {}
// SAFETY: A shared guard gives access to nothing.
unsafe impl Sync for DeviceNotifierGuard {}

impl Drop for DeviceNotifierGuard {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the notifier is registered, and this is the only call that
        // undoes it.
        unsafe { bindings::rust_ipvs_helper_unregister_netdevice_notifier(self.0) };
    }
}
