// SPDX-License-Identifier: GPL-2.0

//! Free memory.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use crate::bindings;

/// Returns how many pages of the machine are free, or hold no more than what was read from block
/// devices. Any context.
pub(crate) fn free_pages() -> u64 {
    // SAFETY: Reads counters that always exist.
    (unsafe { bindings::rust_ipvs_helper_free_pages() }) as u64
}

/// Returns how many pages there are for buffers that the kernel addresses directly, beyond what is
/// kept in reserve. Any context.
pub(crate) fn free_buffer_pages() -> usize {
    // SAFETY: Reads counters that always exist.
    (unsafe { bindings::rust_ipvs_helper_free_buffer_pages() }) as usize
}
