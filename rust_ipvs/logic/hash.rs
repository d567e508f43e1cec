// SPDX-License-Identifier: GPL-2.0

//! The keyed hash that spreads connections over a table.
//!
//! Who sends packets chooses their addresses and ports, and must not be able to choose their
//! buckets. That takes a family of hash functions that is universal: for any two different flows,
//! whatever they are, the chance over the random key that they meet in a bucket is that of chance.
//! Nothing stronger is needed as long as nobody sees hash values, and universal hashing is cheap:
//! three multiplications for an IPv4 flow.
//!
//! # Construction
//!
//! A flow is a few 64-bit words `w`: for IPv4 an address and a port each, for IPv6 the halves of
//! the addresses and both ports in one; the protocol is in spare bits. A key is 64-bit words `k`.
//! Two layers:
//!
//! 1. `u = (k5 + w0)(k6 + w1) + (k7 + w2)(k8 + w3) + ...`, sums in brackets modulo 2^64, all else
//!    modulo 2^128
//! 2. `h = top 32 bits of k0 + (k1 + x0)(k2 + x1) + (k3 + x2)(k4 + x3)` modulo 2^64, where the `x`
//!    are the 32-bit words of `u`, after its upper half was added to its lower one by exclusive-or
//!
//! Layer 1 is the NH of UMAC (Black et al., UMAC: fast and secure message authentication, 1999).
//! Layer 2 is the Multilinear-HM of Lemire and Kaser (Strongly universal string hashing is fast,
//! 2014).
//!
//! # Why it is universal
//!
//! *Layer 1.* Let two flows differ in `w0`. With all keys but `k6` given, their `u` are alike where
//! `(a - a')(k6 + w1) = c` modulo 2^128 if their `w1` are the same, with the two different first
//! factors `a` and `a'`; `|a - a'| < 2^64`, so at most one value of `k6 + w1` does it. The theorem
//! of the paper says the same where the `w1` differ, too. So the chance is at most 2^-64. Each
//! other word has such a partner.
//!
//! *Layer 2.* The exclusive-or can be undone, so different `u` give different `x`. Of these the
//! paper's theorem says that the two `h` are uniform over all pairs: with 64-bit keys and 32-bit
//! words, the top 33 bits are strongly universal.
//!
//! Together, two different flows share a bucket of 2^n with a chance of at most 2^-n + 2^-64,
//! whichever n bits of `h` choose it.
//!
//! That is the mean over all keys, and without the exclusive-or it would be the same. But
//! consecutive clients are an arithmetic progression in layer 1, and an unlucky key would let layer
//! 2 fold that onto few buckets. As it is, each key spreads such flows as chance does;
//! tools/logic-tests measures that.
//!
//! # What it is not
//!
//! It is not a pseudo-random function: whoever sees hash values, or bits of them, can solve for the
//! key. So no bit leaves the machine as it is. What others see that is derived from a hash (the
//! source port of GUE, the port of a sync message) goes through a pseudo-random function with a key
//! of its own first, HalfSipHash. The time that a packet takes tells something of a chain's length,
//! and nothing of this rules that out.
//!
//! Both directions of a flow hash alike as the endpoints are sorted before they are hashed; sorting
//! maps different pairs of endpoints to different words, so the argument is not touched.

/// The random key of a table.
#[derive(Clone, Copy)]
pub(crate) struct HashKey([u64; HashKey::WORDS]);

impl HashKey {
    /// Words in a key: five of layer 2, and six for the words of an IPv6 flow.
    pub(crate) const WORDS: usize = 11;

    /// Makes a key of random words; it is as good as they are.
    pub(crate) const fn new(words: [u64; Self::WORDS]) -> Self {
        Self(words)
    }

    /// Hashes the two words of an IPv4 flow.
    #[inline(always)]
    pub(crate) fn two(&self, a: u64, b: u64) -> u32 {
        let [k0, k1, k2, k3, k4, k5, k6, ..] = self.0;
        finish([k0, k1, k2, k3, k4], product(k5, a, k6, b))
    }

    /// Hashes the five words of an IPv6 flow.
    #[inline(always)]
    pub(crate) fn five(&self, a: [u64; 2], b: [u64; 2], c: u64) -> u32 {
        let [k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10] = self.0;
        let ([a0, a1], [b0, b1]) = (a, b);
        let u = product(k5, a0, k6, a1)
            .wrapping_add(product(k7, b0, k8, b1))
            .wrapping_add(product(k9, c, k10, 0));
        finish([k0, k1, k2, k3, k4], u)
    }
}

