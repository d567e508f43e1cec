// SPDX-License-Identifier: GPL-2.0

//! Notification of network devices that come, change, go down or are unregistered.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{
//! #     devices::{DeviceListener, DeviceNotifier, DeviceRef},
//! #     net::Net,
//! # };
//! struct Routes;
//! impl DeviceListener for Routes {
//!     fn device_came(_: &Net, _: DeviceRef<'_>) {}
//!
//!     fn device_lost(net: &Net) {
//!         pr_info!("initial namespace: {}\n", net.is_initial());
//!     }
//!
//!     fn device_left(_: &Net, _: DeviceRef<'_>) {}
//!
//!     fn device_changed(_: &Net) {}
//! }
//! static DEVICES: DeviceNotifier<Routes> = DeviceNotifier::new();
//!
//! let guard = DEVICES.register()?;
//! // `Routes::device_lost()` is called until the guard is dropped.
//! # Ok::<(), Error>(())
//! ```

use super::net::Net;
use crate::bindings;
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    error::to_result,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
};

/// Network device (C: `struct net_device`) that an event is about.
///
/// # Invariants
///
/// The pointer is to a registered device, or to one that is being unregistered. It is valid for
/// `'a`, during which the caller holds RTNL.
#[derive(Clone, Copy)]
pub(crate) struct DeviceRef<'a>(NonNull<bindings::net_device>, PhantomData<&'a ()>);

impl DeviceRef<'_> {
    /// Creates a reference from a pointer of C code.
    ///
    /// # Safety
    ///
    /// `dev` must be the address of a device that stays valid for the lifetime of the result, and
    /// RTNL must be held as long.
    pub(super) unsafe fn from_raw(dev: *mut bindings::net_device) -> Option<Self> {
        // INVARIANT: By the contract of this function.
        NonNull::new(dev).map(|dev| Self(dev, PhantomData))
    }

    /// Returns the C structure.
    pub(super) fn as_ptr(self) -> *mut bindings::net_device {
        self.0.as_ptr()
    }
}

/// Receiver of device events. All are called in process context, under RTNL.
pub(crate) trait DeviceListener: 'static {
    /// Handles a device that was registered in `net`, or moved to it.
    fn device_came(net: &Net, device: DeviceRef<'_>);

    /// Handles a device of `net` that goes down. Called again while the device is unregistered;
    /// that waits until all references to the device have been dropped, so cached routes must be
    /// dropped here.
    fn device_lost(net: &Net);

    /// Handles a device that is unregistered, or is about to leave `net` for another namespace.
    /// Called before [`Self::device_lost`] for the same event, and again while unregistering waits
    /// for references. When it returns, the device may be freed.
    fn device_left(net: &Net, device: DeviceRef<'_>);

    /// Handles any event of a device of `net`, before the others.
    fn device_changed(net: &Net);
}

/// Number of an event in `rust_ipvs_helper_kind_of_event()`: the device came.
const CAME: u32 = 1;
/// The device goes down.
const DOWN: u32 = 2;
/// The device leaves.
const LEFT: u32 = 3;

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
        // INVARIANT: The block is that of a static, and was registered just above.
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
        // SAFETY: By the contract of this function `info` is that of `event`, whose device is valid
        // during the call. The chain is called under RTNL.
        let device =
            unsafe { DeviceRef::from_raw(bindings::rust_ipvs_helper_device_of_event(info)) };
        let Some(device) = device else {
            return bindings::NOTIFY_DONE as c_int;
        };
        // SAFETY: The namespace of a device is live as long as the device is in it, and a device
        // changes its namespace under RTNL, which is held during the call.
        let net =
            unsafe { Net::from_raw(bindings::rust_ipvs_helper_net_of_device(device.as_ptr())) };
        L::device_changed(net);
        // SAFETY: The function compares numbers.
        match unsafe { bindings::rust_ipvs_helper_kind_of_event(event) } {
            CAME => L::device_came(net, device),
            DOWN => L::device_lost(net),
            LEFT => {
                L::device_left(net, device);
                L::device_lost(net);
            }
            _ => {}
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
