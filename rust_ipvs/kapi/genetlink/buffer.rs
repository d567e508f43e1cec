// SPDX-License-Identifier: GPL-2.0

//! Buffers of messages that are not part of a dump.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)
//!
//! Process context; allocation may sleep.

use crate::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

/// An owned message buffer that was not sent yet. Dropping it frees it.
///
/// # Invariants
///
/// The pointer is to an `sk_buff` that this value owns.
pub(super) struct Buffer(NonNull<bindings::sk_buff>);

impl Buffer {
    /// Allocates a buffer of a page, which is linear. Process context; may sleep.
    pub(super) fn new() -> Result<Self> {
        // SAFETY: The function allocates memory. `GFP_KERNEL` may sleep, as callers may.
        let skb =
            unsafe { bindings::genlmsg_new(bindings::GENLMSG_DEFAULT_SIZE, bindings::GFP_KERNEL) };
        // INVARIANT: The buffer was allocated just above, and nobody else has it.
        Ok(Self(NonNull::new(skb).ok_or(ENOMEM)?))
    }

    /// Returns a pointer to the buffer, which is valid as long as this value.
    pub(super) fn as_ptr(&self) -> NonNull<bindings::sk_buff> {
        self.0
    }

    /// Converts the buffer into a pointer; the caller then owns it.
    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        core::mem::ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this value owns the buffer, and it is not used afterwards.
        unsafe { bindings::nlmsg_free(self.0.as_ptr()) };
    }
}
