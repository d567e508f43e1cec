// SPDX-License-Identifier: GPL-2.0

//! Arrays of RCU-protected references that readers search while writers change them in place.
//!
//! C header: [`include/linux/rculist.h`](srctree/include/linux/rculist.h)
//!
//! An [`RcuSlots`] has a fixed number of slots. A new object takes the next slot, and removing one
//! leaves its slot empty; both take constant time. When no slot is left, the owner allocates a
//! larger array and publishes that.
//!
//! C code keeps such objects in a list of `struct list_head`. In a list the address of an object is
//! known only when its predecessor has been loaded; in an array the CPU can load several objects at
//! once. An array needs no links in the objects either, so one object can be in several arrays.
//! Destinations of a service are kept this way, because schedulers search all of them for a new
//! connection.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{rcu, rcu_slots::RcuSlots, shared::RcuArc};
//! # fn example(object: RcuArc<u32>) -> Result {
//! let slots = RcuSlots::new(8)?;
//! let slot = slots.push(object);
//! rcu::read(|rcu| assert!(slots.get(rcu, 0).is_some()));
//! slots.take(0);
//! # Ok(())
//! # }
//! ```

use super::{
    once::Word,
    rcu::Rcu,
    shared::{RcuArc, RcuRef},
};
use crate::bindings;
use core::{marker::PhantomData, ptr};
use kernel::prelude::*;

/// A slot: an RCU-protected counted reference, or none.
///
/// # Invariants
///
/// The word is zero, or came from `RcuArc::into_raw` and owns that reference. A reference that
/// leaves the word is not dropped before it has been handed to a caller of `swap`, and its object
/// is freed a grace period after the last reference was dropped.
struct RcuSlot<T: Send + Sync + 'static> {
    word: Word<usize>,
    _owns: PhantomData<RcuArc<T>>,
}

impl<T: Send + Sync> RcuSlot<T> {
    /// Creates an empty slot.
    const fn empty() -> Self {
        // INVARIANT: Zero.
        Self {
            word: Word::new(0),
            _owns: PhantomData,
        }
    }

    /// Returns the object, or `None` if the slot is empty. Valid for the read-side critical
    /// section.
    #[inline(always)]
    fn get<'g>(&'g self, rcu: Rcu<'g>) -> Option<RcuRef<'g, T>> {
        // SAFETY: By the type invariant the word is 0 or that of a reference which was not dropped
        // before the word was read, in this read-side critical section. The object is freed a grace
        // period after the last reference is dropped.
        unsafe { RcuRef::from_raw(rcu, self.word.load()) }
    }

    /// Stores a reference, or none, and returns the one that was there. Any context; atomic.
    fn swap(&self, object: Option<RcuArc<T>>) -> Option<RcuArc<T>> {
        let new = object.map_or(0, RcuArc::into_raw);
        // SAFETY: `self.word` is a `usize` that is valid for the call and accessed atomically only.
        // The exchange is fully ordered, so the object's contents are visible before its address.
        let old = unsafe {
            bindings::rust_ipvs_helper_xchg(ptr::from_ref(&self.word).cast_mut().cast(), new)
        };
        // SAFETY: By the type invariant the old word is 0 or came from `RcuArc::into_raw`. This
        // exchange took it out, so it is used once.
        unsafe { RcuArc::from_raw(old) }
    }
}

impl<T: Send + Sync> Drop for RcuSlot<T> {
    // The reference is dropped at once. Readers that found it are protected by the grace period of
    // the object.
    fn drop(&mut self) {
        drop(self.swap(None));
    }
}

/// An array of RCU-protected references.
///
/// Writers must be serialised by a lock of the owner. Without one, two calls of
/// [`push`](Self::push) may use the same slot, and one of their objects is dropped; that is a wrong
/// result, but memory-safe.
pub(crate) struct RcuSlots<T: Send + Sync + 'static> {
    /// All slots, used and unused. Never reallocated, so readers may iterate over it.
    slots: KVVec<RcuSlot<T>>,
    /// Number of slots up to the last one that was used. Published after the slot was filled.
    len: Word<u32>,
}

