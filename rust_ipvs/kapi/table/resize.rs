// SPDX-License-Identifier: GPL-2.0

//! Another number of buckets, while readers read.

use super::{
    buckets::{
        free_buckets,
        move_tail,
        Buckets,
        MAX_BITS,
        MIN_BITS, //
    },
    entry::Entry,
    Table,
    SHARDS, //
};
use crate::bindings;
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Release, //
    },
};

impl<T: Entry> Table<T> {
    /// Changes the number of buckets to `1 << bits`. Sleeps; does nothing while another call does.
    pub(crate) fn resize(&self, bits: u32) -> Result {
        let bits = bits.clamp(MIN_BITS, MAX_BITS);
        if self.size() == 1usize << bits || self.resizing.cmpxchg(0, 1, Acquire).is_err() {
            return Ok(());
        }
        let result = Buckets::new(bits).map(|new| self.replace(new));
        self.resizing.store(0, Release);
        result
    }

    /// Moves everything to `new`. The caller holds `resizing`.
    fn replace(&self, new: KBox<Buckets>) {
        let new = KBox::into_raw(new);
        let old = self.buckets.load() as *mut Buckets;
        // SAFETY: Only the holder of `resizing` replaces arrays, so `old` stays; `new` is ours and
        // is never freed before it is `current`.
        let (old_array, new_array) = unsafe { (&*old, &*new) };
        old_array.future.publish(new as usize);
        for shard in 0..SHARDS {
            let mut bucket = shard;
            while bucket <= old_array.mask {
                let guard = self.lock(shard as u32);
                // As many chains under one lock as keep others waiting for microseconds at most.
                for _ in 0..64 {
                    if bucket <= old_array.mask {
                        while move_tail::<T>(old_array.bucket(bucket as u32), new_array) {}
                    }
                    bucket = bucket.wrapping_add(SHARDS);
                }
                drop(guard);
                // SAFETY: No lock is held and no read-side section is open here.
                unsafe { bindings::rust_ipvs_helper_cond_resched() };
            }
        }
        self.buckets.publish(new as usize);
        // SAFETY: Nobody finds `old` from now on, and only this call queues it.
        unsafe { bindings::call_rcu(old_array.head.get(), Some(free_buckets)) };
    }
}
