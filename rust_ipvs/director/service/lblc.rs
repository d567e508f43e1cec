// SPDX-License-Identifier: GPL-2.0

//! [`LblcTable`]: table of `lblc` and `lblcr`, from an address to its destinations (D-17 to D-19).
//!
//! The table has as many buckets as in C IPVS. A bucket is an immutable list that is replaced as a
//! whole by a compare-and-exchange: packets take no lock, and one that loses the race has its
//! destination without an entry. The set of an entry is replaced in the same way, which leaves the
//! bucket as it is.
//!
//! Clients choose the addresses. So the hash is keyed, and a bucket has at most [`DEEPEST`]
//! entries, which bounds the cost of a look-up. An address without an entry is scheduled anew each
//! time.

use crate::{
    director::dest::Destination,
    kapi::{
        once::Word,
        random,
        rcu::{
            self,
            Rcu,
            RcuBox,
            RcuCell, //
        },
        shared::{
            RcuArc,
            RcuRef, //
        },
        time::{
            self,
            HZ, //
        },
    },
    logic::{
        config::Ip,
        hash::HashKey,
        sched::evict::{
            self,
            EvictTable, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
    },
};

/// Number of buckets, a power of two.
const BUCKETS: usize = 1024;
/// Maximum number of entries in a bucket; three times the average of a full table.
const DEEPEST: usize = 72;
/// Default expiration time of entries and of unchanged sets, in seconds: one day.
const DAY: i32 = 24 * 60 * 60;

/// Expiration times in seconds (`lblc_expiration`, `lblcr_expiration`; D-20).
pub(crate) struct Expirations {
    /// Time after which `lblc` evicts an unused entry.
    pub(crate) lblc: Word<i32>,
    /// Time after which `lblcr` evicts an unused entry, or removes a destination from an unchanged
    /// set.
    pub(crate) lblcr: Word<i32>,
}

impl Expirations {
    pub(crate) const fn new() -> Self {
        Self {
            lblc: Word::new(DAY),
            lblcr: Word::new(DAY),
        }
    }
}

/// Function that selects the expiration time of a table.
pub(crate) type Expiration = fn(&Expirations) -> &Word<i32>;

/// Destinations of an address.
struct LblcrSet {
    /// Newest first.
    members: KVec<RcuArc<Destination>>,
    /// Time of the last change of the set, in jiffies.
    changed: u64,
}

impl LblcrSet {
    /// Creates a set of `first` and, after it, `rest`.
    fn new<'a>(
        first: Option<RcuArc<Destination>>,
        rest: impl Iterator<Item = &'a RcuArc<Destination>> + Clone,
    ) -> Option<RcuBox<Self>> {
        // `count()` has an overflow check that may panic.
        let len = rest.clone().fold(1usize, |len, _| len.saturating_add(1));
        let mut members = KVec::with_capacity(len, GFP_ATOMIC).ok()?;
        for member in Iterator::chain(first.into_iter(), rest.cloned()) {
            members.push_within_capacity(member).ok()?;
        }
        let changed = time::jiffies64();
        RcuBox::new(Self { members, changed }, GFP_ATOMIC).ok()
    }
}

/// Entry of an address.
pub(crate) struct LblcEntry {
    address: Ip,
    /// Time of the last use, in jiffies.
    used: Word<u64>,
    set: RcuCell<LblcrSet>,
}

/// Entries with the hashes of their addresses.
type Bucket = KVec<(u32, Arc<LblcEntry>)>;

/// Table of a service's scheduler.
pub(crate) struct LblcTable {
    key: HashKey,
    buckets: KVVec<RcuCell<Bucket>>,
    entries: Atomic<i32>,
    /// Bucket from which the next eviction starts; written by the eviction work only.
    rover: Word<u32>,
    expirations: Arc<Expirations>,
    expiration: Expiration,
}

fn jiffies(seconds: u64) -> u64 {
    seconds.saturating_mul(HZ.into())
}

impl LblcTable {
    /// Creates an empty table.
    pub(crate) fn new(expirations: Arc<Expirations>, expiration: Expiration) -> Result<Arc<Self>> {
        let mut buckets = KVVec::with_capacity(BUCKETS, GFP_KERNEL)?;
        for _ in 0..BUCKETS {
            buckets.push(RcuCell::empty(), GFP_KERNEL)?;
        }
        let table = Self {
            key: HashKey::new(random::words()),
            buckets,
            entries: Atomic::new(0),
            rover: Word::new(0),
            expirations,
            expiration,
        };
        Ok(Arc::new(table, GFP_KERNEL)?)
    }

    fn hash(&self, address: &Ip) -> u32 {
        match address {
            Ip::V4(address) => self.key.two(u32::from_be_bytes(*address).into(), 0),
            Ip::V6(address) => {
                let address = u128::from_be_bytes(*address);
                self.key.two((address >> 64) as u64, address as u64)
            }
        }
    }

    fn bucket(&self, hash: u32) -> Option<&RcuCell<Bucket>> {
        self.buckets.get((hash >> 22) as usize)
    }

    /// Returns the expiration time in seconds.
    fn seconds(&self) -> u64 {
        evict::seconds((self.expiration)(&self.expirations).load())
    }

    /// Returns the expiration time in jiffies.
    fn lasts(&self) -> u64 {
        jiffies(self.seconds())
    }

