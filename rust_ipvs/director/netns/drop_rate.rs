// SPDX-License-Identifier: GPL-2.0

//! State of the defenses against memory shortage (Y-2).

use crate::{
    kapi::once::Word,
    logic::defense, //
};

/// Dropping of packets that would begin a connection (S-6).
pub(crate) struct Defenses {
    /// One of so many; 0 for none.
    pub(crate) rate: Word<i32>,
    /// Number of packets until the next that is dropped.
    left: Word<i32>,
}

impl Defenses {
    /// None is dropped.
    pub(crate) fn new() -> Self {
        Self {
            rate: Word::new(0),
            left: Word::new(0),
        }
    }

    /// Returns whether to drop a packet that would begin a connection.
    ///
    /// CPUs that count at once may count one packet for two, which lets one more pass now and then.
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

/// Protected by the mutex around it: evidence that nobody else updates the level now.
pub(crate) struct DefenseLock(());

impl DefenseLock {
    /// For the mutex of a namespace.
    pub(crate) fn new() -> Self {
        Self(())
    }
}
