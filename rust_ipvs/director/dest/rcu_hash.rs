// SPDX-License-Identifier: GPL-2.0

//! [`RcuHash`]: hash table of counted objects, which packets search under RCU while an
//! administrator changes it in place. It has the services, and the real servers.
//!
//! Objects with the same hash are in the same bucket, even if 65,000 services have one real server.
//! So a bucket is an array that is changed in place, and each object knows its slot. Adding and
//! removing take constant time; a look-up passes at most about as many empty slots as objects.
//!
//! The high bits of a hash are the number of its bucket. So the order of the objects by their
//! hashes does not depend on the number of buckets, and a dump can continue after a resize.
//!
//! Writers prove with [`ConfigHeld`] that they hold the configuration mutex.

use super::config_lock::ConfigHeld;
use crate::{
    kapi::{
        once::Word,
        rcu::{
            self,
            Rcu,
            RcuBox,
            RcuCell, //
        },
        rcu_slots::RcuSlots,
        shared::{
            RcuArc,
            RcuRef, //
        },
        time, //
    },
    logic::sched::slots, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Slot number of an object that is not in the table, whose buckets are smaller.
pub(crate) const NO_SLOT: u32 = u32::MAX;
/// Initial number of slots of a bucket.
const ROOM: usize = 2;
/// Slots per read-side critical section.
const PAGE: u32 = 1024;
/// Number of hashes up to which they are compared with each other, instead of counted by bucket.
const FEW: usize = 32;

/// Object of an [`RcuHash`].
pub(crate) trait HashEntry: Send + Sync + Sized + 'static {
    /// Returns the hash under which the object is in the table; `None` if it is in none.
    fn hash(&self) -> Option<u32>;

    /// Returns the word with the number of the object's slot, or [`NO_SLOT`], as it is initially.
    /// Protected by the configuration mutex.
    fn slot(&self) -> &Word<u32>;
}

/// Mixes words into a hash, best into the high bits. Not keyed: only an administrator chooses what
/// is in the table.
pub(crate) fn mix(words: impl Iterator<Item = u32>) -> u32 {
    words.fold(0x9e37_79b9, |sum: u32, word| {
        (sum.rotate_left(13) ^ word).wrapping_mul(0x85eb_ca6b)
    })
}

/// Returns the hash of an address, a port and a protocol, as [`mix`].
pub(crate) fn address_hash(addr: &[u8], port: u16, protocol: u16) -> u32 {
    let words = addr.chunks(4).map(|word| {
        word.iter()
            .fold(0u32, |sum, byte| (sum << 8) | u32::from(*byte))
    });
    let last = u32::from(port) | (u32::from(protocol) << 16);
    mix(Iterator::chain(words, [last]))
}

/// Position in the order of hashes: a hash, and the number of preceding objects with that hash.
pub(crate) type HashPos = (u32, u32);

/// Objects, newest last. Slots of removed objects may be empty.
struct HashBucket<T: HashEntry> {
    objects: RcuCell<RcuSlots<T>>,
    /// Number of objects. Protected by the configuration mutex.
    live: Word<usize>,
}

impl<T: HashEntry> HashBucket<T> {
    const fn empty() -> Self {
        Self {
            objects: RcuCell::empty(),
            live: Word::new(0),
        }
    }

    /// Reserves slots for `more` objects. Process context.
    fn reserve(&self, more: usize) -> Result {
        let room = |objects: &RcuSlots<T>| {
            let used = objects.len() as usize;
            objects.capacity().saturating_sub(used)
        };
        if rcu::read(|rcu| self.objects.get(rcu).is_some_and(|now| room(now) >= more)) {
            return Ok(());
        }
        let live = self.live.load();
        self.renew(live.saturating_add(more.max(live)).max(ROOM))
    }

    /// Moves all objects, in order, to an array of `capacity` slots. Process context.
    fn renew(&self, capacity: usize) -> Result {
        let mut new = RcuBox::new(RcuSlots::new(capacity)?, GFP_KERNEL)?;
        let objects = new.value_mut();
        self.each(|known| {
            let kept = known.try_get().and_then(|kept| objects.push(kept));
            if let Some(slot) = kept {
                known.slot().store(slot);
            }
        });
        // The old array may have very many references to drop.
        self.objects.replace_large(Some(new));
        Ok(())
    }

