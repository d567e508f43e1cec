// SPDX-License-Identifier: GPL-2.0

//! [`NoCport`]: time until which entries with an unknown client port may exist (C-9, C-24).

use crate::kapi::time::{
    self,
    HZ, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Time in jiffies for which an entry may be found after its timeout: it is removed by a later run
/// of `Expiry`, and packets may still hold a reference.
const SLACK: u32 = 10 * HZ;

/// Time in jiffies by which all entries with an unknown client port of a namespace and family have
/// expired; 0 if there are none.
///
/// A packet without a connection looks for such an entry only if there may be one. C IPVS has a
/// count (`no_cport_conns`), which would have to include entries until no CPU can find them; a
/// time needs no such care.
pub(crate) struct NoCport(Atomic<u32>);

impl NoCport {
    /// Creates the value for no such entry.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Returns whether such an entry may exist.
    #[inline(always)]
    pub(crate) fn is_any(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    /// Records an entry with a timeout of `timeout` jiffies. Called before the entry is inserted
    /// and before the client learns of it.
    ///
    /// Of two concurrent calls the earlier time may remain. It is earlier by the time between the
    /// two loads of jiffies, which `SLACK` covers.
    pub(crate) fn expect(&self, timeout: u32) {
        let until = time::jiffies32().wrapping_add(timeout).wrapping_add(SLACK);
        // 0 is the value for none.
        self.0.store(until | 1, Relaxed);
    }

    /// Resets the value if the recorded time has passed.
    pub(crate) fn forget(&self) {
        let until = self.0.load(Relaxed);
        if until != 0 && (until.wrapping_sub(time::jiffies32()) as i32) < 0 {
            // A failure means that another entry was recorded meanwhile.
            let _ = self.0.cmpxchg(until, 0, Relaxed);
        }
    }
}
