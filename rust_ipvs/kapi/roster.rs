// SPDX-License-Identifier: GPL-2.0

//! Lists of shared objects that readers walk under RCU while they change in place.
//!
//! C header: [`include/linux/rculist.h`](srctree/include/linux/rculist.h)
//!
//! A [`Roster`] has a fixed number of slots. A new object takes the next one, and one that is taken out leaves
//! its slot empty; both cost the same however long the list is. When no slot is left, whoever owns the roster makes
//! another one of the size that it wants.
//!
//! # Examples
//!
//! ```ignore
//! let roster = Roster::new(8)?;
//! let slot = roster.push(object);
//! rcu::read(|rcu| assert!(roster.get(rcu, 0).is_some()));
//! roster.take(0);
//! ```

use super::{
    once::Word,
    rcu::Rcu,
    shared::{RcuArc, Seen},
};
use crate::bindings;
use core::{marker::PhantomData, ptr};
use kernel::prelude::*;

/// Room for a reference, which readers follow.
///
/// # Invariants
///
/// The word is zero or came from `RcuArc::into_raw`, and owns that reference.
struct Place<T: Send + Sync + 'static> {
    word: Word<usize>,
    _owns: PhantomData<RcuArc<T>>,
}

impl<T: Send + Sync> Place<T> {
    const fn empty() -> Self {
        // INVARIANT: Zero.
        Self {
            word: Word::new(0),
            _owns: PhantomData,
        }
    }

    #[inline(always)]
    fn get<'g>(&'g self, rcu: Rcu<'g>) -> Option<Seen<'g, T>> {
        // SAFETY: By the type invariant the word is that of a reference, which was not dropped before the
        // word was read; the object is freed a grace period after it is.
        unsafe { Seen::from_raw(rcu, self.word.load()) }
    }

    /// Puts a reference in, and returns the one that was there.
    fn swap(&self, object: Option<RcuArc<T>>) -> Option<RcuArc<T>> {
        let new = object.map_or(0, RcuArc::into_raw);
        // SAFETY: The word lives as long as `self`; the exchange is fully ordered, so that the object's contents
        // are visible before its address.
        let old = unsafe {
            bindings::rust_ipvs_helper_xchg(ptr::from_ref(&self.word).cast_mut().cast(), new)
        };
        // SAFETY: By the type invariant; this exchange took the reference out, so nobody else has it.
        unsafe { RcuArc::from_raw(old) }
    }
}

impl<T: Send + Sync> Drop for Place<T> {
    fn drop(&mut self) {
        drop(self.swap(None));
    }
}

/// A list of references in slots.
///
/// Writers that race may put an object in a slot beyond the last one, or lose one; that harms nobody's memory, but
/// they had better take a lock.
pub(crate) struct Roster<T: Send + Sync + 'static> {
    places: KVVec<Place<T>>,
    used: Word<u32>,
}

impl<T: Send + Sync> Roster<T> {
    /// An empty list of so many slots. Process context.
    pub(crate) fn new(room: usize) -> Result<Self> {
        let mut places = KVVec::with_capacity(room, GFP_KERNEL)?;
        for _ in 0..room {
            places.push(Place::empty(), GFP_KERNEL)?;
        }
        Ok(Self {
            places,
            used: Word::new(0),
        })
    }

    /// How many slots there are.
    pub(crate) fn room(&self) -> usize {
        self.places.len()
    }

    /// How many slots are used or were.
    #[inline(always)]
    pub(crate) fn used(&self) -> u32 {
        self.used.load()
    }

    /// The object in a slot.
    #[inline(always)]
    pub(crate) fn get<'g>(&'g self, rcu: Rcu<'g>, slot: u32) -> Option<Seen<'g, T>> {
        self.places.get(slot as usize)?.get(rcu)
    }

    /// The last object below a slot that is as `is` says, which sees all that come after it, with its own slot.
    ///
    /// It looks at four slots in a step.
    #[inline(always)]
    pub(crate) fn rfind<'g>(
        &'g self,
        rcu: Rcu<'g>,
        below: u32,
        mut is: impl FnMut(Seen<'g, T>) -> bool,
    ) -> Option<(u32, Seen<'g, T>)> {
        let mut find = |place: &'g Place<T>| place.get(rcu).filter(|object| is(*object));
        let mut places = self.places.get(..below as usize).unwrap_or(&self.places);
        while let Some((rest, four)) = places.split_last_chunk::<4>() {
            for (slot, place) in four.iter().enumerate().rev() {
                if let Some(object) = find(place) {
                    return Some((rest.len().wrapping_add(slot) as u32, object));
                }
            }
            places = rest;
        }
        while let Some((place, rest)) = places.split_last() {
            if let Some(object) = find(place) {
                return Some((rest.len() as u32, object));
            }
            places = rest;
        }
        None
    }

    /// Puts an object in the next slot, whose number it returns; without room it is dropped.
    pub(crate) fn push(&self, object: RcuArc<T>) -> Option<u32> {
        let slot = self.used.load();
        self.places.get(slot as usize)?.swap(Some(object));
        self.used.publish(slot.wrapping_add(1));
        Some(slot)
    }

    /// Gives back the empty slots behind the last object, so that [`push`](Self::push) uses them again.
    pub(crate) fn trim(&self, rcu: Rcu<'_>) {
        let mut used = self.used.load();
        while let Some(last) = used
            .checked_sub(1)
            .filter(|last| self.get(rcu, *last).is_none())
        {
            used = last;
        }
        self.used.store(used);
    }

    /// Takes the object out of a slot.
    pub(crate) fn take(&self, slot: u32) -> Option<RcuArc<T>> {
        self.places.get(slot as usize)?.swap(None)
    }
}
