// SPDX-License-Identifier: GPL-2.0

//! Modules that must not come while this one is there.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)
//!
//! # Examples
//!
//! ```ignore
//! static OTHER: Exclusion = Exclusion::new(c"other");
//! let guard = OTHER.register()?;
//! // "modprobe other" fails with EBUSY, before any of its code runs, until the guard is dropped.
//! ```

use crate::bindings;
use core::{cell::UnsafeCell, ptr};
use kernel::{
    error::to_result,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
    str::CStrExt,
};

/// The name of a module that is not to be loaded. One that is loaded already stays.
///
/// # Invariants
///
/// `block` comes first, so that a pointer to it is one to the whole.
#[repr(C)]
pub(crate) struct Exclusion {
    block: UnsafeCell<bindings::notifier_block>,
    name: &'static CStr,
}

// SAFETY: The kernel alone changes the block, under its own lock; the name is only read.
unsafe impl Sync for Exclusion {}

impl Exclusion {
    /// Excludes nothing yet.
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self {
            block: UnsafeCell::new(bindings::notifier_block {
                notifier_call: Some(Self::called),
                next: ptr::null_mut(),
                priority: 0,
            }),
            name,
        }
    }

    /// Excludes it until the guard is dropped. There may be one guard at a time.
    ///
    /// # Errors
    ///
    /// `EEXIST` where there is a guard.
    pub(crate) fn register(&'static self) -> Result<ExclusionGuard> {
        // SAFETY: The block is static, and its function can be called with it; the kernel refuses
        // to register one twice.
        to_result(unsafe {
            bindings::rust_ipvs_helper_register_module_notifier(self.block.get())
        })?;
        Ok(ExclusionGuard(self))
    }

    /// Returns what the kernel calls when a module's state changes. It asks before a new module's
    /// first code runs, and takes an error for an error.
    ///
    /// # Safety
    ///
    /// `block` must be that of an `Exclusion`, and `module` a `struct module`.
    unsafe extern "C" fn called(
        block: *mut bindings::notifier_block,
        event: c_ulong,
        module: *mut c_void,
    ) -> c_int {
        if event != bindings::module_state_MODULE_STATE_COMING as c_ulong {
            return bindings::NOTIFY_DONE as c_int;
        }
        // SAFETY: By the invariant of the type, and the contract of this function.
        let this = unsafe { &*block.cast_const().cast::<Self>() };
        // SAFETY: A module has a name, which ends in a zero byte, and so does ours.
        let ours = unsafe {
            bindings::rust_ipvs_helper_module_has_name(module.cast(), this.name.as_char_ptr())
        };
        if !ours {
            return bindings::NOTIFY_DONE as c_int;
        }
        pr_err!(
            "{} cannot be loaded beside this module: unload this one first\n",
            this.name
        );
        // SAFETY: The function only computes a value from its argument.
        unsafe { bindings::rust_ipvs_helper_notifier_from_errno(EBUSY.to_errno()) }
    }
}

/// Excludes a module until it is dropped, which waits for a call that goes on.
pub(crate) struct ExclusionGuard(&'static Exclusion);

impl Drop for ExclusionGuard {
    fn drop(&mut self) {
        // SAFETY: It was registered by whoever made this guard.
        unsafe { bindings::rust_ipvs_helper_unregister_module_notifier(self.0.block.get()) };
    }
}
