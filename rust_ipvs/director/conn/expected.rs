// SPDX-License-Identifier: GPL-2.0

//! The last few data connections that a control connection announced (F-6, F-7).

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Data connections of a control connection that may wait at the same time.
///
/// A session needs one: RFC 959 knows one data connection at a time. The second is for a client
/// that announces the next one before the server has begun the last.
const EXPECTED: usize = 2;

/// Keys of the data connections that were announced last; 0 for none.
///
/// Packets of both directions may add at the same time, on different CPUs. Each key is moved by
/// exchanges, so it is in one slot, or with one caller that has taken it out.
pub(super) struct Expected([Atomic<u32>; EXPECTED]);

impl Expected {
    /// Returns a list without keys.
    pub(super) const fn new() -> Self {
        Self([const { Atomic::new(0) }; EXPECTED])
    }

    /// Adds a key. Returns the oldest one if it had to go for that.
    pub(super) fn add(&self, key: u32) -> Option<u32> {
        if self.0.iter().any(|slot| slot.load(Relaxed) == key) {
            return None;
        }
        let oldest = self
            .0
            .iter()
            .fold(key, |newer, slot| slot.xchg(newer, Relaxed));
        (oldest != 0).then_some(oldest)
    }
}
