// SPDX-License-Identifier: GPL-2.0

//! Who may send replies: a filter that spares most forwarded packets the connection table.
//!
//! A reply comes from a server, or from a VIP that a server answers for. The filter has a bit for each of 4096
//! classes of addresses, which are set when a service or a destination comes, and stay: connections
//! outlive both. So an address that is not in the filter has no connection, and one that is may have one.

use crate::{
    kapi::once::Word,
    logic::{
        config::{
            Ip,
            ServiceKey, //
        },
        family::Family,
    },
};

/// Words of 64 bits.
const WORDS: usize = 64;
/// How far a mixed address is shifted so that the number of a bit remains.
const SHIFT: u32 = u32::BITS - (WORDS * 64).trailing_zeros();

/// The filter.
pub(super) struct Senders([Word<u64>; WORDS]);

/// The number of an address' bit: its words, mixed by the multiplier of Fibonacci hashing.
#[inline(always)]
fn bit_of(addr: &[u8]) -> u32 {
    let folded = addr.chunks_exact(4).fold(0u32, |folded, word| {
        let word = word.first_chunk::<4>().copied().unwrap_or_default();
        folded ^ u32::from_ne_bytes(word)
    });
    folded.wrapping_mul(0x9e37_79b1) >> SHIFT
}

impl Senders {
    /// A filter that nobody is in.
    pub(super) fn new() -> Self {
        Self([const { Word::new(0) }; WORDS])
    }

    /// Whether packets from an address may be replies.
    #[inline(always)]
    pub(super) fn may_reply<F: Family>(&self, addr: F::Addr) -> bool {
        let bit = bit_of(addr.as_ref());
        self.0
            .get(bit as usize / 64)
            .is_some_and(|word| word.load() >> (bit % 64) & 1 != 0)
    }

    /// From now on packets from an address may be replies. One caller at a time.
    pub(super) fn add(&self, addr: Ip) {
        let bit = match &addr {
            Ip::V4(addr) => bit_of(addr),
            Ip::V6(addr) => bit_of(addr),
        };
        if let Some(word) = self.0.get(bit as usize / 64) {
            word.update(word.load() | 1 << (bit % 64));
        }
    }

    /// From now on packets from the addresses that a service has may be replies: a mark may stand for any.
    /// One caller at a time.
    pub(super) fn add_service(&self, key: &ServiceKey) {
        match *key {
            ServiceKey::Address { addr, .. } => self.add(addr),
            ServiceKey::Mark(_) => self.0.iter().for_each(|word| word.update(u64::MAX)),
        }
    }
}
