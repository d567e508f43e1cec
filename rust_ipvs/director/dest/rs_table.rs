// SPDX-License-Identifier: GPL-2.0

//! [`RsTable`]: hash table of real servers (C: `rs_table`), for NAT and for tunnels (V-8).
//!
//! Look-ups are rare: for a packet without a connection, or an ICMP error about a tunnel. They find
//! the newest destination first, as in C.
//!
//! Destinations with the same address and port are in the same bucket, even if 65,000 services have
//! one real server. So a bucket is an array that is changed in place, and each destination knows
//! its slot. Adding and removing take constant time; a look-up passes at most about as many empty
//! slots as destinations. The number of buckets grows with the destinations, and does not shrink.
//!
//! Writers prove with [`ConfigHeld`] that they hold the configuration mutex.

use super::{
    config_lock::ConfigHeld,
    Destination,
    NO_SLOT, //
};
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
    logic::{
        config::{
            DestinationSpec,
            Encapsulation,
            ForwardMethod,
            Ip,
            ServiceKey, //
        },
        family::{
            Endpoint,
            Family, //
        },
        sched::slots, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Minimum number of buckets, once there is a destination; a power of two.
const BUCKETS: usize = 64;
/// Factor by which the number of buckets grows when there is one destination per bucket.
const GROWTH: usize = 4;
/// Initial number of slots of a bucket.
const ROOM: usize = 2;
/// Slots per read-side critical section.
const PAGE: u32 = 1024;

/// Destinations, newest last. Slots of removed destinations may be empty.
struct RsBucket {
    dests: RcuCell<RcuSlots<Destination>>,
    /// Number of destinations. Protected by the configuration mutex.
    live: Word<usize>,
}

impl RsBucket {
    const fn empty() -> Self {
        Self {
            dests: RcuCell::empty(),
            live: Word::new(0),
        }
    }

    /// Reserves a slot for one more destination. Process context.
    fn reserve(&self) -> Result {
        let has_room = |dests: &RcuSlots<Destination>| (dests.len() as usize) < dests.capacity();
        if rcu::read(|rcu| self.dests.get(rcu).is_some_and(has_room)) {
            return Ok(());
        }
        self.renew(self.live.load().saturating_mul(2).max(ROOM))
    }

    /// Moves all destinations, in order, to an array of so many slots. Process context.
    fn renew(&self, capacity: usize) -> Result {
        let mut new = RcuBox::new(RcuSlots::new(capacity)?, GFP_KERNEL)?;
        let dests = new.value_mut();
        self.each(|known| {
            let kept = known.try_get().and_then(|kept| dests.push(kept));
            if let Some(slot) = kept {
                known.rs_slot.store(slot);
            }
        });
        // The old array may have very many references to drop.
        self.dests.replace_large(Some(new));
        Ok(())
    }

    /// Calls `work` for each destination, oldest first, a page of slots in each read-side critical
    /// section, and `cond_resched()` after each page. Process context; the caller excludes other
    /// writers.
    fn each(&self, mut work: impl FnMut(RcuRef<'_, Destination>)) {
        let mut from = 0u32;
        loop {
            let to = from.saturating_add(PAGE);
            let used = rcu::read(|rcu| {
                let dests = self.dests.get(rcu)?;
                let slots = from..to.min(dests.len());
                slots
                    .filter_map(|slot| dests.get(rcu, slot))
                    .for_each(&mut work);
                Some(dests.len())
            });
            time::give_way();
            if used.is_none_or(|used| used <= to) {
                return;
            }
            from = to;
        }
    }

    /// Stores a destination in the slot that [`reserve`](Self::reserve) reserved; returns its
    /// number.
    fn push(&self, destination: RcuArc<Destination>) -> Option<u32> {
        let slot = rcu::read(|rcu| self.dests.get(rcu)?.push(destination))?;
        self.live.store(self.live.load().saturating_add(1));
        Some(slot)
    }

    /// Empties a slot. Process context.
    fn take(&self, slot: u32) {
        let used = rcu::read(|rcu| {
            let dests = self.dests.get(rcu)?;
            dests.take(slot);
            dests.trim(rcu);
            Some(dests.len())
        });
        let live = self.live.load().saturating_sub(1);
        self.live.store(live);
        if live == 0 {
            self.dests.replace(None);
        } else if slots::is_sparse(used.unwrap_or(0) as usize, live) {
            // Without memory the array stays sparse, and the next removal tries again.
            self.renew(live.saturating_mul(2)).ok();
        }
    }
}

/// Key of a destination in the table: address and port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RsKey {
    addr: Ip,
    port: u16,
}

impl RsKey {
    /// Returns the key of a destination; `None` if its forwarding method has no entry in the table.
    pub(crate) fn of(spec: &DestinationSpec) -> Option<Self> {
        let port = match spec.method {
            ForwardMethod::MASQ => spec.id.port,
            ForwardMethod::TUNNEL => match spec.tunnel.encapsulation() {
                Encapsulation::Gue { port, .. } => port,
                _ => 0,
            },
            _ => return None,
        };
        Some(Self {
            addr: spec.id.addr,
            port,
        })
    }

    /// Returns the bucket number, for a number of buckets that is a power of two.
    fn number(self, buckets: usize) -> usize {
        self.hash() & buckets.saturating_sub(1)
    }

    /// Returns the hash, spread over all values.
    fn hash(self) -> usize {
        let add = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        let port = self.port.to_be_bytes();
        let sum = match self.addr {
            Ip::V4(addr) => Iterator::chain(addr.iter(), &port).fold(0x811c_9dc5, add),
            Ip::V6(addr) => Iterator::chain(addr.iter(), &port).fold(0x811c_9dc5, add),
        };
        (sum ^ (sum >> 16)) as usize
    }
}

/// Buckets; their number is a power of two.
struct RsBuckets(KVVec<RsBucket>);

impl RsBuckets {
    /// Creates empty buckets with reserved slots for the destinations `coming`.
    fn new(size: usize, coming: &[RcuArc<Destination>]) -> Result<Self> {
        let mut counts = KVVec::with_capacity(size, GFP_KERNEL)?;
        counts.resize(size, 0usize, GFP_KERNEL)?;
        for at in coming.iter().filter_map(|coming| RsKey::of(&coming.spec())) {
            if let Some(count) = counts.get_mut(at.number(size)) {
                *count = count.saturating_add(1);
            }
        }
        let mut buckets = KVVec::with_capacity(size, GFP_KERNEL)?;
        for count in counts {
            let bucket = RsBucket::empty();
            if count != 0 {
                bucket.renew(count.saturating_mul(2))?;
            }
            buckets.push(bucket, GFP_KERNEL)?;
        }
        Ok(Self(buckets))
    }

    /// Returns the bucket of a key.
    fn of(&self, at: RsKey) -> Option<&RsBucket> {
        self.0.get(at.number(self.0.len()))
    }

    /// Stores a destination in a reserved slot of its bucket; returns the slot.
    fn push(&self, at: RsKey, destination: &RcuArc<Destination>) -> Option<u32> {
        self.of(at)?.push(destination.clone())
    }
}

/// Hash table of real servers.
pub(crate) struct RsTable {
    /// Empty before the first destination.
    buckets: RcuCell<Arc<RsBuckets>>,
    /// Number of destinations.
    count: Word<usize>,
}

impl RsTable {
    /// Creates an empty table.
    pub(crate) fn new() -> Self {
        Self {
            buckets: RcuCell::empty(),
            count: Word::new(0),
        }
    }

    /// Inserts a destination, if its forwarding method has an entry.
    pub(crate) fn insert(&self, _: &mut ConfigHeld, destination: &RcuArc<Destination>) -> Result {
        if let Some(at) = RsKey::of(&destination.spec()) {
            let buckets = self.reserve(at)?;
            let slot = buckets.push(at, destination).ok_or(ENOMEM)?;
            destination.rs_slot.store(slot);
            self.count.store(self.count.load().saturating_add(1));
        }
        Ok(())
    }

    /// Removes a destination, if it is in the table. Checks the slot number first: without memory
    /// for the insertion, or after a removal, the destination has none, and its old slot may be in
    /// use.
    pub(crate) fn remove(&self, _: &mut ConfigHeld, destination: &RcuArc<Destination>) {
        let slot = destination.rs_slot.load();
        destination.rs_slot.store(NO_SLOT);
        if let (Some(at), true) = (RsKey::of(&destination.spec()), slot != NO_SLOT) {
            self.take(at, slot);
            self.count.store(self.count.load().saturating_sub(1));
        }
    }

    /// Calls `change`, which changes the options of a destination to `new`, and moves it to the
    /// bucket of its new key. On an error both stay as they are.
    ///
    /// The destination is in both buckets for a moment, so that packets always find it.
    pub(crate) fn change(
        &self,
        held: &mut ConfigHeld,
        destination: &RcuArc<Destination>,
        new: &DestinationSpec,
        change: impl FnOnce(&mut ConfigHeld) -> Result,
    ) -> Result {
        let (old, new) = (RsKey::of(&destination.spec()), RsKey::of(new));
        if new == old {
            return change(held);
        }
        let pushed = match new {
            Some(at) => {
                let buckets = self.reserve(at)?;
                // From here to the emptying of the old slot its number does not change.
                Some((at, buckets.push(at, destination).ok_or(ENOMEM)?))
            }
            None => None,
        };
        let old = old.map(|at| (at, destination.rs_slot.load()));
        let result = change(held);
        let (stays, goes) = match result {
            Ok(()) => (pushed, old),
            Err(_) => (old, pushed),
        };
        // Set before the bucket is renewed, which updates the slot numbers of those that remain.
        let slot = stays.map_or(NO_SLOT, |(_, slot)| slot);
        destination.rs_slot.store(slot);
        if let Some((at, slot)) = goes {
            self.take(at, slot);
        }
        if result.is_ok() {
            let others = self.count.load().saturating_sub(old.is_some().into());
            self.count
                .store(others.saturating_add(new.is_some().into()));
        }
        result
    }

    fn take(&self, at: RsKey, slot: u32) {
        let buckets = rcu::read(|rcu| self.buckets.get(rcu).cloned());
        if let Some(bucket) = buckets.as_ref().and_then(|buckets| buckets.of(at)) {
            bucket.take(slot);
        }
    }

    /// Reserves a slot for one more destination with a key.
    fn reserve(&self, at: RsKey) -> Result<Arc<RsBuckets>> {
        let buckets = rcu::read(|rcu| self.buckets.get(rcu).cloned());
        let count = self.count.load();
        let buckets = match buckets {
            Some(buckets) if count < buckets.0.len() => buckets,
            few => self.grow(few, count)?,
        };
        buckets.of(at).ok_or(EINVAL)?.reserve()?;
        Ok(buckets)
    }

    /// Moves all destinations to a larger table.
    fn grow(&self, old: Option<Arc<RsBuckets>>, count: usize) -> Result<Arc<RsBuckets>> {
        let size = old.as_ref().map_or(0, |old| old.0.len());
        let mut kept = KVVec::with_capacity(count, GFP_KERNEL)?;
        for bucket in old.iter().flat_map(|old| old.0.iter()) {
            bucket.each(|destination| {
                if let Some(destination) = destination.try_get() {
                    kept.push_within_capacity(destination).ok();
                }
            });
        }
        let new = RsBuckets::new(size.saturating_mul(GROWTH).max(BUCKETS), &kept)?;
        let new = Arc::new(new, GFP_KERNEL)?;
        let published = RcuBox::new(new.clone(), GFP_KERNEL)?;
        // Nothing fails from here on, so the slot numbers are those of the table that is published.
        for destination in kept {
            let at = RsKey::of(&destination.spec());
            if let Some(slot) = at.and_then(|at| new.push(at, &destination)) {
                destination.rs_slot.store(slot);
            }
        }
        self.buckets.replace_large(Some(published));
        Ok(new)
    }

    /// Returns the newest destination with a key for which `is` is true (V-8).
    fn find<'g>(
        &'g self,
        rcu: Rcu<'g>,
        at: RsKey,
        is: impl Fn(&DestinationSpec, &Destination) -> bool,
    ) -> Option<RcuRef<'g, Destination>> {
        let dests = self.buckets.get(rcu)?.of(at)?.dests.get(rcu)?;
        let is = |found: RcuRef<'g, Destination>| {
            let spec = found.spec();
            RsKey::of(&spec) == Some(at) && is(&spec, &found)
        };
        Some(dests.rfind(rcu, dests.len(), is)?.1)
    }

    /// Returns whether an endpoint is that of a real server behind NAT for a protocol (H-22).
    pub(crate) fn has_real_server<F: Family>(
        &self,
        rcu: Rcu<'_>,
        protocol: u8,
        from: &Endpoint<F>,
    ) -> bool {
        self.find_real_server(rcu, protocol, from, |_| true)
            .is_some()
    }

    /// Returns the real server behind NAT with an endpoint and a protocol (H-21, H-22): the one
    /// added last for which `is` is true.
    pub(crate) fn find_real_server<'g, F: Family>(
        &'g self,
        rcu: Rcu<'g>,
        protocol: u8,
        from: &Endpoint<F>,
        is: impl Fn(&Destination) -> bool,
    ) -> Option<RcuRef<'g, Destination>> {
        let at = RsKey {
            addr: F::ip(from.addr),
            port: from.port,
        };
        self.find(rcu, at, |spec, destination| {
            let serves = match destination.service.key {
                ServiceKey::Mark(_) => true,
                ServiceKey::Address { protocol: own, .. } => own == u16::from(protocol),
            };
            spec.method == ForwardMethod::MASQ && serves && is(destination)
        })
    }

    /// Returns whether a tunnel leads to an address, and to a port if it is a UDP tunnel (I-5).
    pub(crate) fn has_tunnel(
        &self,
        rcu: Rcu<'_>,
        addr: Ip,
        port: u16,
        is: impl Fn(&Encapsulation) -> bool,
    ) -> bool {
        let leads = |spec: &DestinationSpec, _: &Destination| {
            spec.method == ForwardMethod::TUNNEL && is(&spec.tunnel.encapsulation())
        };
        self.find(rcu, RsKey { addr, port }, leads).is_some()
    }
}
