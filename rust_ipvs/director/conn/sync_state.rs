// SPDX-License-Identifier: GPL-2.0

//! [`SyncState`]: per-connection state of a sync master; [`SyncUpdate`]: connection state that a
//! backup received.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Bits of the state that was sent last.
const STATE: u32 = 0xff;
/// One packet; the bits above [`STATE`] count them.
const PACKET: u32 = STATE + 1;

/// Synchronisation state of a connection.
#[repr(C)]
pub(crate) struct SyncState {
    /// Time of the last sync message, as `logic::sync::rate_limit` has it; 0 for never.
    ends: Atomic<u32>,
    /// Number of the client's packets seen by a master, and the state that was sent last.
    packets: Atomic<u32>,
}

/// State of a connection in a received sync message.
#[derive(Clone, Copy)]
pub(crate) struct SyncUpdate {
    /// Protocol state.
    pub(crate) state: u8,
    /// True if that is no active state.
    pub(crate) is_inactive: bool,
    /// Timeout in jiffies.
    pub(crate) timeout: u32,
    /// Number of packets to start from (B-25).
    pub(crate) packets: u32,
}

impl SyncState {
    /// Creates the state of a connection that has not been sent.
    pub(crate) const fn new() -> Self {
        Self {
            ends: Atomic::new(0),
            packets: Atomic::new(0),
        }
    }

    /// Counts a packet; returns the new number.
    pub(crate) fn count(&self) -> u32 {
        let before = self.packets.fetch_add(PACKET, Relaxed);
        (before / PACKET).wrapping_add(1)
    }

    /// Returns the state that was sent last.
    pub(crate) fn state(&self) -> u8 {
        (self.packets.load(Relaxed) & STATE) as u8
    }

    /// Returns the time of the last sync message.
    pub(crate) fn ends(&self) -> u32 {
        self.ends.load(Relaxed)
    }

    /// Records a sync message. Returns false if another CPU has recorded one since `before` was
    /// read.
    pub(crate) fn remember(&self, state: u8, before: u32, ends: u32) -> bool {
        let mut now = self.packets.load(Relaxed);
        while now & STATE != state.into() {
            let next = now & !STATE | u32::from(state);
            match self.packets.cmpxchg(now, next, Relaxed) {
                Ok(_) => break,
                Err(other) => now = other,
            }
        }
        self.ends.cmpxchg(before, ends, Relaxed).is_ok()
    }

    /// Applies a received state.
    pub(crate) fn apply(&self, update: &SyncUpdate) {
        let packets = update.packets.wrapping_mul(PACKET);
        self.packets
            .store(packets | u32::from(update.state), Relaxed);
    }
}