    /// Calls `work` for each object, oldest first, a page of slots in each read-side critical
    /// section, and `cond_resched()` after each page. Process context; the caller excludes other
    /// writers.
    fn each(&self, mut work: impl FnMut(RcuRef<'_, T>)) {
        let mut from = 0u32;
        loop {
            let to = from.saturating_add(PAGE);
            let used = rcu::read(|rcu| {
                let objects = self.objects.get(rcu)?;
                let slots = from..to.min(objects.len());
                slots
                    .filter_map(|slot| objects.get(rcu, slot))
                    .for_each(&mut work);
                Some(objects.len())
            });
            time::give_way();
            if used.is_none_or(|used| used <= to) {
                return;
            }
            from = to;
        }
    }

    /// Stores an object in the slot that [`reserve`](Self::reserve) reserved; returns its number.
    fn push(&self, object: RcuArc<T>) -> Option<u32> {
        let slot = rcu::read(|rcu| self.objects.get(rcu)?.push(object))?;
        self.live.store(self.live.load().saturating_add(1));
        Some(slot)
    }

    /// Empties a slot. Process context.
    fn take(&self, slot: u32) {
        rcu::read(|rcu| {
            if let Some(objects) = self.objects.get(rcu) {
                objects.take(slot);
                objects.trim(rcu);
            }
        });
        self.live.store(self.live.load().saturating_sub(1));
    }

    /// Gives back memory of an array with few objects. Process context.
    fn shrink(&self) {
        let used = rcu::read(|rcu| Some(self.objects.get(rcu)?.len()));
        let live = self.live.load();
        if live == 0 {
            self.objects.replace(None);
        } else if slots::is_sparse(used.unwrap_or(0) as usize, live) {
            // Without memory the array stays sparse, and the next removal tries again.
            self.renew(live.saturating_mul(2)).ok();
        }
    }

    /// Returns the first object at or after a position, with its position.
    fn next<'g>(&'g self, rcu: Rcu<'g>, from: HashPos) -> Option<(HashPos, RcuRef<'g, T>)> {
        let objects = self.objects.get(rcu)?;
        let mut before = 0u32;
        let mut best: Option<(HashPos, RcuRef<'g, T>)> = None;
        for object in (0..objects.len()).filter_map(|slot| objects.get(rcu, slot)) {
            let Some(hash) = object.hash().filter(|hash| *hash >= from.0) else {
                continue;
            };
            if hash > from.0 {
                if best.is_none_or(|(place, _)| hash < place.0) {
                    best = Some(((hash, 0), object));
                }
            } else if before == from.1 {
                return Some((from, object));
            } else {
                before = before.saturating_add(1);
            }
        }
        best
    }
}

/// Buckets; their number is a power of two, and at least 2.
struct HashBuckets<T: HashEntry> {
    buckets: KVVec<HashBucket<T>>,
    /// Right shift of a hash that gives the number of its bucket.
    shift: u32,
}

/// Returns the number of a hash's bucket; `shift` is less than 32.
#[inline(always)]
fn number(hash: u32, shift: u32) -> usize {
    (hash >> (shift & 31)) as usize
}

/// Returns the number of hashes in each of `size` buckets.
fn counts(size: usize, shift: u32, hashes: impl Iterator<Item = u32>) -> Result<KVVec<usize>> {
    let mut counts = KVVec::with_capacity(size, GFP_KERNEL)?;
    counts.resize(size, 0usize, GFP_KERNEL)?;
    for hash in hashes {
        if let Some(count) = counts.get_mut(number(hash, shift)) {
            *count = count.saturating_add(1);
        }
    }
    Ok(counts)
}

impl<T: HashEntry> HashBuckets<T> {
    /// Creates `size` empty buckets with reserved slots for the objects `coming`.
    fn new(size: usize, coming: &[RcuArc<T>]) -> Result<Self> {
        let shift = u32::BITS.saturating_sub(size.trailing_zeros());
        let hashes = coming.iter().filter_map(|coming| coming.hash());
        let counts = counts(size, shift, hashes)?;
        let mut buckets = KVVec::with_capacity(size, GFP_KERNEL)?;
        for count in counts {
            let bucket = HashBucket::empty();
            if count != 0 {
                bucket.renew(count.saturating_mul(2))?;
            }
            buckets.push(bucket, GFP_KERNEL)?;
        }
        Ok(Self { buckets, shift })
    }

    /// Returns the bucket of a hash.
    #[inline(always)]
    fn of(&self, hash: u32) -> Option<&HashBucket<T>> {
        self.buckets.get(number(hash, self.shift))
    }

