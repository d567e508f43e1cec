// SPDX-License-Identifier: GPL-2.0

//! Arrays of chains.

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

/// The fewest buckets a table can have, as a power of two.
pub(crate) const MIN_BITS: u32 = sizes::either(8, 1) as u32;
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
    /// Tells this array from the others that its table had, or has.
    pub(super) generation: u32,
    /// The array that replaces this one, zero while there is none.
    pub(super) future: Word<usize>,
    pub(super) heads: KVVec<Word<usize>>,
}

impl Buckets {
    /// An array of `1 << bits` empty chains.
    pub(super) fn new(bits: u32, generation: u32) -> Result<KBox<Self>> {
        let count = 1usize << bits.clamp(MIN_BITS, MAX_BITS);
        // Zero is an empty chain. The caller copes without memory, so the log need not tell of it.
        let heads = KVVec::zeroed(count, GFP_KERNEL | __GFP_NOWARN)?;
        // INVARIANT: `count` is a power of two and `heads` has that many elements.
        Ok(KBox::new(
            Self {
                head: Opaque::uninit(),
                mask: count.wrapping_sub(1),
                generation,
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

    /// The array that replaces this one, if one does.
    ///
    /// Call it after the chain of this array was searched to its end, or with its lock held.
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
    pub(super) fn future<'g>(&'g self, _rcu: Rcu<'g>) -> Option<&'g Buckets> {
        smp_mb(Read);
        let future = self.future.load() as *const Buckets;
        // SAFETY: The array that replaces another is freed after it: both go through RCU, in this
        // order, and the reader's section began before the older one was given up.
        unsafe { future.as_ref() }
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
    // SAFETY: By the contract of this function nobody else has it; ownership passes to the box.
    drop(unsafe { KBox::from_raw(buckets.cast_mut()) });
}
