// SPDX-License-Identifier: GPL-2.0

//! Memory of a slab's objects: the engine's.

use kernel::alloc::short_name;
use std::alloc::Layout;

/// Allocates memory for a `T`.
pub(crate) fn allocate<T>() -> *mut T {
    engine::allocate(short_name::<T>(), Layout::new::<T>()).cast::<T>()
}

/// Frees memory from [`allocate`].
///
/// # Safety
///
/// It must be used once, for what was dropped.
pub(crate) unsafe fn free<T>(memory: *mut T) {
    engine::free(memory as usize);
}
