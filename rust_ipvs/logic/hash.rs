// SPDX-License-Identifier: GPL-2.0

//! The keyed hash that spreads connections over a table.
//!
//! Who sends packets chooses their addresses and ports, and must not be able to choose their buckets.
//! That takes a family of hash functions that is universal: for any two different flows, whatever
//! they are, the chance over the random key that they meet in a bucket is that of chance. Nothing
//! stronger is needed, as no hash value ever leaves the machine, and universal hashing is cheap: three
//! multiplications for an IPv4 flow.
//!
//! # Construction
//!
//! A flow is a few 32-bit words: both addresses, both ports as one word, the protocol. Two layers, all
//! arithmetic modulo 2^64, keys `k` of 64 random bits each:
//!
//! 1. `u = (k3 + w0)(k4 + w1) + (k5 + w2)(k6 + w3) + ...`
//! 2. `h = top 32 bits of k0 + (k1 + (low ^ high))(k2 + high)`, with the halves `low` and `high` of `u`
//!
//! Both are the function that Lemire and Kaser call Multilinear-HM (Strongly universal string hashing is
//! fast, 2014), going back to the NH of UMAC (Black et al., 1999).
//!
//! # Why it is universal
//!
//! *Layer 1.* Let two flows differ in word `w0`, by `d` with `0 < |d| < 2^32`. The difference of their
//! `u` is `d * k4` plus something in which `k4` has no part. If 2^t is the power of two in `d`, `d * k4`
//! takes each of 2^(64-t) values equally often, so the difference is 0 with a chance of at most
//! 2^(t-64), and as `t < 32`, of at most 2^-33. Each other word has such a partner key.
//!
//! *Layer 2.* Different `u` give different pairs of `low ^ high` and `high`. Of these the same argument
//! holds, and `k0` makes each value of `h` equally likely: the two hashes are uniform over all pairs (the
//! paper's theorem: with 64-bit keys and 32-bit words the top 33 bits are strongly universal).
//!
//! Together, two different flows share a bucket of 2^n with a chance of at most 2^-n + 2^-33, whichever n
//! bits of `h` choose it.
//!
//! That is the mean over all keys, and as far as it goes layer 1 would do alone. But consecutive clients
//! are an arithmetic progression in layer 1, and an unlucky key folds that onto few buckets. Layer 2
//! bends the progression, and the exclusive-or keeps an unlucky product from unbending it. With both,
//! each key spreads such flows as chance does; tools/logic-tests measures that.
//!
//! # What it is not
//!
//! It is not a pseudo-random function: who could see hash values could solve for the key. Nobody
//! outside sees them, but a table takes a new key whenever it is resized, which it can do at no cost.
//!
//! Both directions of a flow hash alike as the endpoints are sorted before they are hashed; sorting maps
//! different pairs of endpoints to different words, so the argument is not touched.

/// The random key of a table.
#[derive(Clone, Copy)]
pub(crate) struct HashKey([u64; HashKey::WORDS]);

impl HashKey {
    /// Words in a key: three of layer 2, and one for each word of an IPv6 flow.
    pub(crate) const WORDS: usize = 13;

    /// Makes a key of random words; it is as good as they are.
    pub(crate) const fn new(words: [u64; Self::WORDS]) -> Self {
        Self(words)
    }

    /// Hashes the words of an IPv4 flow.
    #[inline]
    pub(crate) fn four(&self, a: u32, b: u32, ports: u32, protocol: u8) -> u32 {
        let [k0, k1, k2, k3, k4, k5, k6, ..] = self.0;
        let u = product(k3, a, k4, b).wrapping_add(product(k5, ports, k6, protocol.into()));
        finish([k0, k1, k2], u)
    }

    /// Hashes the words of an IPv6 flow.
    #[inline]
    pub(crate) fn ten(&self, a: [u32; 4], b: [u32; 4], ports: u32, protocol: u8) -> u32 {
        let [k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11, k12] = self.0;
        let [a0, a1, a2, a3] = a;
        let [b0, b1, b2, b3] = b;
        let u = product(k3, a0, k4, a1)
            .wrapping_add(product(k5, a2, k6, a3))
            .wrapping_add(product(k7, b0, k8, b1))
            .wrapping_add(product(k9, b2, k10, b3))
            .wrapping_add(product(k11, ports, k12, protocol.into()));
        finish([k0, k1, k2], u)
    }
}

/// `(k + a)(l + b)` modulo 2^64.
#[inline]
fn product(k: u64, a: u32, l: u64, b: u32) -> u64 {
    k.wrapping_add(a.into())
        .wrapping_mul(l.wrapping_add(b.into()))
}

/// Layer 2.
#[inline]
fn finish([k0, k1, k2]: [u64; 3], u: u64) -> u32 {
    let high = (u >> 32) as u32;
    (k0.wrapping_add(product(k1, u as u32 ^ high, k2, high)) >> 32) as u32
}

#[cfg(test)]
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

    #[test]
    fn every_input_counts() {
        let key = key();
        let base = key.four(1, 2, 3, 4);
        for other in [
            key.four(0, 2, 3, 4),
            key.four(1, 0, 3, 4),
            key.four(1, 2, 0, 4),
            key.four(1, 2, 3, 0),
            key.four(2, 1, 3, 4),
        ] {
            assert_ne!(base, other);
        }
        let base = key.ten([1, 2, 3, 4], [5, 6, 7, 8], 9, 10);
        for word in 0..4 {
            let mut a = [1, 2, 3, 4];
            let mut b = [5, 6, 7, 8];
            a[word] = 0;
            b[word] = 0;
            assert_ne!(base, key.ten(a, [5, 6, 7, 8], 9, 10));
            assert_ne!(base, key.ten([1, 2, 3, 4], b, 9, 10));
        }
        assert_ne!(base, key.ten([1, 2, 3, 4], [5, 6, 7, 8], 0, 10));
        assert_ne!(base, key.ten([1, 2, 3, 4], [5, 6, 7, 8], 9, 0));
    }

    /// The formula of the module's head, in numbers too large to wrap.
    #[test]
    fn as_documented() {
        let key = key();
        let k = key.0.map(u128::from);
        let [a, b, ports, protocol] = [0xc000_0201_u32, 0xcb00_714d, 0x9c40_0050, 6];
        let modulus = 1u128 << 64;
        let wide = |k: u128, a: u32| (k + u128::from(a)) % modulus;
        let u = (wide(k[3], a) * wide(k[4], b) % modulus
            + wide(k[5], ports) * wide(k[6], protocol) % modulus)
            % modulus;
        let (low, high) = ((u % (1 << 32)) as u32, (u >> 32) as u32);
        let h = ((k[0] + wide(k[1], low ^ high) * wide(k[2], high) % modulus) % modulus) >> 32;
        assert_eq!(u128::from(key.four(a, b, ports, 6)), h);
    }
}
