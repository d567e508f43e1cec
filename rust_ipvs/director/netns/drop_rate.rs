// SPDX-License-Identifier: GPL-2.0

//! State of the defenses against memory shortage (Y-2).

use crate::{
    kapi::once::Word,
    logic::defense, //
};

/// Rate at which packets that would begin a connection are dropped (S-6).
pub(crate) struct Defenses {
    /// Drop one of so many packets; 0 for none.
    pub(crate) rate: Word<i32>,
    /// Number of packets until the next drop.
    left: Word<i32>,
}

impl Defenses {
    /// Creates the state in which no packet is dropped.
    pub(crate) fn new() -> Self {
        Self {
            rate: Word::new(0),
            left: Word::new(0),
        }
    }

    /// Returns whether to drop a packet that would begin a connection.
    ///
    /// The counter is not atomic: CPUs that count concurrently may count two packets as one, which
    /// delays the next drop by a packet.
    #[inline(always)]
    pub(crate) fn drop_packet(&self) -> bool {
        let rate = self.rate.load();
        rate != 0 && self.count_down(rate)
    }

    #[cold]
    #[inline(never)]
    fn count_down(&self, rate: i32) -> bool {
        let (drops, left) = defense::count_down(rate, self.left.load());
        self.left.store(left);
        drops
    }
}

/// Proof that the caller holds the mutex around it, and is the only one to update the level.
pub(crate) struct DefenseLock(());

impl DefenseLock {
    /// Creates the instance for a namespace's mutex.
    pub(crate) fn new() -> Self {
        Self(())
    }
}
