// SPDX-License-Identifier: GPL-2.0

//! A keyed hash of short input, for values that can be observed from outside.
//!
//! C header: [`include/linux/siphash.h`](srctree/include/linux/siphash.h)
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::siphash::HalfSipKey;
//! let key = HalfSipKey::random();
//! assert_eq!(key.hash(7), key.hash(7));
//! # Ok::<(), Error>(())
//! ```

use super::random;
use crate::bindings;

/// A random key of HalfSipHash (SipHash-1-3 on 64-bit machines).
pub(crate) struct HalfSipKey(bindings::hsiphash_key_t);

impl HalfSipKey {
    /// Creates a random key, unpredictable once the kernel's generator is seeded.
    pub(crate) fn random() -> Self {
        let key = random::words::<2>().map(|word| word as usize);
        Self(bindings::hsiphash_key_t { key })
    }

    /// Returns the hash of a word. Any context.
    pub(crate) fn hash(&self, word: u32) -> u32 {
        // SAFETY: The key is valid and is read during the call only.
        unsafe { bindings::hsiphash_1u32(word, &self.0) }
    }
}
