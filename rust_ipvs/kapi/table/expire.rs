// SPDX-License-Identifier: GPL-2.0

//! Expiry: verdicts on the objects whose slots of the wheel have come.
//!
//! A slot's whole list is spliced to the due list of its shard. From there objects are taken one by
//! one, each under the shard's lock taken anew. So a call may stop in between, and the next call,
//! or another that runs at the same time, continues with what is left in that list.
//!
//! A timer per object would cost two operations on a timer base for each packet that extends the
//! object's life. Here such a packet writes the expiry time only, and the verdict sees it when the
//! slot comes.
//!
//! C header: [`include/linux/timer.h`](srctree/include/linux/timer.h). Other than a timer's
//! function, the verdict is called in process context, and the caller decides when.

use super::{
    control_ref,
    entry::TableEntry,
    slot_list,
    Table, //
};
use crate::kapi::{
    rcu::{
        self,
        Rcu, //
    },
    work::Process,
};

/// Maximum number of objects that are processed in one read-side critical section. Between two of
/// them the CPU may be yielded.
///
/// Large enough that the cost of entering a section does not show, small enough that it ends within
/// some microseconds.
const IN_A_SECTION: u32 = 64;

/// Verdict on an object whose slot of the wheel has come.
pub(crate) enum ExpireVerdict {
    /// The object stays. It is moved to the slot that [`TableEntry::slot`] returns now.
    Keep,
    /// The object is removed. If it has references, it cannot be, and the verdict is asked for
    /// again: it must see them and return `Keep`.
    Remove,
}

/// Result of a read-side critical section.
///
/// Tells the caller whether to call again before it looks at the next slot.
enum Remaining {
    /// The due list is empty.
    Nothing,
    /// The due list may have more objects.
    More,
}

impl<T: TableEntry> Table<T> {
    /// Returns the number of shards, each with a lock and wheel slots of its own.
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Returns `true` if a shard has no object. Takes its lock.
    ///
    /// An insertion that is not seen takes the lock after this call did, so what it does under the
    /// lock sees everything that the caller wrote before.
    pub(crate) fn is_empty_shard(&self, shard: usize) -> bool {
        self.lock(shard as u32).is_empty()
    }

    /// Calls `verdict` for each object of `shard` that is in one of `slots`, with the shard locked.
    /// Removes the objects for which it returns [`ExpireVerdict::Remove`], and calls `gone` for
    /// each of these, without the lock, in the same read-side critical section.
    ///
    /// `verdict` must return [`ExpireVerdict::Keep`] for objects with references.
    ///
    /// Processes about `budget` objects, in steps of [`IN_A_SECTION`], and subtracts their number
    /// from it. Returns `false` if the budget was used up; then `slots` yields the slots that are
    /// left, and another call continues.
    ///
    /// # Context
    ///
    /// Process context, without locks: calls `cond_resched()` between two steps.
    pub(crate) fn expire(
        &self,
        process: &Process,
        shard: usize,
        slots: &mut impl Iterator<Item = u16>,
        budget: &mut u32,
        mut verdict: impl FnMut(&T) -> ExpireVerdict,
        mut gone: impl FnMut(Rcu<'_>, &T),
    ) -> bool {
        loop {
            // The due list first: it may have objects that an earlier call left.
            while let Remaining::More = self.expire_some(shard as u32, &mut verdict, &mut gone) {
                process.give_way();
                *budget = budget.saturating_sub(IN_A_SECTION);
                if *budget == 0 {
                    return false;
                }
            }
            if !self.take_due(shard as u32, slots) {
                return true;
            }
        }
    }

    /// Moves the objects of the next slot that has any to the due list. Returns `false` if no slot
    /// of `slots` has any.
    ///
    /// Constant time for each slot, whatever the number of its objects. Takes the shard's lock
    /// once.
    fn take_due(&self, shard: u32, slots: &mut impl Iterator<Item = u16>) -> bool {
        let guard = self.lock(shard);
        let due = guard.due();
        loop {
            // SAFETY: `due` is a head of the shard that `guard` has locked, so no other CPU writes
            // it.
            if unsafe { *due } != 0 {
                return true;
            }
            let Some(slot) = slots.next() else {
                return false;
            };
            // SAFETY: `guard` holds the lock of the shard that both heads belong to.
            unsafe { slot_list::splice::<T>(guard.slot(usize::from(slot)), due) };
        }
    }

    /// Processes up to [`IN_A_SECTION`] objects of the due list. Takes the shard's lock for each,
    /// so that packets wait for one verdict at most.
    ///
    /// The read-side critical section spans the removal and `gone`, so that `gone` may still use
    /// the object.
    fn expire_some(
        &self,
        shard: u32,
        verdict: &mut impl FnMut(&T) -> ExpireVerdict,
        gone: &mut impl FnMut(Rcu<'_>, &T),
    ) -> Remaining {
        rcu::read(|rcu| {
            for _ in 0..IN_A_SECTION {
                let guard = self.lock(shard);
                // SAFETY: `guard` holds the lock, so the head is stable. It is 0 or the address of
                // an object, which is alive because it is in a list.
                let Some(entry) = (unsafe { (*guard.due() as *const T).as_ref() }) else {
                    return Remaining::Nothing;
                };
                // A packet may take a reference between the verdict and `freeze`. The next verdict
                // sees that reference.
                let stays = loop {
                    match verdict(entry) {
                        ExpireVerdict::Keep => break true,
                        ExpireVerdict::Remove if control_ref::freeze(entry) => break false,
                        ExpireVerdict::Remove => {}
                    }
                };
                // Relinked under the same lock, so no other CPU finds the object in no list.
                if stays {
                    // SAFETY: `guard` holds the lock. The object is the first of the due list, so
                    // it is in a list for `unlink` and in none for `link`; both heads are of its
                    // shard.
                    unsafe {
                        slot_list::unlink(entry);
                        slot_list::link(guard.slot_of(entry), entry);
                    }
                    continue;
                }
                let is_unchained = self.detach(rcu, &guard, entry);
                // The other chains may belong to other shards, and only one may be locked.
                drop(guard);
                // SAFETY: This call froze and detached `entry`, under the lock.
                unsafe { self.finish(rcu, entry, is_unchained) };
                gone(rcu, entry);
            }
            Remaining::More
        })
    }
}
