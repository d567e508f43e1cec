// SPDX-License-Identifier: GPL-2.0

//! Dropping what takes long: at once, as where no work was made for it.

use crate::bindings;

pub(super) type Callback = unsafe extern "C" fn(*mut bindings::callback_head);

/// Calls `callback` with `head`.
///
/// # Safety
///
/// As in the shipped file: `callback` must be sound to call with `head`.
pub(super) unsafe fn later(head: *mut bindings::callback_head, callback: Callback) {
    // SAFETY: By the contract of this function.
    unsafe { callback(head) }
}
