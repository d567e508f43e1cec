// SPDX-License-Identifier: GPL-2.0

//! [`AddrFilter`]: filter of addresses, which spares most packets that concern no service a look-up
//! in the connection table.
//!
//! The source of a reply is a real server, or a VIP; the destination of a request is a VIP. The
//! filter has a bit for each of 4096 classes of addresses. A bit is set when a service or a
//! destination is added, and never cleared, as connections outlive both. So an address without its
//! bit has no connection, and one with its bit may have one.

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
/// Right shift of a mixed address that gives the number of its bit.
const SHIFT: u32 = u32::BITS - (WORDS * 32).trailing_zeros();

/// Filter of addresses.
///
/// Administrators and up to 64 backup threads add addresses concurrently, without a common lock.
/// Bits are only ever set, by a compare-and-exchange of their word, so none is lost. Packets need
/// no order between these words and others, as an address is added before a connection with it can
/// be found.
pub(crate) struct AddrFilter([Atomic<u32>; WORDS]);

/// Returns the number of an address's bit: its words, mixed by the multiplier of Fibonacci hashing.
#[inline(always)]
fn bit_of(addr: &[u8]) -> u32 {
    let folded = addr.chunks_exact(4).fold(0u32, |folded, word| {
        let word = word.first_chunk::<4>().copied().unwrap_or_default();
        folded ^ u32::from_ne_bytes(word)
    });
    folded.wrapping_mul(0x9e37_79b1) >> SHIFT
}

impl AddrFilter {
    /// Creates an empty filter.
    pub(crate) fn new() -> Self {
        Self([const { Atomic::new(0) }; WORDS])
    }

    /// Returns whether an address, or one of its class, was added.
    #[inline(always)]
    pub(crate) fn may_contain<F: Family>(&self, addr: F::Addr) -> bool {
        let bit = bit_of(addr.as_ref());
        self.0
            .get(bit as usize / 32)
            .is_some_and(|word| (word.load(Relaxed) >> (bit % 32)) & 1 != 0)
    }

    /// Adds an address. Any context.
    pub(crate) fn add(&self, addr: Ip) {
        let bit = match &addr {
            Ip::V4(addr) => bit_of(addr),
            Ip::V6(addr) => bit_of(addr),
        };
        if let Some(word) = self.0.get(bit as usize / 32) {
            set(word, 1 << (bit % 32));
        }
    }

    /// Adds the addresses that a service may have: all, if it is a firewall mark service. Any
    /// context.
    pub(crate) fn add_service(&self, key: &ServiceKey) {
        match *key {
            ServiceKey::Address { addr, .. } => self.add(addr),
            ServiceKey::Mark(_) => self.0.iter().for_each(|word| set(word, u32::MAX)),
        }
    }
}

/// Sets bits of a word. Writes only if one of them is not set yet, as forwarded packets read the
/// word on all CPUs.
fn set(word: &Atomic<u32>, bits: u32) {
    let mut now = word.load(Relaxed);
    while now & bits != bits {
        match word.cmpxchg(now, now | bits, Relaxed) {
            Ok(_) => return,
            Err(other) => now = other,
        }
    }
}
