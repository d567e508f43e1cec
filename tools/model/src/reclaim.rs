// SPDX-License-Identifier: GPL-2.0

//! Deferred drops, done at once as the real code does if it has no work item.

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
