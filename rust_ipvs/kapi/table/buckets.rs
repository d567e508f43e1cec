// SPDX-License-Identifier: GPL-2.0

//! Bucket arrays, and the order in which readers go from one to its replacement.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h), whose
//! `struct bucket_table` has a `future_tbl`, too.
//!
//! # Context
//!
//! Arrays are allocated and replaced in process context, and read in any context under RCU. A word
//! of an array is written with the lock of its shard held, `future` by the only resize that runs.

use super::sizes;
use crate::{
    bindings,
    kapi::{
        once::Word,
        rcu::Rcu, //
    },
};
use kernel::{
    prelude::*,
    sync::barrier::{
        smp_mb,
        Read, //
    },
    types::Opaque, //
};

/// Base-2 logarithm of the minimum number of buckets.
pub(crate) const MIN_BITS: u32 = sizes::either(8, 1) as u32;
/// Base-2 logarithm of the maximum number of buckets.
pub(crate) const MAX_BITS: u32 = 27;

/// A bucket array. Readers access it under RCU; it is freed a grace period after it was replaced.
///
/// # Invariants
///
/// `heads` has `mask + 1` elements, a power of two of at least `1 << MIN_BITS`.
pub(super) struct Buckets<K> {
    pub(super) head: Opaque<bindings::callback_head>,
    pub(super) mask: usize,
    /// Number of the array in the order of its table's arrays, by which walks recognise it.
    pub(super) generation: u32,
    /// Number of the key. An array has the key of the array that it replaces, with the same number,
    /// or the next key, with the next number.
    pub(super) key_number: u32,
    /// Address of the array that replaces this one; 0 if there is none. Written once, by `resize`.
    pub(super) future: Word<usize>,
    /// First link of each chain; 0 if it is empty.
    pub(super) heads: KVVec<Word<usize>>,
    /// The key of the hashes by which objects are in the chains.
    pub(super) key: K,
}

impl<K> Buckets<K> {
    /// Allocates an array of `1 << bits` empty chains. Process context. Fails with `ENOMEM`.
    pub(super) fn new(
        bits: u32,
        (generation, key_number): (u32, u32),
        key: K,
    ) -> Result<KBox<Self>> {
        let count = 1usize << bits.clamp(MIN_BITS, MAX_BITS);
        // Zero is an empty chain. The caller handles the failure of a large allocation, so it is
        // not logged.
        let heads = KVVec::zeroed(count, GFP_KERNEL | __GFP_NOWARN)?;
        // INVARIANT: `count` is a power of two and `heads` has that many elements.
        Ok(KBox::new(
            Self {
                head: Opaque::uninit(),
                mask: count.wrapping_sub(1),
                generation,
                key_number,
                future: Word::new(0),
                heads,
                key,
            },
            GFP_KERNEL,
        )?)
    }

    /// Returns the head of the chain of a hash.
    #[inline(always)]
    pub(super) fn bucket(&self, hash: u32) -> &Word<usize> {
        // SAFETY: By the type invariant there are `mask + 1` elements, so the masked number is in
        // bounds.
        unsafe { self.heads.get_unchecked(hash as usize & self.mask) }
    }

    /// Returns the array that replaces this one, or `None` if no resize is running.
    ///
    /// Called after the chain of this array was searched to its end, or with the lock of its shard
    /// held.
    ///
    /// # Ordering
    ///
    /// A reader that does not meet an object in the old chain must meet it in the new one. In terms
    /// of the kernel's memory model, the mover (`table/resize.rs`) writes, in this order,
    ///
    /// 1. `old.future = new`,
    /// 2. `E.next` and the new bucket's head, `E`, when it moves the object `E`,
    /// 3. 0 in the word of the old chain that led to `E`,
    ///
    /// each with release semantics, so that who reads one of them sees those before it, if it
    /// reads in that order too. The reader reads the words of the old chain to a 0, then
    /// `future`, then the bucket's head in the new array.
    ///
    /// The reader that does not meet `E` has read something of 3, or of a later 3 that moved an
    /// object before `E`; or it stood on an object that was moved and has read the `next` of 2,
    /// which led it into a chain of the new array, after `E` was moved, as tails are moved first.
    /// Either way what it read was written after 1 and 2 of `E`. It is only its own later loads
    /// that can still be early: nothing depends on the 0 that it read. Hence the barrier, between
    /// the chain's end and `future`; what it reads through `future` depends on that by its
    /// address.
    ///
    /// `include/linux/rhashtable.h` has its `smp_rmb()` before `future_tbl` for the same reason. On
    /// x86 it is a barrier to the compiler alone.
    #[inline(always)]
    pub(super) fn future<'g>(&'g self, _rcu: Rcu<'g>) -> Option<&'g Self> {
        smp_mb(Read);
        let future = self.future.load() as *const Self;
        // SAFETY: The address is null or that of a `Buckets<K>`. An array is queued for freeing
        // after the one that it replaced, through RCU, and the reader's section began before the
        // older one was queued, so neither is freed during `'g`.
        unsafe { future.as_ref() }
    }
}

/// Frees a bucket array whose grace period has passed.
///
/// # Safety
///
/// `head` must be that of a `Buckets<K>` from `KBox::into_raw` that was replaced.
pub(super) unsafe extern "C" fn free_buckets<K>(head: *mut bindings::callback_head) {
    // SAFETY: By the contract of this function `head` is the field `head` of a `Buckets`, so the
    // subtraction stays within that allocation.
    let buckets = unsafe { kernel::container_of!(Opaque::cast_from(head), Buckets<K>, head) };
    // SAFETY: By the contract of this function the array came from `KBox::into_raw` and was
    // replaced. Its grace period has passed, so there are no readers: the box is the only owner.
    drop(unsafe { KBox::from_raw(buckets.cast_mut()) });
}
