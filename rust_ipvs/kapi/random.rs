// SPDX-License-Identifier: GPL-2.0

//! Random numbers.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h)
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::random;
//! let [first, second] = random::words();
//! let port = random::below(28_232).wrapping_add(32_768);
//! assert!(port < 61_000);
//! # Ok::<(), Error>(())
//! ```

use crate::bindings;

/// Returns `N` random words, unpredictable once the kernel's generator is seeded. Any context.
pub(crate) fn words<const N: usize>() -> [u64; N] {
    let mut words = [0u64; N];
    // SAFETY: Pointer and length are those of `words`, which is writable and on this stack.
    unsafe { bindings::get_random_bytes(words.as_mut_ptr().cast(), size_of_val(&words)) };
    words
}

/// Returns a random number below `limit`, or 0 if `limit` is 0. Any context.
///
/// The odds of two numbers differ by no more than one in 2^64 divided by `limit`, and not at all
/// where that is a number of 32 bits; those are cheaper, too.
pub(crate) fn below(limit: u64) -> u64 {
    if let Ok(limit @ 1..) = u32::try_from(limit) {
        // SAFETY: May be called from any context.
        return unsafe { bindings::__get_random_u32_below(limit) }.into();
    }
    // SAFETY: May be called from any context.
    let word = unsafe { bindings::get_random_u64() };
    (u128::from(word).wrapping_mul(u128::from(limit)) >> 64) as u64
}
