// SPDX-License-Identifier: GPL-2.0

//! Identifications of the IPv4 packets in which other packets travel to a destination (RFC 6864).
//!
//! Only a packet that may be cut needs one; those of two such packets with the same ends and
//! protocol shall differ as long as fragments of both may be under way. That is best served by
//! counting: a number comes again after 65,536 packets to the same destination, and not before. A
//! counter that all CPUs share would be what they wait for; so each CPU takes [`BLOCK`] numbers at
//! a time, and keeps its place in them beside the packet counters, whose cache line it writes
//! anyway.
//!
//! Nobody learns more of it than of the kernel's own, which is hashed over addresses so that one
//! peer cannot count another's packets: here too each destination has numbers of its own, which
//! start anywhere. The destination itself, and who sees the packets on their way there, could count
//! them in any case; clients never see an outer header.

use super::stats::Counted;
use crate::kapi::random;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Numbers that a CPU takes at a time; a power of two.
const BLOCK: u32 = 64;
/// Remainder of the first number of a block divided by its length.
const FIRST: u32 = 1;

/// The remaining numbers.
pub(crate) struct Ids {
    /// The first number of the next block.
    next: Atomic<u32>,
}

impl Ids {
    /// Numbers that begin anywhere.
    pub(crate) fn new() -> Self {
        let [word]: [u64; 1] = random::words();
        Self {
            next: Atomic::new((word as u32).wrapping_mul(BLOCK) | FIRST),
        }
    }

    /// The number of a packet that is not cut in segments. `counted` are the destination's
    /// counters.
    ///
    /// A CPU that is interrupted while it takes a block may give two packets the same number; that
    /// takes another packet to the same destination within the same few instructions.
    #[inline(always)]
    pub(crate) fn one(&self, counted: &Counted) -> u16 {
        let id = counted.serial();
        if id as u32 % BLOCK == FIRST {
            return self.block(counted);
        }
        id as u16
    }

    /// Takes a block and uses its first number.
    #[cold]
    #[inline(never)]
    fn block(&self, counted: &Counted) -> u16 {
        let first = self.next.fetch_add(BLOCK, Relaxed);
        counted.set_serial(first.into());
        first as u16
    }

    /// The first of as many numbers as a packet has segments.
    pub(crate) fn several(&self, segments: u16) -> u16 {
        let blocks = u32::from(segments).div_ceil(BLOCK).max(1);
        self.next.fetch_add(blocks.wrapping_mul(BLOCK), Relaxed) as u16
    }
}
