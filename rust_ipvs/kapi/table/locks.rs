// SPDX-License-Identifier: GPL-2.0

//! Locking of one shard of a table or of several.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)
//!
//! # Context
//!
//! Softirq or process context, but not hard interrupts: the locks are taken with bottom halves off.
//! Sections under them must not sleep.

use super::{
    entry::TableEntry,
    shards::{
        Guards,
        NestedGuard,
        Shard,
        ShardGuard, //
    },
    Table, //
};
use core::cmp::{
    max,
    min, //
};

impl<T: TableEntry> Table<T> {
    /// Returns the number of a hash's shard.
    fn shard_number(&self, hash: u32) -> usize {
        hash as usize & self.shard_mask
    }

    /// Returns the shard of a number, of which the low bits count.
    fn shard(&self, number: usize) -> &Shard {
        // SAFETY: By the type invariant there are `shard_mask + 1` elements, so the masked number
        // is in bounds.
        unsafe { self.shards.get_unchecked(number & self.shard_mask) }
    }

    /// Returns `true` if two hashes belong to the same shard.
    pub(super) fn is_same_shard(&self, hash: u32, other: u32) -> bool {
        self.shard_number(hash ^ other) == 0
    }

    /// Locks the shard of a hash, and turns bottom halves off. The caller must hold no shard's
    /// lock.
    pub(super) fn lock(&self, hash: u32) -> ShardGuard<'_> {
        let shard = self.shard(self.shard_number(hash));
        ShardGuard::new(shard)
    }

    /// Locks the shards of three hashes, some of which may be the same, and turns bottom halves
    /// off. The caller must hold no shard's lock.
    ///
    /// Several shards are locked here only, in the order of their numbers, so there is no deadlock.
    pub(super) fn lock_all(&self, hashes: [u32; 3]) -> Guards<'_> {
        let [home, b, c] = hashes.map(|hash| self.shard_number(hash));
        let (least, most) = (min(home, min(b, c)), max(home, max(b, c)));
        // The XOR cancels the least and the most of the three and leaves the other one.
        let middle = home ^ b ^ c ^ least ^ most;
        let first = self.lock(least as u32);
        let second = (middle != least).then(|| NestedGuard::new(self.shard(middle), 1));
        let third = (most != middle).then(|| NestedGuard::new(self.shard(most), 2));
        Guards::new(first, second, third, self.shard(home))
    }
}
