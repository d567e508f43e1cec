// SPDX-License-Identifier: GPL-2.0

//! Filter of the sources of replies: it spares most forwarded packets the connection table.
//!
//! A reply comes from a server, or from a VIP that a server answers for. The filter has a bit for
//! each of 4096 classes of addresses, which are set when a service or a destination comes, and
//! stay: connections outlive both. So an address that is not in the filter has no connection, and
//! one that is may have one.

use crate::logic::{
    config::{
        Ip,
        ServiceKey, //
    },
    family::Family, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Words of 32 bits.
const WORDS: usize = 128;
/// Shift of a mixed address, so that the number of a bit remains.
const SHIFT: u32 = u32::BITS - (WORDS * 32).trailing_zeros();

/// The filter.
///
/// Administrators and the threads of a backup, of which there may be 64, add addresses at the same
/// time, without a common lock. Bits are only ever set, by a compare-and-exchange of their word, so
/// none is lost; and no packet needs an order between them and what else it reads, as an address is
/// added before any connection of it can be found.
pub(crate) struct ReplyFilter([Atomic<u32>; WORDS]);

/// The number of an address' bit: its words, mixed by the multiplier of Fibonacci hashing.
#[inline(always)]
fn bit_of(addr: &[u8]) -> u32 {
    let folded = addr.chunks_exact(4).fold(0u32, |folded, word| {
        let word = word.first_chunk::<4>().copied().unwrap_or_default();
        folded ^ u32::from_ne_bytes(word)
    });
    folded.wrapping_mul(0x9e37_79b1) >> SHIFT
}

impl ReplyFilter {
    /// A filter that nobody is in.
    pub(crate) fn new() -> Self {
        Self([const { Atomic::new(0) }; WORDS])
    }

    /// Returns whether packets from an address may be replies.
    #[inline(always)]
    pub(crate) fn may_contain<F: Family>(&self, addr: F::Addr) -> bool {
        let bit = bit_of(addr.as_ref());
        self.0
            .get(bit as usize / 32)
            .is_some_and(|word| (word.load(Relaxed) >> (bit % 32)) & 1 != 0)
    }

    /// Lets packets from an address be replies, from now on. Any context.
    pub(crate) fn add(&self, addr: Ip) {
        let bit = match &addr {
            Ip::V4(addr) => bit_of(addr),
            Ip::V6(addr) => bit_of(addr),
        };
        if let Some(word) = self.0.get(bit as usize / 32) {
            set(word, 1 << (bit % 32));
        }
    }

    /// Lets packets from the addresses that a service has be replies, from now on; a mark may stand
    /// for any address. Any context.
    pub(crate) fn add_service(&self, key: &ServiceKey) {
        match *key {
            ServiceKey::Address { addr, .. } => self.add(addr),
            ServiceKey::Mark(_) => self.0.iter().for_each(|word| set(word, u32::MAX)),
        }
    }
}

/// Sets bits of a word, which is only written if one of them is not set yet: forwarded packets read
/// it on all CPUs.
fn set(word: &Atomic<u32>, bits: u32) {
    let mut now = word.load(Relaxed);
    while now & bits != bits {
        match word.cmpxchg(now, now | bits, Relaxed) {
            Ok(_) => return,
            Err(other) => now = other,
        }
    }
}
