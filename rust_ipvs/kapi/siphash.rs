// SPDX-License-Identifier: GPL-2.0

//! A pseudo-random function of short input, for numbers that others get to see.
//!
//! C header: [`include/linux/siphash.h`](srctree/include/linux/siphash.h)
//!
//! # Examples
//!
//! ```ignore
//! let key = HalfSipKey::random();
//! assert_eq!(key.hash(7), key.hash(7));
//! ```

use super::random;
use crate::bindings;

/// The random key of a HalfSipHash, which is SipHash-1-3 on 64-bit machines.
pub(crate) struct HalfSipKey(bindings::hsiphash_key_t);

impl HalfSipKey {
    /// Makes a key that nobody can guess, once the kernel's generator is seeded.
    pub(crate) fn random() -> Self {
        let key = random::words::<2>().map(|word| word as usize);
        Self(bindings::hsiphash_key_t { key })
    }

    /// Hashes a word. Any context.
    pub(crate) fn hash(&self, word: u32) -> u32 {
        // SAFETY: The key is only read.
        unsafe { bindings::hsiphash_1u32(word, &self.0) }
    }
}
