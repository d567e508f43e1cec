// SPDX-License-Identifier: GPL-2.0

//! [`Expected`]: list of the latest data connections that a control connection expects (F-6, F-7).
//! The connections themselves are in `conn/app.rs`.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Maximum number of expected data connections of a control connection.
///
/// A session needs one: RFC 959 has one data connection at a time. The second one is for a client
/// that requests the next before the server has begun the last.
const EXPECTED: usize = 2;

/// Keys of the latest expected data connections; 0 for none.
///
/// Packets of both directions may add keys concurrently. A key is moved between slots by exchanges,
/// so it is either in one slot or owned by one caller.
pub(super) struct Expected([Atomic<u32>; EXPECTED]);

impl Expected {
    /// Creates an empty list.
    pub(super) const fn new() -> Self {
        Self([const { Atomic::new(0) }; EXPECTED])
    }

    /// Adds a key. Returns the oldest one if the list was full.
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
