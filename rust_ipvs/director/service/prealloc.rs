// SPDX-License-Identifier: GPL-2.0

//! [`Prealloc`]: preallocated snapshot, so that a writer allocates all memory before its first
//! change.
//!
//! After that it cannot fail, so no change is left incomplete.

use super::{
    lblc::{
        Expiration,
        Expirations,
        LblcTable, //
    },
    snapshot::{
        SvcOptions,
        SvcSnapshot, //
    },
};
use crate::{
    director::dest::Destination,
    kapi::{
        rcu::{
            self,
            Rcu,
            RcuBox, //
        },
        rcu_slots::RcuSlots,
        shared::RcuRef,
        time, //
    },
    logic::sched::{
        algorithm::{
            Scratch,
            EMPTY, //
        },
        cycle::{
            self,
            Cycle, //
        },
        Position,
        Scheduler, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc, //
    },
};

/// Slots per read-side critical section.
const PAGE: usize = 1024;

/// Calls `work` for each destination of a list, with its slot, in read-side critical sections of
/// [`PAGE`] slots, and `cond_resched()` in between, as there may be a million. Process context; the
/// caller's mutex excludes other writers.
pub(super) fn each_slot(
    dests: &RcuSlots<Destination>,
    mut work: impl FnMut(u32, RcuRef<'_, Destination>),
) {
    let mut slots = 0..dests.len();
    while !slots.is_empty() {
        rcu::read(|rcu| {
            for slot in slots.by_ref().take(PAGE) {
                if let Some(destination) = dests.get(rcu, slot) {
                    work(slot, destination);
                }
            }
        });
        time::give_way();
    }
}

/// Position of a scheduler in the next snapshot.
pub(super) enum NextPosition {
    /// The position of the present snapshot.
    Kept(Position),
    /// The position to restart from, as the destinations have changed.
    Changed(Position),
}

/// Preallocated snapshot; its publication allocates nothing.
pub(crate) struct Prealloc {
    pub(super) snapshot: RcuBox<SvcSnapshot>,
    pub(crate) scratch: KVVec<Scratch>,
}

/// Returns a vector of `len` copies of a value.
fn filled<T: Clone>(value: T, len: usize) -> Result<KVVec<T>> {
    let mut list = KVVec::with_capacity(len, GFP_KERNEL)?;
    list.resize(len, value, GFP_KERNEL)?;
    Ok(list)
}

impl Prealloc {
    /// Allocates a snapshot for `live` destinations.
    pub(crate) fn new(
        options: SvcOptions,
        dests: Arc<RcuSlots<Destination>>,
        lblc: Option<Arc<LblcTable>>,
        live: usize,
    ) -> Result<Self> {
        let needs = options.needs();
        let snapshot = SvcSnapshot {
            options,
            dests,
            position: Atomic::new(0),
            cycle: Cycle::default(),
            table: filled(EMPTY, needs.table)?,
            lblc,
        };
        Ok(Self {
            snapshot: RcuBox::new(snapshot, GFP_KERNEL)?,
            scratch: filled(Scratch::default(), if needs.scratch { live } else { 0 })?,
        })
    }
}

/// Allocates the table of a scheduler, if it has one.
pub(super) fn lblc_table(
    options: &SvcOptions,
    expirations: &Arc<Expirations>,
) -> Result<Option<Arc<LblcTable>>> {
    if !options.needs().lblc {
        return Ok(None);
    }
    let expirations = expirations.clone();
    let expiration: Expiration = match options.scheduler {
        Some(Scheduler::Locality) => |all: &Expirations| &all.lblc,
        _ => |all: &Expirations| &all.lblcr,
    };
    Ok(Some(LblcTable::new(expirations, expiration)?))
}

/// Returns the weights as leaves of a tree, if the scheduler uses their cycle.
pub(crate) fn tree(options: &SvcOptions, dests: &RcuSlots<Destination>) -> Result<KVVec<Cycle>> {
    if !options.needs().cycle {
        return Ok(KVVec::new());
    }
    let mut tree = filled(Cycle::default(), cycle::tree_size(dests.capacity()))?;
    each_slot(dests, |slot, destination| {
        cycle::set(&mut tree, slot as usize, destination.share());
    });
    Ok(tree)
}

/// Copies a list to one of another size, without one slot.
pub(crate) fn copy(
    dests: &RcuSlots<Destination>,
    capacity: usize,
    without: Option<u32>,
) -> Result<Arc<RcuSlots<Destination>>> {
    let copy = RcuSlots::new(capacity)?;
    each_slot(dests, |slot, destination| {
        let kept = destination.try_get().filter(|_| Some(slot) != without);
        if let Some(destination) = kept {
            copy.push(destination);
        }
    });
    Ok(Arc::new(copy, GFP_KERNEL)?)
}

/// Returns the next slot above `slot` that has a destination.
pub(crate) fn newer(rcu: Rcu<'_>, dests: &RcuSlots<Destination>, slot: u32) -> Option<u32> {
    let mut above = slot.saturating_add(1)..dests.len();
    above.find(|above| dests.get(rcu, *above).is_some())
}

/// Slots of destinations in a copy of their list.
pub(crate) struct Numbers(Option<KVVec<u32>>);

impl Numbers {
    /// Creates the identity mapping, for a list that is not copied.
    pub(crate) fn same() -> Self {
        Self(None)
    }

    /// Creates the mapping for a copy of a list `without` a slot. The caller excludes writers.
    /// Process context.
    pub(super) fn of_copy(old: &RcuSlots<Destination>, without: Option<u32>) -> Result<Self> {
        let mut numbers = filled(0, old.len() as usize)?;
        let mut next = 0u32;
        let mut slots = 0..old.len();
        for page in numbers.chunks_mut(PAGE) {
            rcu::read(|rcu| {
                for (number, slot) in page.iter_mut().zip(&mut slots) {
                    *number = next;
                    if Some(slot) != without && old.get(rcu, slot).is_some() {
                        next = next.saturating_add(1);
                    }
                }
            });
            time::give_way();
        }
        Ok(Self(Some(numbers)))
    }

    /// Creates the mapping of a list, given the new number of each slot. Slots beyond it have none.
    pub(super) fn of_list(numbers: KVVec<u32>) -> Self {
        Self(Some(numbers))
    }

    /// Returns the slot in the copy for a slot of the list; that of the next destination if it is
    /// empty.
    pub(crate) fn of(&self, slot: u32) -> Option<u32> {
        match &self.0 {
            Some(numbers) => numbers.get(slot as usize).copied(),
            None => Some(slot),
        }
    }
}
