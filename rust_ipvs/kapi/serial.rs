// SPDX-License-Identifier: GPL-2.0

//! Serial numbers.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// The number that was given last.
static LAST: Atomic<u32> = Atomic::new(0);

/// Returns a number from 1 to `most` that was not given before; `None` if all were. Any context.
///
/// Numbers do not come back: what has one may outlive what gave it.
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
