// SPDX-License-Identifier: GPL-2.0

//! Serial numbers, unique while the module is loaded.
//!
//! Objects record the number of their owner, a table or a namespace, rather than its address: an
//! address may be reused by a new owner while old objects are still in use. C has `ida_alloc()`
//! ([`include/linux/idr.h`](srctree/include/linux/idr.h)), which reuses numbers.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// The number that was returned last.
static LAST: Atomic<u32> = Atomic::new(0);

/// Returns a number from 1 to `most` that was not returned before; `None` if there is none left.
/// Any context.
///
/// Numbers are not reused, because objects with the number may outlive its owner. Relaxed: the
/// atomicity alone makes them unique.
pub(crate) fn next(most: u32) -> Option<u32> {
    let mut last = LAST.load(Relaxed);
    while last < most {
        let next = last.wrapping_add(1);
        match LAST.cmpxchg(last, next, Relaxed) {
            Ok(_) => return Some(next),
            Err(other) => last = other,
        }
    }
    None
}