    /// Looks up the entry of an address, and sets its time of use.
    pub(crate) fn recall<'g>(&'g self, rcu: Rcu<'g>, address: Ip) -> Option<&'g LblcEntry> {
        let hash = self.hash(&address);
        let mut entries = self.bucket(hash)?.get(rcu)?.iter();
        let (_, entry) =
            entries.find(|(other, entry)| *other == hash && entry.address == address)?;
        entry.used.update(time::jiffies64());
        Some(entry)
    }

    /// Returns whether the set has several members and has not changed for the expiration time.
    pub(crate) fn is_expired(&self, rcu: Rcu<'_>, entry: &LblcEntry) -> bool {
        let Some(set) = entry.set.get(rcu) else {
            return false;
        };
        let now = time::jiffies64();
        evict::is_expired(set.members.len(), now, set.changed, self.lasts())
    }

    /// Inserts an entry with one destination.
    pub(super) fn learn(&self, rcu: Rcu<'_>, address: Ip, server: RcuRef<'_, Destination>) {
        if evict::has_room(self.entries.load(Relaxed)) {
            // Without memory there is no entry, and the next packet tries again.
            self.try_learn(rcu, address, server);
        }
    }

    fn try_learn(&self, rcu: Rcu<'_>, address: Ip, server: RcuRef<'_, Destination>) -> Option<()> {
        let hash = self.hash(&address);
        let bucket = self.bucket(hash)?;
        let old = bucket.get(rcu);
        let len = old.map_or(0, |list| list.len());
        if len >= DEEPEST {
            return None;
        }
        let entry = LblcEntry {
            address,
            used: Word::new(time::jiffies64()),
            set: RcuCell::new(LblcrSet::new(server.try_get(), [].iter())?),
        };
        let mut list = KVec::with_capacity(len.saturating_add(1), GFP_ATOMIC).ok()?;
        list.push_within_capacity((hash, Arc::new(entry, GFP_ATOMIC).ok()?))
            .ok()?;
        for (hash, entry) in old.into_iter().flatten() {
            list.push_within_capacity((*hash, entry.clone())).ok()?;
        }
        if bucket.exchange(rcu, old, RcuBox::new(list, GFP_ATOMIC).ok()?) {
            self.entries.add(1, Relaxed);
        }
        Some(())
    }

    /// Evicts the entries of a bucket that were not used for `lasts` jiffies; returns their number.
    fn evict_in(&self, bucket: &RcuCell<Bucket>, lasts: u64) -> i32 {
        let now = time::jiffies64();
        let stays = |entry: &LblcEntry| evict::stays(now, entry.used.load(), lasts);
        rcu::read(|rcu| {
            let Some(old) = bucket.get(rcu) else {
                return 0;
            };
            let left = old.iter().filter(|(_, entry)| stays(entry)).count();
            if left == old.len() {
                return 0;
            }
            let shorter = || {
                let mut list = KVec::with_capacity(left, GFP_ATOMIC).ok()?;
                for (hash, entry) in old.iter().filter(|(_, entry)| stays(entry)) {
                    list.push_within_capacity((*hash, entry.clone())).ok();
                }
                let gone = old.len().saturating_sub(list.len());
                Some((gone, RcuBox::new(list, GFP_ATOMIC).ok()?))
            };
            // Without memory, or if a packet changed the bucket first, the next run evicts them.
            let Some((gone, list)) = shorter() else {
                return 0;
            };
            if !bucket.exchange(rcu, Some(old), list) {
                return 0;
            }
            let gone = i32::try_from(gone).unwrap_or(0);
            self.entries.fetch_sub(gone, Relaxed);
            gone
        })
    }

    /// Evicts expired entries, and further ones if the table has too many (D-19). Process context,
    /// once a minute.
    pub(crate) fn expire(&self) {
        let rover = evict::sweep(self, self.rover.load(), self.seconds());
        self.rover.store(rover);
    }
}

impl EvictTable for LblcTable {
    const BUCKETS: u32 = BUCKETS as u32;

    fn addresses(&self) -> i32 {
        self.entries.load(Relaxed)
    }

    fn evict(&self, bucket: u32, seconds: u64) -> i32 {
        let bucket = self.buckets.get(bucket as usize);
        bucket.map_or(0, |bucket| self.evict_in(bucket, jiffies(seconds)))
    }
}

impl LblcEntry {
    /// Returns the destinations, newest first.
    pub(crate) fn members<'g>(
        &'g self,
        rcu: Rcu<'g>,
    ) -> impl Iterator<Item = RcuRef<'g, Destination>> {
        let set = self.set.get(rcu);
        set.into_iter()
            .flat_map(|set| set.members.iter().map(RcuArc::rcu_ref))
    }

    /// Adds a destination to the set, or replaces the set by it if not `beside`.
    pub(super) fn learn(&self, rcu: Rcu<'_>, server: RcuRef<'_, Destination>, beside: bool) {
        let old = self.set.get(rcu);
        let mut known = old.into_iter().flat_map(|set| set.members.iter());
        if known.any(|member| server.is(member)) {
            return;
        }
        let kept = old.filter(|_| beside);
        let rest = kept.into_iter().flat_map(|set| set.members.iter());
        if let Some(set) = LblcrSet::new(server.try_get(), rest) {
            self.set.exchange(rcu, old, set);
        }
    }

    /// Removes a destination from the set.
    pub(crate) fn evict(&self, rcu: Rcu<'_>, server: RcuRef<'_, Destination>) {
        let old = self.set.get(rcu);
        let members = old.into_iter().flat_map(|set| set.members.iter());
        let rest = members.filter(|member| !server.is(member));
        if let Some(set) = LblcrSet::new(None, rest) {
            self.set.exchange(rcu, old, set);
        }
    }
}
