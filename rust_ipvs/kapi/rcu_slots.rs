// SPDX-License-Identifier: GPL-2.0

//! Arrays of RCU-protected references, which readers walk while writers change them in place.
//!
//! C header: [`include/linux/rculist.h`](srctree/include/linux/rculist.h)
//!
//! A [`RcuSlots`] has a fixed number of slots. A new object takes the next one, and one that is
//! taken out leaves its slot empty; both cost the same however long the list is. When no slot is
//! left, its owner allocates another array of the size that it wants.
//!
//! # Examples
//!
//! ```ignore
//! let slots = RcuSlots::new(8)?;
//! let slot = slots.push(object);
//! rcu::read(|rcu| assert!(slots.get(rcu, 0).is_some()));
//! slots.take(0);
//! ```

use super::{
    once::Word,
    rcu::Rcu,
    shared::{RcuArc, RcuRef},
};
use crate::bindings;
use core::{marker::PhantomData, ptr};
use kernel::prelude::*;

/// A slot: an RCU-protected reference, or none.
///
/// # Invariants
///
/// The word is zero or came from `RcuArc::into_raw`, and owns that reference.
struct RcuSlot<T: Send + Sync + 'static> {
    word: Word<usize>,
    _owns: PhantomData<RcuArc<T>>,
}

impl<T: Send + Sync> RcuSlot<T> {
    const fn empty() -> Self {
        // INVARIANT: Zero.
        Self {
            word: Word::new(0),
            _owns: PhantomData,
        }
    }

    #[inline(always)]
    fn get<'g>(&'g self, rcu: Rcu<'g>) -> Option<RcuRef<'g, T>> {
        // SAFETY: By the type invariant the word is that of a reference, which was not dropped
        // before the word was read; the object is freed a grace period after it is.
        unsafe { RcuRef::from_raw(rcu, self.word.load()) }
    }

    /// Puts a reference in, and returns the one that was there.
    fn swap(&self, object: Option<RcuArc<T>>) -> Option<RcuArc<T>> {
        let new = object.map_or(0, RcuArc::into_raw);
        // SAFETY: The word lives as long as `self`; the exchange is fully ordered, so that the
        // object's contents are visible before its address.
        let old = unsafe {
            bindings::rust_ipvs_helper_xchg(ptr::from_ref(&self.word).cast_mut().cast(), new)
        };
        // SAFETY: By the type invariant; this exchange took the reference out, so nobody else has
        // it.
        unsafe { RcuArc::from_raw(old) }
    }
}

impl<T: Send + Sync> Drop for RcuSlot<T> {
    fn drop(&mut self) {
        drop(self.swap(None));
    }
}

/// An array of slots.
///
/// Writers that race may put an object in a slot beyond the last one, or lose one; that harms
/// nobody's memory, but they had better take a lock.
pub(crate) struct RcuSlots<T: Send + Sync + 'static> {
    slots: KVVec<RcuSlot<T>>,
    len: Word<u32>,
}

impl<T: Send + Sync> RcuSlots<T> {
    /// Allocates an array of `capacity` empty slots. Process context.
    pub(crate) fn new(capacity: usize) -> Result<Self> {
        let mut slots = KVVec::with_capacity(capacity, GFP_KERNEL)?;
        for _ in 0..capacity {
            slots.push(RcuSlot::empty(), GFP_KERNEL)?;
        }
        Ok(Self {
            slots,
            len: Word::new(0),
        })
    }

    /// Returns the number of slots.
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Returns the number of slots up to the last one that was used; some of these may be empty
    /// again.
    #[inline(always)]
    pub(crate) fn len(&self) -> u32 {
        self.len.load()
    }

    /// Returns the object in a slot.
    #[inline(always)]
    pub(crate) fn get<'g>(&'g self, rcu: Rcu<'g>, slot: u32) -> Option<RcuRef<'g, T>> {
        self.slots.get(slot as usize)?.get(rcu)
    }

    /// The last object below a slot that is as `is` says, which sees all that come after it, with
    /// its own slot.
    ///
    /// It looks at four slots in a step.
    #[inline(always)]
    pub(crate) fn rfind<'g>(
        &'g self,
        rcu: Rcu<'g>,
        below: u32,
        mut is: impl FnMut(RcuRef<'g, T>) -> bool,
    ) -> Option<(u32, RcuRef<'g, T>)> {
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

    /// Puts an object in the next slot, whose number it returns; without room it is dropped.
    pub(crate) fn push(&self, object: RcuArc<T>) -> Option<u32> {
        let slot = self.len.load();
        self.slots.get(slot as usize)?.swap(Some(object));
        self.len.publish(slot.wrapping_add(1));
        Some(slot)
    }

    /// Gives back the empty slots behind the last object, so that [`push`](Self::push) uses them
    /// again.
    pub(crate) fn trim(&self, rcu: Rcu<'_>) {
        let mut len = self.len.load();
        while let Some(last) = len
            .checked_sub(1)
            .filter(|last| self.get(rcu, *last).is_none())
        {
            len = last;
        }
        self.len.store(len);
    }

    /// Takes the object out of a slot.
    pub(crate) fn take(&self, slot: u32) -> Option<RcuArc<T>> {
        self.slots.get(slot as usize)?.swap(None)
    }
}
