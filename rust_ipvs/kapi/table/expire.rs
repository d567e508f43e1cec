// SPDX-License-Identifier: GPL-2.0

//! Looking at the objects of a table whose slots have come.
//!
//! Objects move from their slot to the list of the due of their shard as a whole, and from there
//! one by one, each under the shard's lock of its own. So a call may end in between, and the next
//! one, or another that runs at the same time, finds in that list what is left.

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

/// Objects that are looked at in one read-side critical section.
const IN_A_SECTION: u32 = 64;

/// Verdict on an object whose slot of the wheel has come.
pub(crate) enum ExpireVerdict {
    /// It stays, and is looked at again when the slot comes where it belongs now.
    Keep,
    /// It leaves the table, unless somebody holds it: then the question is asked again.
    Remove,
}

/// Result of a read-side section: whether any due object is left.
enum Remaining {
    /// Nothing is due.
    Nothing,
    /// There may be more that is due.
    More,
}

impl<T: TableEntry> Table<T> {
    /// Returns into how many parts the objects are divided, each with a lock and slots of its own.
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Returns whether a shard has no object. What comes later takes the shard's lock after this
    /// did.
    pub(crate) fn is_empty_shard(&self, shard: usize) -> bool {
        self.lock(shard as u32).is_empty()
    }

    /// Calls `verdict` for each object of `shard` that is in one of `slots`, with the shard locked,
    /// and tells `gone`, without a lock, which have left the table. `verdict` must keep what is
    /// held.
    ///
    /// Looks at as many objects as `budget` has, give or take a few, and takes that many from it.
    /// If that did not suffice, returns `false`, and `slots` has what is to be looked at yet.
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

    /// Moves the objects of the next slot that has any to the list of the due; `false` if none has.
    fn take_due(&self, shard: u32, slots: &mut impl Iterator<Item = u16>) -> bool {
        let guard = self.lock(shard);
        let due = guard.due();
        loop {
            // SAFETY: The lock is held.
            if unsafe { *due } != 0 {
                return true;
            }
            let Some(slot) = slots.next() else {
                return false;
            };
            // SAFETY: The lock is held; both heads are of this shard.
            unsafe { slot_list::splice::<T>(guard.slot(usize::from(slot)), due) };
        }
    }

    /// Decides on some of the due objects of a shard.
    fn expire_some(
        &self,
        shard: u32,
        verdict: &mut impl FnMut(&T) -> ExpireVerdict,
        gone: &mut impl FnMut(Rcu<'_>, &T),
    ) -> Remaining {
        rcu::read(|rcu| {
            for _ in 0..IN_A_SECTION {
                let guard = self.lock(shard);
                // SAFETY: The lock is held; objects in a list are live.
                let Some(entry) = (unsafe { (*guard.due() as *const T).as_ref() }) else {
                    return Remaining::Nothing;
                };
                let stays = loop {
                    match verdict(entry) {
                        ExpireVerdict::Keep => break true,
                        ExpireVerdict::Remove if control_ref::freeze(entry) => break false,
                        ExpireVerdict::Remove => {}
                    }
                };
                if stays {
                    // SAFETY: The lock is held and the object is in the list of the due.
                    unsafe {
                        slot_list::unlink(entry);
                        slot_list::link(guard.slot_of(entry), entry);
                    }
                    continue;
                }
                self.detach(rcu, &guard, entry, entry.links().hash_of(0));
                drop(guard);
                // SAFETY: Detached just above.
                unsafe { self.finish(rcu, entry) };
                gone(rcu, entry);
            }
            Remaining::More
        })
    }
}
