// SPDX-License-Identifier: GPL-2.0

//! Amounts of free memory.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use crate::bindings;

/// Returns the number of pages that are free or hold block device buffers, which can be dropped.
/// Any context.
pub(crate) fn free_pages() -> u64 {
    // SAFETY: Reads counters that always exist.
    (unsafe { bindings::rust_ipvs_helper_free_pages() }) as u64
}

/// Returns the number of free pages for buffers in directly mapped memory, beyond the reserves. Any
/// context.
pub(crate) fn free_buffer_pages() -> usize {
    // SAFETY: Reads counters that always exist.
    (unsafe { bindings::rust_ipvs_helper_free_buffer_pages() }) as usize
}
