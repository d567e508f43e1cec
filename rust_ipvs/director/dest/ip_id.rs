// SPDX-License-Identifier: GPL-2.0

//! [`Ids`]: identifications of outer IPv4 headers to a destination (RFC 6864).
//!
//! Only a packet that may be fragmented needs an identification, which must be unique for its
//! addresses and protocol as long as its fragments may be in flight. A counter is best for that: an
//! identification is reused after 65,536 packets to the destination, not before. To avoid a counter
//! that all CPUs share, each CPU takes [`BLOCK`] numbers at a time, and keeps its position next to
//! the per-CPU packet counters, whose cache line it writes anyway.
//!
//! This reveals no more than the kernel's `ip_select_ident()`, which hashes addresses so that one
//! peer cannot count another's packets. Here each destination has its own counter with a random
//! start. Only the destination and the routers on the way see outer headers, and those can count
//! the packets anyway.

use super::stats::Counted;
use crate::kapi::random;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Numbers that a CPU takes at a time; a power of two.
const BLOCK: u32 = 64;
/// First number of a block, modulo its length.
const FIRST: u32 = 1;

/// Counter of the identifications.
pub(crate) struct Ids {
    /// First number of the next block.
    next: Atomic<u32>,
}

impl Ids {
    /// Creates a counter with a random start.
    pub(crate) fn new() -> Self {
        // Of the generator's batch for this CPU, as thousands may be created at once.
        let block = random::below(u32::MAX.into()) as u32;
        Self {
            next: Atomic::new(block.wrapping_mul(BLOCK) | FIRST),
        }
    }

    /// Returns the identification of a packet that is not segmented. `counted` has the
    /// destination's counters.
    ///
    /// If a softirq interrupts this CPU while it takes a block, two packets may get the same
    /// number. That needs another packet to the same destination within these few instructions.
    #[inline(always)]
    pub(crate) fn one(&self, counted: &Counted) -> u16 {
        let id = counted.serial();
        if id as u32 % BLOCK == FIRST {
            return self.block(counted);
        }
        id as u16
    }

    /// Takes a block and returns its first number.
    #[cold]
    #[inline(never)]
    fn block(&self, counted: &Counted) -> u16 {
        let first = self.next.fetch_add(BLOCK, Relaxed);
        counted.set_serial(first.into());
        first as u16
    }

    /// Returns the first of `segments` consecutive identifications.
    pub(crate) fn several(&self, segments: u16) -> u16 {
        let blocks = u32::from(segments).div_ceil(BLOCK).max(1);
        self.next.fetch_add(blocks.wrapping_mul(BLOCK), Relaxed) as u16
    }
}
