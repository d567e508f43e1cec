// SPDX-License-Identifier: GPL-2.0

//! What the defences against running out of memory remember (Y-2).

use crate::{
    kapi::once::Word,
    logic::defence, //
};

/// Which packets are dropped that would begin a connection (S-6).
pub(super) struct Defences {
    /// One of so many; 0 for none.
    pub(super) rate: Word<i32>,
    /// How many pass until the next that is dropped.
    left: Word<i32>,
}

impl Defences {
    /// None is dropped.
    pub(super) fn new() -> Self {
        Self {
            rate: Word::new(0),
            left: Word::new(0),
        }
    }

    /// Whether to drop a packet that would begin a connection.
    ///
    /// CPUs that count at once may count one packet for two, which lets one more pass now and then.
    #[inline(always)]
    pub(super) fn drop_packet(&self) -> bool {
        let rate = self.rate.load();
        rate != 0 && self.count_down(rate)
    }

    #[cold]
    #[inline(never)]
    fn count_down(&self, rate: i32) -> bool {
        let (drops, left) = defence::count_down(rate, self.left.load());
        self.left.store(left);
        drops
    }
}

/// What the mutex holds under which memory is judged: evidence that nobody else does so now.
pub(super) struct Judging(());

impl Judging {
    /// For the mutex of a namespace.
    pub(super) fn new() -> Self {
        Self(())
    }
}
