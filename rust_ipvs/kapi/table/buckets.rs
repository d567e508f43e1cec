// SPDX-License-Identifier: GPL-2.0

//! Arrays of chains.

use super::entry::{
    words,
    Entry,
    DIRECTION, //
};
use crate::{
    bindings,
    kapi::{
        once::Word,
        rcu::Rcu, //
    },
};
use core::sync::atomic::{
    fence,
    Ordering, //
};
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// The fewest buckets a table can have, as a power of two.
pub(crate) const MIN_BITS: u32 = 8;
/// The most buckets a table can have, as a power of two.
pub(crate) const MAX_BITS: u32 = 27;

/// A bucket array.
///
/// # Invariants
///
/// `heads` has `mask + 1` elements, a power of two of at least `1 << MIN_BITS`.
pub(super) struct Buckets {
    pub(super) head: Opaque<bindings::callback_head>,
    pub(super) mask: usize,
    /// The array that replaces this one, zero while there is none.
    pub(super) future: Word<usize>,
    pub(super) heads: KVVec<Word<usize>>,
}

impl Buckets {
    /// An array of `1 << bits` empty chains.
    pub(super) fn new(bits: u32) -> Result<KBox<Self>> {
        let count = 1usize << bits.clamp(MIN_BITS, MAX_BITS);
        // Zero is an empty chain.
        let heads = KVVec::zeroed(count, GFP_KERNEL)?;
        // INVARIANT: `count` is a power of two and `heads` has that many elements.
        Ok(KBox::new(
            Self {
                head: Opaque::uninit(),
                mask: count.wrapping_sub(1),
                future: Word::new(0),
                heads,
            },
            GFP_KERNEL,
        )?)
    }

    /// The chain of a hash.
    #[inline(always)]
    pub(super) fn bucket(&self, hash: u32) -> &Word<usize> {
        // SAFETY: The masked number is below the number of elements by the type invariant.
        unsafe { self.heads.get_unchecked(hash as usize & self.mask) }
    }

    /// The array that replaces this one, where one does.
    #[inline(always)]
    pub(super) fn future<'g>(&'g self, _rcu: Rcu<'g>) -> Option<&'g Buckets> {
        let future = self.future.load() as *const Buckets;
        // SAFETY: The array that replaces another is freed after it: both go through RCU, in this
        // order, and the reader's section began before the older one was given up.
        let future = unsafe { future.as_ref() };
        if future.is_some() {
            // A chain that was seen emptied must not be searched in its new place with older eyes.
            fence(Ordering::Acquire);
        }
        future
    }
}

/// Moves the last object of a chain to the head of its chain in `new`; `false` where there is none.
///
/// The chain's shard must be locked; it is the same shard in both arrays.
pub(super) fn move_tail<T: Entry>(bucket: &Word<usize>, new: &Buckets) -> bool {
    let mut word = bucket;
    let mut link = word.load();
    if link == 0 {
        return false;
    }
    loop {
        // SAFETY: Links lead to live objects, and the lock of this chain is held.
        let entry = unsafe { &*((link & !DIRECTION) as *const T) };
        let (next, hash) = words(entry, link & DIRECTION);
        let following = next.load();
        if following == 0 {
            let target = new.bucket(hash.load());
            next.store(target.load());
            target.publish(link);
            // After the object is in its new place, for readers between the two.
            word.publish(0);
            return true;
        }
        word = next;
        link = following;
    }
}

/// Frees a bucket array whose grace period has passed.
///
/// # Safety
///
/// `head` must be that of a [`Buckets`] from `KBox::into_raw` that was replaced.
pub(super) unsafe extern "C" fn free_buckets(head: *mut bindings::callback_head) {
    // SAFETY: By the contract of this function.
    let buckets = unsafe { kernel::container_of!(Opaque::cast_from(head), Buckets, head) };
    // SAFETY: As above; ownership passes to the box.
    drop(unsafe { KBox::from_raw(buckets.cast_mut()) });
}
