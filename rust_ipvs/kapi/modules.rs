// SPDX-License-Identifier: GPL-2.0

//! Blocks loading of a named module while this one is loaded.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)
//!
//! A module notifier sees each module before its first code runs, and may refuse it. Two modules
//! that register the same netlink family or hooks would otherwise fail at some later step, or both
//! process packets.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::modules::Exclusion;
//! static OTHER: Exclusion = Exclusion::new(c"other");
//!
//! let guard = OTHER.register()?;
//! // "modprobe other" fails with EBUSY, before any of its code runs, until the guard is dropped.
//! # Ok::<(), Error>(())
//! ```

use crate::bindings;
use core::{cell::UnsafeCell, ptr};
use kernel::{
    error::to_result,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
    str::CStrExt,
};

/// Notifier that blocks loading of the module `name`. A module that is loaded already is not
/// affected.
///
/// # Invariants
///
/// `block` is the first field, so its address is that of the whole structure.
#[repr(C)]
pub(crate) struct Exclusion {
    block: UnsafeCell<bindings::notifier_block>,
    name: &'static CStr,
}

// SAFETY: Only the notifier chain writes the block, under its lock. The name is only read.
unsafe impl Sync for Exclusion {}

impl Exclusion {
    /// Creates a notifier that is not registered.
    pub(crate) const fn new(name: &'static CStr) -> Self {
        // INVARIANT: The structure is laid out as C does it, and `block` is declared first.
        Self {
            block: UnsafeCell::new(bindings::notifier_block {
                notifier_call: Some(Self::called),
                next: ptr::null_mut(),
                priority: 0,
            }),
            name,
        }
    }

    /// Blocks the module until the guard is dropped. Process context; sleeps. There can be one
    /// guard at a time.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is a guard.
    pub(crate) fn register(&'static self) -> Result<ExclusionGuard> {
        // SAFETY: The block is static, its callback may be called with it, and the chain refuses to
        // register a block twice.
        to_result(unsafe {
            bindings::rust_ipvs_helper_register_module_notifier(self.block.get())
        })?;
        Ok(ExclusionGuard(self))
    }

    /// The notifier callback. Returns an error for the named module if `event` is
    /// `MODULE_STATE_COMING`, which is sent before a module's first code runs and makes loading it
    /// fail. Process context.
    ///
    /// # Safety
    ///
    /// `block` must be that of an `Exclusion`, and `module` a valid `struct module`.
    unsafe extern "C" fn called(
        block: *mut bindings::notifier_block,
        event: c_ulong,
        module: *mut c_void,
    ) -> c_int {
        if event != bindings::module_state_MODULE_STATE_COMING as c_ulong {
            return bindings::NOTIFY_DONE as c_int;
        }
        // SAFETY: By the contract of this function `block` is that of an `Exclusion`, and by the
        // type invariant it has the address of the whole.
        let this = unsafe { &*block.cast_const().cast::<Self>() };
        // SAFETY: By the contract of this function `module` is valid. Both names are terminated.
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
        // SAFETY: The function computes its result from its argument and accesses no memory.
        unsafe { bindings::rust_ipvs_helper_notifier_from_errno(EBUSY.to_errno()) }
    }
}

/// Keeps a module blocked. Dropping it waits for a callback that is running; process context.
pub(crate) struct ExclusionGuard(&'static Exclusion);

impl Drop for ExclusionGuard {
    fn drop(&mut self) {
        // SAFETY: A guard exists only after the block was registered, and only this call
        // unregisters it.
        unsafe { bindings::rust_ipvs_helper_unregister_module_notifier(self.0.block.get()) };
    }
}
