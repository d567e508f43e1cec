// SPDX-License-Identifier: GPL-2.0

//! [`WordPair`]: two words of a connection that are used in one of two ways, so that an IPv4
//! connection stays within two cache lines.
//!
//! A connection that is bound to the application helper has the list of the latest data connections
//! that it expects (F-6, F-7); the connections themselves are in `conn/app.rs`. Any other has the
//! stamps of the fast path (`netns/epoch.rs`), which takes no packet that a helper has to see. A
//! connection is bound before it is inserted or never (`Connection::set_app()` needs it
//! exclusively), so no two CPUs ever disagree about the use.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Two words. In a list of expected data connections each is the key of one, 0 for none.
///
/// A session needs one: RFC 959 has one data connection at a time. The second one is for a client
/// that requests the next before the server has begun the last.
///
/// Packets of both directions may add keys concurrently. A key is moved between slots by exchanges,
/// so it is either in one slot or owned by one caller.
pub(super) struct WordPair([Atomic<u32>; 2]);

impl WordPair {
    /// Creates an empty list, or stamps of a connection that the fast path has not seen.
    pub(super) const fn new() -> Self {
        Self([const { Atomic::new(0) }; 2])
    }

    /// Returns the stamp of requests.
    #[inline(always)]
    pub(super) fn request(&self) -> Stamp<'_> {
        let [request, _] = &self.0;
        Stamp(request)
    }

    /// Returns the stamp of replies.
    #[inline(always)]
    pub(super) fn reply(&self) -> Stamp<'_> {
        let [_, reply] = &self.0;
        Stamp(reply)
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

/// Stamp of the fast path, 0 for none.
///
/// If two CPUs stamp at once, either may win: each stamp is true.
#[derive(Clone, Copy)]
pub(crate) struct Stamp<'a>(&'a Atomic<u32>);

impl Stamp<'_> {
    /// Returns the stamp.
    #[inline(always)]
    pub(crate) fn load(self) -> u32 {
        self.0.load(Relaxed)
    }

    /// Stores a stamp.
    #[inline(always)]
    pub(crate) fn store(self, stamp: u32) {
        self.0.store(stamp, Relaxed);
    }
}
