// SPDX-License-Identifier: GPL-2.0

//! [`SyncState`]: what a connection keeps for the master; [`SyncUpdate`]: what a backup receives of
//! one.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Bits of the state that was sent.
const STATE: u32 = 0xff;
/// One packet; the bits above [`STATE`] count them.
const PACKET: u32 = STATE + 1;

/// State of synchronisation of a connection.
#[repr(C)]
pub(crate) struct SyncState {
    /// Time at which it was sent, as `logic::sync::rate_limit` has it; 0 for never.
    ends: Atomic<u32>,
    /// Packets of the client that a master saw, and the state that was sent.
    packets: Atomic<u32>,
}

/// State of a connection as another director sent it.
#[derive(Clone, Copy)]
pub(crate) struct SyncUpdate {
    /// The number of its state.
    pub(crate) state: u8,
    /// True if it is in no active state.
    pub(crate) is_inactive: bool,
    /// In jiffies.
    pub(crate) timeout: u32,
    /// Number of packets that it is taken to have had (B-25).
    pub(crate) packets: u32,
}

impl SyncState {
    /// Nothing was sent.
    pub(crate) const fn new() -> Self {
        Self {
            ends: Atomic::new(0),
            packets: Atomic::new(0),
        }
    }

    /// Counts a packet; returns how many there were with it.
    pub(crate) fn count(&self) -> u32 {
        let before = self.packets.fetch_add(PACKET, Relaxed);
        (before / PACKET).wrapping_add(1)
    }

    /// The state that was sent.
    pub(crate) fn state(&self) -> u8 {
        (self.packets.load(Relaxed) & STATE) as u8
    }

    /// Returns when it was sent.
    pub(crate) fn ends(&self) -> u32 {
        self.ends.load(Relaxed)
    }

    /// Records that a state is sent, and when; returns whether nobody else did since `before` was
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

    /// Records an update from another director.
    pub(crate) fn apply(&self, update: &SyncUpdate) {
        let packets = update.packets.wrapping_mul(PACKET);
        self.packets
            .store(packets | u32::from(update.state), Relaxed);
    }
}