impl<T: Send + Sync> RcuSlots<T> {
    /// Allocates an array of `capacity` empty slots. Process context. Fails with `ENOMEM`.
    pub(crate) fn new(capacity: usize) -> Result<Self> {
        let mut slots = KVVec::with_capacity(capacity, GFP_KERNEL)?;
        for _ in 0..capacity {
            // Within the capacity: slots must not move once readers have them.
            slots.push(RcuSlot::empty(), GFP_KERNEL)?;
        }
        Ok(Self {
            slots,
            len: Word::new(0),
        })
    }

    /// Returns the number of slots, used or not.
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Returns the number of slots up to the last one that was used. Some of them may be empty,
    /// because their object was taken out.
    #[inline(always)]
    pub(crate) fn len(&self) -> u32 {
        self.len.load()
    }

    /// Returns the object in a slot; `None` if the slot is empty or does not exist.
    #[inline(always)]
    pub(crate) fn get<'g>(&'g self, rcu: Rcu<'g>, slot: u32) -> Option<RcuRef<'g, T>> {
        self.slots.get(slot as usize)?.get(rcu)
    }

    /// Returns the last object below slot `below` for which `is` returns `true`, with its slot.
    ///
    /// `is` is called in descending order of the slots and may keep state. Any context; must not
    /// sleep.
    ///
    /// The search is unrolled by four, because it is the inner loop of schedulers.
    #[inline(always)]
    pub(crate) fn rfind<'g>(
        &'g self,
        rcu: Rcu<'g>,
        below: u32,
        mut is: impl FnMut(RcuRef<'g, T>) -> bool,
    ) -> Option<(u32, RcuRef<'g, T>)> {
        // `get` again for each slot: the object may change between two calls of `is`, but each call
        // sees one.
        let mut find = |cell: &'g RcuSlot<T>| cell.get(rcu).filter(|object| is(*object));
        let mut slots = self.slots.get(..below as usize).unwrap_or(&self.slots);
        while let Some((rest, four)) = slots.split_last_chunk::<4>() {
            for (slot, cell) in four.iter().enumerate().rev() {
                if let Some(object) = find(cell) {
                    return Some((rest.len().wrapping_add(slot) as u32, object));
                }
            }
            slots = rest;
        }
        while let Some((cell, rest)) = slots.split_last() {
            if let Some(object) = find(cell) {
                return Some((rest.len() as u32, object));
            }
            slots = rest;
        }
        None
    }

    /// Stores `object` in the next slot and returns its number. Returns `None`, and drops `object`,
    /// if all slots are used. The caller must hold the writers' lock.
    ///
    /// Any context that may hold the lock; does not allocate.
    pub(crate) fn push(&self, object: RcuArc<T>) -> Option<u32> {
        let slot = self.len.load();
        // The object is in its slot before `len` covers it.
        self.slots.get(slot as usize)?.swap(Some(object));
        self.len.publish(slot.wrapping_add(1));
        Some(slot)
    }

    /// Makes the empty slots behind the last object available to [`push`](Self::push) again. The
    /// caller must hold the writers' lock.
    ///
    /// A reader that runs meanwhile may use the old length: it finds these slots empty.
    pub(crate) fn trim(&self, rcu: Rcu<'_>) {
        // Only trailing slots are given back, because the numbers of others are known to users.
        let mut len = self.len.load();
        while let Some(last) = len
            .checked_sub(1)
            .filter(|last| self.get(rcu, *last).is_none())
        {
            len = last;
        }
        self.len.store(len);
    }

    /// Empties a slot and returns its object; `None` if the slot is empty or does not exist.
    /// Readers may see the object until a grace period has passed.
    pub(crate) fn take(&self, slot: u32) -> Option<RcuArc<T>> {
        self.slots.get(slot as usize)?.swap(None)
    }
}