    /// Stores an object in a reserved slot of its bucket; returns the slot.
    fn push(&self, hash: u32, object: &RcuArc<T>) -> Option<u32> {
        self.of(hash)?.push(object.clone())
    }
}

/// Hash table of counted objects.
pub(crate) struct RcuHash<T: HashEntry> {
    /// Empty before the first object.
    buckets: RcuCell<Arc<HashBuckets<T>>>,
    /// Number of objects.
    count: Word<usize>,
    /// 1 between [`reserve`](Self::reserve) and [`release`](Self::release), when the buckets do not
    /// shrink. Protected by the configuration mutex.
    is_reserved: Word<u32>,
}

/// Functions of readers, in any context.
impl<T: HashEntry> RcuHash<T> {
    /// Returns the newest object with a hash for which `is` is true. `is` has to compare keys, as
    /// it may be called for objects with other hashes.
    #[inline(always)]
    pub(crate) fn find<'g>(
        &'g self,
        rcu: Rcu<'g>,
        hash: u32,
        is: impl Fn(RcuRef<'g, T>) -> bool,
    ) -> Option<RcuRef<'g, T>> {
        let objects = self.buckets.get(rcu)?.of(hash)?.objects.get(rcu)?;
        // Not `rfind`, which is for many objects: a bucket has few.
        let mut slots = (0..objects.len()).rev();
        slots.find_map(|slot| objects.get(rcu, slot).filter(|object| is(*object)))
    }

    /// Returns the first object at or after a position, with its position.
    pub(crate) fn next<'g>(
        &'g self,
        rcu: Rcu<'g>,
        from: HashPos,
    ) -> Option<(HashPos, RcuRef<'g, T>)> {
        let buckets = self.buckets.get(rcu)?;
        let mut later = buckets.buckets.iter().skip(number(from.0, buckets.shift));
        later.find_map(|bucket| bucket.next(rcu, from))
    }

    /// Returns the number of objects.
    pub(crate) fn count(&self) -> usize {
        self.count.load()
    }

    /// Returns the number of buckets.
    pub(crate) fn size(&self) -> usize {
        rcu::read(|rcu| self.buckets.get(rcu).map_or(0, |now| now.buckets.len()))
    }

    /// Returns the number of objects in each bucket, from the bucket `from` on.
    pub(crate) fn lengths<'g>(
        &'g self,
        rcu: Rcu<'g>,
        from: usize,
    ) -> impl Iterator<Item = usize> + 'g {
        let buckets = self.buckets.get(rcu);
        let buckets = buckets.and_then(|now| now.buckets.get(from..));
        buckets
            .unwrap_or(&[])
            .iter()
            .map(|bucket| bucket.live.load())
    }
}

/// Functions of writers, in process context.
impl<T: HashEntry> RcuHash<T> {
    /// Creates an empty table.
    pub(crate) const fn new() -> Self {
        Self {
            buckets: RcuCell::empty(),
            count: Word::new(0),
            is_reserved: Word::new(0),
        }
    }

    /// Reserves slots for objects with these hashes. Insertions of such objects, and changes to
    /// these hashes, cannot fail before [`release`](Self::release). The table must have buckets, if
    /// there is a hash.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` without buckets. The caller has to release what was reserved.
    pub(crate) fn reserve(&self, _: &mut ConfigHeld, hashes: &[u32]) -> Result {
        self.is_reserved.store(1);
        if hashes.is_empty() {
            return Ok(());
        }
        let buckets = rcu::read(|rcu| self.buckets.get(rcu).cloned()).ok_or(EINVAL)?;
        let place = |hash: &u32| number(*hash, buckets.shift);
        if hashes.len() <= FEW {
            for hash in hashes {
                let same = hashes.iter().filter(|other| place(other) == place(hash));
                buckets.of(*hash).ok_or(EINVAL)?.reserve(same.count())?;
            }
            return Ok(());
        }
        let size = buckets.buckets.len();
        let counts = counts(size, buckets.shift, hashes.iter().copied())?;
        for (bucket, count) in buckets.buckets.iter().zip(counts) {
            if count != 0 {
                bucket.reserve(count)?;
                time::give_way();
            }
        }
        Ok(())
    }

    /// Ends the reservation, and gives back memory that is not needed.
    pub(crate) fn release(&self, _: &mut ConfigHeld) {
        if self.is_reserved.load() == 0 {
            return;
        }
        self.is_reserved.store(0);
        let buckets = rcu::read(|rcu| self.buckets.get(rcu).cloned());
        for bucket in buckets.iter().flat_map(|buckets| buckets.buckets.iter()) {
            bucket.shrink();
        }
    }

