// SPDX-License-Identifier: GPL-2.0

//! Keyed hash of connections for hash tables.
//!
//! A sender chooses the addresses and ports of its packets, and must not be able to choose their
//! buckets. That requires a universal family of hash functions: any two different flows collide
//! with the probability of a random function, taken over the random key. Nothing stronger is needed
//! as long as hash values are not visible, and universal hashing is cheap: three multiplications
//! for an IPv4 flow.
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
//! *Layer 1.* Let two flows differ in `w0`, and let all keys but `k6` be given. If their `w1` are
//! equal, their `u` are equal if `(a - a')(k6 + w1) = c` modulo 2^128, with the two different first
//! factors `a` and `a'`. As `|a - a'| < 2^64`, at most one value of `k6 + w1` satisfies it. The
//! theorem of the paper covers different `w1` too. So the probability is at most 2^-64. The same
//! holds for every other word, as each has such a partner.
//!
//! *Layer 2.* The exclusive-or is invertible, so different `u` give different `x`. By the paper's
//! theorem the two `h` are uniform over all pairs then: with 64-bit keys and 32-bit words, the top
//! 33 bits are strongly universal.
//!
//! Together, two different flows share one of 2^n buckets with probability at most 2^-n + 2^-64,
//! whichever n bits of `h` select it.
//!
//! That is the mean over all keys, with or without the exclusive-or. But consecutive clients are an
//! arithmetic progression in layer 1, which layer 2 would map to few buckets with an unlucky key if
//! there were no exclusive-or. With it, every key spreads such flows as a random function does;
//! tools/logic-tests measures that.
//!
//! # Limits
//!
//! It is not a pseudo-random function: hash values, or some of their bits, allow to solve for the
//! key. So no bit leaves the machine. Visible values that are derived from a hash (the source port
//! of GUE, the port of a sync message, the port that is announced to an FTP client) first go
//! through a pseudo-random function with a key of its own, HalfSipHash.
//!
//! The processing time of a packet reveals something about the length of a chain; this hash does
//! not prevent that. Nor does a universal family bound the longest chain well for the worst set of
//! flows. So the table does not use one key for ever: a connection that finds its chain longer than
//! chance explains makes the table request a new key, which makes all knowledge of the old one
//! worthless (`kapi/table/rekey.rs`). That happens at most once a minute
//! (`director/netns/resize.rs`); until then a client that knows the key can keep a chain long. Only
//! chains of first hashes, of client and VIP, are checked; a chain of second hashes is noticed when
//! the first hash of a new connection leads to it.
//!
//! Both directions of a flow have the same hash, as the endpoints are sorted before they are
//! hashed. Sorting maps different pairs of endpoints to different words, so the argument holds.

/// Random key of a table.
#[derive(Clone, Copy)]
pub(crate) struct HashKey([u64; HashKey::WORDS]);

impl HashKey {
    /// Number of words of a key: five of layer 2, and six for the words of an IPv6 flow.
    pub(crate) const WORDS: usize = 11;

    /// Makes a key from random words.
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
    /// Hashes a byte string of any length. `seed` separates the domains of different kinds of
    /// strings.
    ///
    /// Blocks of 32 bytes are hashed in sequence, each with the hash of the previous ones. Each
    /// step is universal. Two different strings collide with a chance of about 2^-32 a step, as
    /// long as their author does not know the key.
    pub(crate) fn bytes(&self, seed: u32, text: &[u8]) -> u32 {
        let word = |piece: &[u8], at: usize| {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(piece.iter().skip(at)) {
                *to = *from;
            }
            u64::from_le_bytes(word)
        };
        text.chunks(32).fold(seed, |sum, piece| {
            // The length distinguishes a block from one that is padded with zeros.
            let last = u64::from(sum) | ((piece.len() as u64) << 32);
            self.five(
                [word(piece, 0), word(piece, 8)],
                [word(piece, 16), word(piece, 24)],
                last,
            )
        })
    }
}

/// Returns `(k + a)(l + b)` with both sums modulo 2^64.
#[inline(always)]
fn product(k: u64, a: u64, l: u64, b: u64) -> u128 {
    u128::from(k.wrapping_add(a)).wrapping_mul(u128::from(l.wrapping_add(b)))
}

/// Computes layer 2.
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

    /// Key without structure.
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

    /// The formulas of the module documentation, with remainders instead of wrapping.
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
            // The product of factors below 2^64 is below 2^128.
            let u = add(k[5], a) * add(k[6], b);
            let (low, high) = ((u % (1 << 64)) as u64, (u >> 64) as u64);
            let low = low ^ high;
            let pair = |k: u128, l: u128, x: u64| {
                let (x0, x1) = (x % (1 << 32), x >> 32);
                add(k, x0) * add(l, x1) % (1 << 64)
            };
            let sum = (k[0] + pair(k[1], k[2], low) + pair(k[3], k[4], high)) % (1 << 64);
            assert_eq!(u128::from(key.two(a, b)), sum >> 32);
            // Five words, of which those after the first pair are multiplied with keys of 0.
            let mut fewer = key;
            fewer.0[7..].fill(0);
            assert_eq!(fewer.five([a, b], [0, 0], 0), key.two(a, b));
        }
    }
}