impl HashKey {
    /// Hashes bytes of any length, after a word that tells apart what they are of.
    ///
    /// Pieces of 32 bytes are hashed one after the other, each with the hash of those before it.
    /// Each step is universal; of all, the chance that two different texts meet is about 2^-32 a
    /// step, as long as who chooses them does not learn the key.
    pub(crate) fn bytes(&self, seed: u32, text: &[u8]) -> u32 {
        let word = |piece: &[u8], at: usize| {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(piece.iter().skip(at)) {
                *to = *from;
            }
            u64::from_le_bytes(word)
        };
        text.chunks(32).fold(seed, |sum, piece| {
            // With its length a piece differs from one that goes on with zeros.
            let last = u64::from(sum) | ((piece.len() as u64) << 32);
            self.five(
                [word(piece, 0), word(piece, 8)],
                [word(piece, 16), word(piece, 24)],
                last,
            )
        })
    }
}

/// `(k + a)(l + b)`, sums modulo 2^64.
#[inline(always)]
fn product(k: u64, a: u64, l: u64, b: u64) -> u128 {
    u128::from(k.wrapping_add(a)).wrapping_mul(u128::from(l.wrapping_add(b)))
}

/// Layer 2.
#[inline(always)]
fn finish([k0, k1, k2, k3, k4]: [u64; 5], u: u128) -> u32 {
    let high = (u >> 64) as u64;
    let low = u as u64 ^ high;
    let pair = |k: u64, l: u64, x: u64| {
        let (x0, x1) = (x & 0xffff_ffff, x >> 32);
        k.wrapping_add(x0).wrapping_mul(l.wrapping_add(x1))
    };
    let sum = k0
        .wrapping_add(pair(k1, k2, low))
        .wrapping_add(pair(k3, k4, high));
    (sum >> 32) as u32
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_hash),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    /// A key with no structure in it.
    fn key() -> HashKey {
        let mut word = 0x9e37_79b9_7f4a_7c15_u64;
        HashKey::new(core::array::from_fn(|_| {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            word
        }))
    }

    // C-7
    #[test]
    fn every_word_counts() {
        let key = key();
        let base = key.two(1, 2);
        for other in [key.two(0, 2), key.two(1, 0), key.two(2, 1)] {
            assert_ne!(base, other);
        }
        let base = key.five([1, 2], [3, 4], 5);
        for other in [
            key.five([0, 2], [3, 4], 5),
            key.five([1, 0], [3, 4], 5),
            key.five([1, 2], [0, 4], 5),
            key.five([1, 2], [3, 0], 5),
            key.five([1, 2], [3, 4], 0),
            key.five([2, 1], [3, 4], 5),
            key.five([3, 4], [1, 2], 5),
        ] {
            assert_ne!(base, other);
        }
    }

    // P-26
    #[cfg(test)]
    #[test]
    fn every_byte_counts() {
        let key = key();
        let text: Vec<u8> = (0..=255).cycle().take(300).collect();
        let lengths = [0, 1, 7, 8, 9, 31, 32, 33, 64, 255];
        for length in lengths.into_iter().take(if cfg!(miri) { 5 } else { 10 }) {
            let base = key.bytes(1, &text[..length]);
            assert_ne!(base, key.bytes(2, &text[..length]));
            assert_ne!(base, key.bytes(1, &text[..length + 1]));
            let mut zeros = text[..length].to_vec();
            zeros.push(0);
            assert_ne!(base, key.bytes(1, &zeros));
            for at in 0..length {
                let mut other = text[..length].to_vec();
                other[at] ^= 1;
                assert_ne!(base, key.bytes(1, &other));
            }
        }
        assert_eq!(key.bytes(5, b""), 5);
    }

    /// The formulas of the module's head, with remainders instead of wrapping.
    #[test]
    fn as_documented() {
        let key = key();
        let k = key.0.map(u128::from);
        let add = |k: u128, w: u64| (k + u128::from(w)) % (1 << 64);
        for (a, b) in [
            (0, 0),
            (0xc000_0201_0050, 0xcb00_714d_9c40),
            (u64::MAX, u64::MAX),
            (1 << 63, 1),
        ] {
            // Factors below 2^64 have a product below 2^128.
            let u = add(k[5], a) * add(k[6], b);
            let (low, high) = ((u % (1 << 64)) as u64, (u >> 64) as u64);
            let low = low ^ high;
            let pair = |k: u128, l: u128, x: u64| {
                let (x0, x1) = (x % (1 << 32), x >> 32);
                add(k, x0) * add(l, x1) % (1 << 64)
            };
            let sum = (k[0] + pair(k[1], k[2], low) + pair(k[3], k[4], high)) % (1 << 64);
            assert_eq!(u128::from(key.two(a, b)), sum >> 32);
            // Five words, of which those beyond the first pair meet keys of 0.
            let mut fewer = key;
            fewer.0[7..].fill(0);
            assert_eq!(fewer.five([a, b], [0, 0], 0), key.two(a, b));
        }
    }
}