    /// Inserts an object, if it has a hash. The table must have buckets.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` without buckets.
    pub(crate) fn insert(&self, _: &mut ConfigHeld, object: &RcuArc<T>) -> Result {
        if let Some(hash) = object.hash() {
            let slot = self.push(hash, object)?;
            object.slot().store(slot);
            self.count.store(self.count.load().saturating_add(1));
        }
        Ok(())
    }

    /// Removes an object, if it is in the table. Checks the slot number first: without memory for
    /// the insertion, or after a removal, the object has none, and its old slot may be in use.
    pub(crate) fn remove(&self, _: &mut ConfigHeld, object: &T) {
        let slot = object.slot().load();
        object.slot().store(NO_SLOT);
        if let (Some(hash), true) = (object.hash(), slot != NO_SLOT) {
            self.take(hash, slot);
            self.count.store(self.count.load().saturating_sub(1));
        }
    }

    /// Calls `change`, which changes the hash of an object to `new`, and moves it to the bucket of
    /// the new hash. On an error both stay as they are.
    ///
    /// The object is in both buckets for a moment, so that packets always find it.
    pub(crate) fn change(
        &self,
        held: &mut ConfigHeld,
        object: &RcuArc<T>,
        new: Option<u32>,
        change: impl FnOnce(&mut ConfigHeld) -> Result,
    ) -> Result {
        let old = object.hash();
        // From here to the emptying of the old slot its number does not change.
        let pushed = match new {
            Some(hash) => Some((hash, self.push(hash, object)?)),
            None => None,
        };
        let old = old.map(|hash| (hash, object.slot().load()));
        let result = change(held);
        let (stays, goes) = match result {
            Ok(()) => (pushed, old),
            Err(_) => (old, pushed),
        };
        // Set before the bucket is renewed, which updates the slot numbers of those that remain.
        object.slot().store(stays.map_or(NO_SLOT, |(_, slot)| slot));
        if let Some((hash, slot)) = goes {
            self.take(hash, slot);
        }
        if result.is_ok() {
            let others = self.count.load().saturating_sub(old.is_some().into());
            self.count
                .store(others.saturating_add(new.is_some().into()));
        }
        result
    }

    /// Moves all objects to a table of `size` buckets, a power of two and at least 2.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the table stays as it is.
    pub(crate) fn resize(&self, _: &mut ConfigHeld, size: usize) -> Result {
        let old = rcu::read(|rcu| self.buckets.get(rcu).cloned());
        let mut kept = KVVec::with_capacity(self.count.load(), GFP_KERNEL)?;
        for bucket in old.iter().flat_map(|old| old.buckets.iter()) {
            bucket.each(|object| {
                if let Some(object) = object.try_get() {
                    kept.push_within_capacity(object).ok();
                }
            });
        }
        let new = Arc::new(HashBuckets::new(size, &kept)?, GFP_KERNEL)?;
        let published = RcuBox::new(new.clone(), GFP_KERNEL)?;
        // Nothing fails from here on, so the slot numbers are those of the table that is published.
        for object in kept {
            let hash = object.hash();
            if let Some(slot) = hash.and_then(|hash| new.push(hash, &object)) {
                object.slot().store(slot);
            }
        }
        self.buckets.replace_large(Some(published));
        Ok(())
    }

    /// Frees the buckets of an empty table.
    pub(crate) fn clear(&self, _: &mut ConfigHeld) {
        self.buckets.replace_large(None);
    }

    /// Stores an object in its bucket, and returns the slot. The slot is not stored in the object.
    fn push(&self, hash: u32, object: &RcuArc<T>) -> Result<u32> {
        let buckets = rcu::read(|rcu| self.buckets.get(rcu).cloned()).ok_or(EINVAL)?;
        buckets.of(hash).ok_or(EINVAL)?.reserve(1)?;
        buckets.push(hash, object).ok_or(ENOMEM)
    }

    fn take(&self, hash: u32, slot: u32) {
        let buckets = rcu::read(|rcu| self.buckets.get(rcu).cloned());
        if let Some(bucket) = buckets.as_ref().and_then(|buckets| buckets.of(hash)) {
            bucket.take(slot);
            if self.is_reserved.load() == 0 {
                bucket.shrink();
            }
        }
    }
}
