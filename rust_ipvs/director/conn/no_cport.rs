// SPDX-License-Identifier: GPL-2.0

//! Time until which entries may be in a table whose client's port nobody knows (C-9, C-24).

use crate::kapi::time::{
    self,
    HZ, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Time for which an entry may be seen after its timeout, in jiffies: it ends with a later run of
/// `Expiry`, and packets may still use it.
const SLACK: u32 = 10 * HZ;

/// Time in jiffies at which all entries without a client's port are gone, of a namespace and
/// family; 0 if there are none.
///
/// A packet that belongs to no connection looks for such an entry only if there may be one. The
/// time of the last announcement says so, and not a count, which would have to be kept until no CPU
/// can see an entry any more.
pub(crate) struct NoCport(Atomic<u32>);

impl NoCport {
    /// Returns that there is none.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Returns whether there may be such an entry.
    #[inline(always)]
    pub(crate) fn is_any(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    /// Takes note of an entry that will be there for `timeout` jiffies. The caller enters it
    /// afterwards, and its client is told of it later still.
    ///
    /// If two CPUs announce at the same time, the earlier time may stay. It differs by as many
    /// jiffies as one of them took to get here, which `SLACK` covers.
    pub(crate) fn expect(&self, timeout: u32) {
        let until = time::jiffies32().wrapping_add(timeout).wrapping_add(SLACK);
        // 0 stands for none.
        self.0.store(until | 1, Relaxed);
    }

    /// Says that there are none once all are gone.
    pub(crate) fn forget(&self) {
        let until = self.0.load(Relaxed);
        if until != 0 && (until.wrapping_sub(time::jiffies32()) as i32) < 0 {
            // If it fails, one has been announced meanwhile.
            let _ = self.0.cmpxchg(until, 0, Relaxed);
        }
    }
}
