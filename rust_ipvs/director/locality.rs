// SPDX-License-Identifier: GPL-2.0

//! What `lblc` and `lblcr` remember: which destinations an address went to (D-17 to D-19).
//!
//! A table of as many buckets as the reference has, each an immutable list that is replaced as a whole, by
//! whoever comes first: packets take no lock, and one that loses the race has chosen its destination anyway. What is
//! remembered of an address is replaced in the same way, so that its bucket stays as it is.
//!
//! Addresses are chosen by clients. The hash is keyed, and a bucket takes no more than [`DEEPEST`], so that looking one
//! up costs little whatever they choose; what is not remembered is chosen anew each time.

use super::destination::Destination;
use crate::{
    kapi::{
        once::Word,
        random,
        rcu::{
            self,
            Prepared,
            Rcu,
            RcuCell, //
        },
        shared::{
            RcuArc,
            Seen, //
        },
        time::{
            self,
            HZ, //
        },
    },
    logic::{
        config::Ip,
        hash::HashKey,
        sched::memory::{
            self,
            Table, //
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

/// Buckets of a table, a power of two.
const BUCKETS: usize = 1024;
/// The most addresses in a bucket; three times as many as there are on the average in a full table.
const DEEPEST: usize = 72;
/// How long an address is remembered that is not asked for, and a set stays as it is, unless an administrator says
/// something else: a day, in seconds.
const DAY: i32 = 24 * 60 * 60;

/// What an administrator sets, in seconds (D-20).
pub(crate) struct Expirations {
    /// After which `lblc` forgets an address.
    pub(crate) lblc: Word<i32>,
    /// After which `lblcr` forgets an address, or one of its destinations.
    pub(crate) lblcr: Word<i32>,
}

impl Expirations {
    pub(super) const fn new() -> Self {
        Self {
            lblc: Word::new(DAY),
            lblcr: Word::new(DAY),
        }
    }
}

/// Which of the two settings holds for a table.
pub(super) type Expiration = fn(&Expirations) -> &Word<i32>;

/// The destinations of an address.
struct Set {
    /// The newest first.
    members: KVec<RcuArc<Destination>>,
    /// When the set changed, in jiffies.
    changed: u64,
}

impl Set {
    /// A set of a destination and, behind it, some of others.
    fn new<'a>(
        first: Option<RcuArc<Destination>>,
        rest: impl Iterator<Item = &'a RcuArc<Destination>> + Clone,
    ) -> Option<Prepared<Self>> {
        // Not `count()`, whose addition is checked.
        let len = rest.clone().fold(1usize, |len, _| len.saturating_add(1));
        let mut members = KVec::with_capacity(len, GFP_ATOMIC).ok()?;
        for member in Iterator::chain(first.into_iter(), rest.cloned()) {
            members.push_within_capacity(member).ok()?;
        }
        let changed = time::jiffies64();
        Prepared::new(Self { members, changed }, GFP_ATOMIC).ok()
    }
}

/// What is remembered of an address.
pub(super) struct Memo {
    address: Ip,
    /// When it was asked for, in jiffies.
    used: Word<u64>,
    set: RcuCell<Set>,
}

/// Addresses with their hashes.
type Bucket = KVec<(u32, Arc<Memo>)>;

/// What the scheduler of a service remembers.
pub(super) struct Memory {
    key: HashKey,
    buckets: KVVec<RcuCell<Bucket>>,
    entries: Atomic<i32>,
    /// The bucket that is looked at first when many are to be forgotten; only the work that evicts writes it.
    rover: Word<u32>,
    expirations: Arc<Expirations>,
    expiration: Expiration,
}

fn jiffies(seconds: u64) -> u64 {
    seconds.saturating_mul(HZ.into())
}

impl Memory {
    /// Nothing.
    pub(super) fn new(expirations: Arc<Expirations>, expiration: Expiration) -> Result<Arc<Self>> {
        let mut buckets = KVVec::with_capacity(BUCKETS, GFP_KERNEL)?;
        for _ in 0..BUCKETS {
            buckets.push(RcuCell::empty(), GFP_KERNEL)?;
        }
        let memory = Self {
            key: HashKey::new(random::words()),
            buckets,
            entries: Atomic::new(0),
            rover: Word::new(0),
            expirations,
            expiration,
        };
        Ok(Arc::new(memory, GFP_KERNEL)?)
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

    /// How long the settings say.
    fn seconds(&self) -> u64 {
        memory::seconds((self.expiration)(&self.expirations).load())
    }

    /// The same in jiffies.
    fn lasts(&self) -> u64 {
        jiffies(self.seconds())
    }

    /// What is remembered of an address, which is asked for now.
    pub(super) fn recall<'g>(&'g self, rcu: Rcu<'g>, address: Ip) -> Option<&'g Memo> {
        let hash = self.hash(&address);
        let mut memos = self.bucket(hash)?.get(rcu)?.iter();
        let (_, memo) = memos.find(|(other, memo)| *other == hash && memo.address == address)?;
        memo.used.update(time::jiffies64());
        Some(memo)
    }

    /// Whether the set has several members and has been the same for as long as it may be.
    pub(super) fn is_settled(&self, rcu: Rcu<'_>, memo: &Memo) -> bool {
        let Some(set) = memo.set.get(rcu) else {
            return false;
        };
        let now = time::jiffies64();
        memory::is_settled(set.members.len(), now, set.changed, self.lasts())
    }

    /// Remembers a destination of an address that nothing is known of.
    pub(super) fn learn(&self, rcu: Rcu<'_>, address: Ip, server: Seen<'_, Destination>) {
        if memory::has_room(self.entries.load(Relaxed)) {
            // Without memory it is not remembered.
            self.try_learn(rcu, address, server);
        }
    }

    fn try_learn(&self, rcu: Rcu<'_>, address: Ip, server: Seen<'_, Destination>) -> Option<()> {
        let hash = self.hash(&address);
        let bucket = self.bucket(hash)?;
        let old = bucket.get(rcu);
        let len = old.map_or(0, |list| list.len());
        if len >= DEEPEST {
            return None;
        }
        let memo = Memo {
            address,
            used: Word::new(time::jiffies64()),
            set: RcuCell::new(Set::new(server.keep(), [].iter())?),
        };
        let mut list = KVec::with_capacity(len.saturating_add(1), GFP_ATOMIC).ok()?;
        list.push_within_capacity((hash, Arc::new(memo, GFP_ATOMIC).ok()?))
            .ok()?;
        for (hash, memo) in old.into_iter().flatten() {
            list.push_within_capacity((*hash, memo.clone())).ok()?;
        }
        if bucket.exchange(rcu, old, Prepared::new(list, GFP_ATOMIC).ok()?) {
            self.entries.add(1, Relaxed);
        }
        Some(())
    }

    /// Forgets what was not asked for in so many jiffies, in one bucket; returns how many that were.
    fn forget_in(&self, bucket: &RcuCell<Bucket>, lasts: u64) -> i32 {
        let now = time::jiffies64();
        let stays = |memo: &Memo| memory::stays(now, memo.used.load(), lasts);
        rcu::read(|rcu| {
            let Some(old) = bucket.get(rcu) else {
                return 0;
            };
            let left = old.iter().filter(|(_, memo)| stays(memo)).count();
            if left == old.len() {
                return 0;
            }
            let shorter = || {
                let mut list = KVec::with_capacity(left, GFP_ATOMIC).ok()?;
                for (hash, memo) in old.iter().filter(|(_, memo)| stays(memo)) {
                    list.push_within_capacity((*hash, memo.clone())).ok();
                }
                let gone = old.len().saturating_sub(list.len());
                Some((gone, Prepared::new(list, GFP_ATOMIC).ok()?))
            };
            // Without memory, or when a packet was faster, they go the next time.
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

    /// Forgets what has not been asked for in too long, and when there is too much also other things (D-19). Process
    /// context, once a minute.
    pub(super) fn expire(&self) {
        let rover = memory::sweep(self, self.rover.load(), self.seconds());
        self.rover.store(rover);
    }
}

impl Table for Memory {
    const BUCKETS: u32 = BUCKETS as u32;

    fn addresses(&self) -> i32 {
        self.entries.load(Relaxed)
    }

    fn forget(&self, bucket: u32, seconds: u64) -> i32 {
        let bucket = self.buckets.get(bucket as usize);
        bucket.map_or(0, |bucket| self.forget_in(bucket, jiffies(seconds)))
    }
}

impl Memo {
    /// The destinations, the newest first.
    pub(super) fn members<'g>(
        &'g self,
        rcu: Rcu<'g>,
    ) -> impl Iterator<Item = Seen<'g, Destination>> {
        let set = self.set.get(rcu);
        set.into_iter()
            .flat_map(|set| set.members.iter().map(RcuArc::seen))
    }

    /// Remembers one more destination, or another one instead of all.
    pub(super) fn learn(&self, rcu: Rcu<'_>, server: Seen<'_, Destination>, beside: bool) {
        let old = self.set.get(rcu);
        let mut known = old.into_iter().flat_map(|set| set.members.iter());
        if known.any(|member| server.is(member)) {
            return;
        }
        let kept = old.filter(|_| beside);
        let rest = kept.into_iter().flat_map(|set| set.members.iter());
        if let Some(set) = Set::new(server.keep(), rest) {
            self.set.exchange(rcu, old, set);
        }
    }

    /// Forgets one of the destinations.
    pub(super) fn forget(&self, rcu: Rcu<'_>, server: Seen<'_, Destination>) {
        let old = self.set.get(rcu);
        let members = old.into_iter().flat_map(|set| set.members.iter());
        let rest = members.filter(|member| !server.is(member));
        if let Some(set) = Set::new(None, rest) {
            self.set.exchange(rcu, old, set);
        }
    }
}
