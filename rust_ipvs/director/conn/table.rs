// SPDX-License-Identifier: GPL-2.0

//! [`ConnTable`]: connection table of an address family. It owns the connections' keys and hashes,
//! their insertion, re-arming and removal, and its own size.

use super::{
    clock,
    family::InetFamily,
    template::TemplateId,
    ConnTuple,
    Connection,
    PacketRole, //
};
use crate::{
    kapi::{
        once::Word,
        random,
        rcu::Rcu,
        slab::SlabBox,
        table::{
            Cursor,
            ExpireVerdict,
            Hashed,
            PageCursor,
            PageResult,
            Table,
            MIN_BITS, //
        },
        work::{
            Process,
            WorkHandle, //
        },
    },
    logic::{
        family::Endpoint,
        hash::HashKey,
        sizing,
        wheel::{
            self,
            Due, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Work items of an address family.
pub(crate) struct AfQueues {
    /// `Expiry` works, each for a part of the table.
    pub(crate) expiry: KVec<WorkHandle>,
    /// Work that resizes the connection table.
    pub(crate) resize: WorkHandle,
    /// Work that ends connections to removed destinations (`expire_nodest_conn`).
    pub(crate) expire_nodest: WorkHandle,
}

/// Connection table of a family; allocated with the family's first service.
pub(crate) struct ConnTable<F: InetFamily> {
    table: Table<Connection<F>>,
    /// Number of connections beyond which the table may have to grow.
    upper: Word<usize>,
    /// Number of connections below or at which the table may have to shrink.
    lower: Word<usize>,
    /// 1 while the resize work is queued because of `upper`, or runs.
    grows: Word<u32>,
    /// 1 from when the resize work was queued because the table wants a new key, until it runs.
    wants_key: Word<u32>,
    /// 1 if the expiry works are idle, and the next connection has to queue them.
    expiry_idle: Word<u32>,
    /// Work items of the family.
    queues: Arc<AfQueues>,
    /// Load factor from which size and thresholds are computed.
    lfactor: Word<i32>,
    /// Maximum number of buckets, as a power of two (C-29).
    most_bits: u32,
}

impl<F: InetFamily> ConnTable<F> {
    /// Creates the table at its smallest size. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(queues: Arc<AfQueues>, lfactor: i32, most_bits: u32) -> Result<Self> {
        let (lower, upper) = sizing::thresholds(MIN_BITS, lfactor, MIN_BITS, most_bits);
        Ok(Self {
            table: Table::new(MIN_BITS, wheel::SLOTS as u16, HashKey::new(random::words()))?,
            upper: Word::new(upper),
            lower: Word::new(lower),
            grows: Word::new(0),
            wants_key: Word::new(0),
            expiry_idle: Word::new(1),
            queues,
            lfactor: Word::new(lfactor),
            most_bits,
        })
    }

    /// Looks up the connection of a packet from `src` to `dst`, and the packet's role in it. Finds
    /// replies only unless `takes_requests`. Without a connection, returns the hash of the
    /// endpoints, for [`Self::insert`].
    #[inline(always)]
    pub(crate) fn look_up<'g>(
        &'g self,
        rcu: Rcu<'g>,
        protocol: u8,
        (src, dst): (Endpoint<F>, Endpoint<F>),
        takes_requests: bool,
    ) -> Result<(&'g Connection<F>, PacketRole), Hashed> {
        // `move`: the captured values stay in registers unless the search continues out of line.
        let hash = move |key: &HashKey| F::hash(key, &src, &dst, protocol);
        let judge = move |connection: &'g Connection<F>, direction| match connection
            .role(direction, protocol, &src, &dst)
        {
            Some(PacketRole::Request) if !takes_requests => None,
            role => role,
        };
        self.table.look_up(rcu, hash, judge)
    }

    /// Looks up a connection by client and VIP.
    pub(crate) fn find<'g>(
        &'g self,
        rcu: Rcu<'g>,
        protocol: u8,
        client: &Endpoint<F>,
        vip: &Endpoint<F>,
    ) -> Option<&'g Connection<F>> {
        let hash = |key: &HashKey| F::hash(key, client, vip, protocol);
        let is =
            |other: &Connection<F>, direction| direction == 0 && other.is_of(protocol, client, vip);
        self.table.find(rcu, hash, is).map(|(found, _)| found)
    }

    /// Looks up a NAT connection by client and destination, at the VIP's address and any port.
    pub(crate) fn find_by_dest<'g>(
        &'g self,
        rcu: Rcu<'g>,
        protocol: u8,
        ConnTuple { client, vip, dest }: &ConnTuple<F>,
    ) -> Option<&'g Connection<F>> {
        let hash = |key: &HashKey| F::hash(key, client, dest, protocol);
        let is = |other: &Connection<F>, direction| {
            direction == 1
                && other.is_of(protocol, client, &other.vip)
                && other.dest == *dest
                && other.vip.addr == vip.addr
        };
        self.table.find(rcu, hash, is).map(|(found, _)| found)
    }

    /// Looks up a valid template.
    pub(crate) fn find_template<'g>(
        &'g self,
        rcu: Rcu<'g>,
        id: &TemplateId<'_, F>,
    ) -> Option<&'g Connection<F>> {
        let hash = |key: &HashKey| id.hash(key);
        let is = |other: &Connection<F>, direction| direction == 0 && id.is_of(other);
        self.table.find(rcu, hash, is).map(|(found, _)| found)
    }

    /// Inserts a connection in the directions in which it can be looked up, and queues the works
    /// that this requires. `known` is the hash of client and VIP, if a look-up has computed it.
    ///
    /// Fails with the duplicate, and drops `connection`, if there is a connection with the same
    /// protocol, client and VIP. Any context, without a lock of the table.
    #[inline(always)]
    pub(crate) fn insert<'g>(
        &'g self,
        rcu: Rcu<'g>,
        connection: SlabBox<Connection<F>>,
        known: Hashed,
    ) -> Result<&'g Connection<F>, &'g Connection<F>> {
        self.insert_unless(rcu, connection, known, Connection::is_duplicate)
    }

    /// Inserts a template. Fails with the duplicate, and drops `template`, if there is a valid one
    /// with the same identity. Any context, without a lock of the table.
    pub(crate) fn insert_template<'g>(
        &'g self,
        rcu: Rcu<'g>,
        template: SlabBox<Connection<F>>,
        id: &TemplateId<'_, F>,
    ) -> Result<&'g Connection<F>, &'g Connection<F>> {
        let is_same = |_: &Connection<F>, other: &Connection<F>| id.is_of(other);
        self.insert_unless(rcu, template, Hashed::UNKNOWN, is_same)
    }

    #[inline(always)]
    fn insert_unless<'g>(
        &'g self,
        rcu: Rcu<'g>,
        connection: SlabBox<Connection<F>>,
        known: Hashed,
        is_same: impl Fn(&Connection<F>, &Connection<F>) -> bool,
    ) -> Result<&'g Connection<F>, &'g Connection<F>> {
        let directions = connection.directions();
        let inserted = self
            .table
            .insert(rcu, connection, known, directions, is_same);
        self.inserted();
        inserted
    }

    /// Moves a connection to the wheel slot of its present expiry time. Nothing happens if it is
    /// not in the table. Any context, without a lock of the table.
    #[inline(always)]
    pub(crate) fn rearm(&self, connection: &Connection<F>) {
        self.table.rearm(connection);
    }

    /// Removes a connection. Returns false, and changes nothing, if it controls others or has been
    /// removed. Others call [`conntrack::remove`](super::conntrack::remove), which also deletes the
    /// conntrack entry.
    pub(super) fn remove(&self, rcu: Rcu<'_>, connection: &Connection<F>) -> bool {
        self.table.remove(rcu, connection)
    }

    /// Queues the expiry and resize works if a new connection requires it (C-16, C-28). Any
    /// context.
    ///
    /// Queueing is out of line, as it is rare and slow.
    #[inline(always)]
    fn inserted(&self) {
        let (about, _) = self.table.about();
        let grows = about > self.upper.load() as isize && self.grows.load() == 0;
        if grows || self.expiry_idle.load() != 0 || self.table.wants_key() {
            self.wake();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        if self.expiry_idle.load() != 0 {
            // Before the works are queued, so that a work that goes idle afterwards is not missed.
            self.expiry_idle.store(0);
            for work in &self.queues.expiry {
                work.queue(clock::TICK_JIFFIES);
            }
        }
        if self.table.wants_key() {
            // Muted, so that only one connection queues the work. The work unmutes the table.
            self.table.mute();
            self.wants_key.store(1);
            self.queues.resize.queue_now();
        }
        let (about, _) = self.table.about();
        if about > self.upper.load() as isize && self.grows.load() == 0 {
            self.grows.store(1);
            self.queues.resize.queue_now();
        }
    }

    /// Queues the resize work if the exact number of connections is beyond a threshold (C-28).
    /// [`Self::inserted`] uses an approximate number.
    pub(crate) fn check_size(&self) {
        let (len, lower) = (self.table.exact_len(), self.lower.load());
        let grows = len > self.upper.load() && self.grows.load() == 0;
        if grows || (lower != 0 && len <= lower) {
            self.queues.resize.queue(0);
        }
    }

    /// Returns the number of connections, see [`Table::exact_len`]. Any context.
    pub(crate) fn exact_len(&self) -> usize {
        self.table.exact_len()
    }

    /// Returns the approximate number of connections, and its maximum error. Any context.
    #[inline(always)]
    pub(crate) fn about(&self) -> (isize, isize) {
        self.table.about()
    }

    /// Returns the number of buckets. Any context.
    pub(crate) fn size(&self) -> usize {
        self.table.size()
    }

    /// Calls `visit` for each entry of a bucket. Returns `false` after the last bucket. Any
    /// context.
    pub(crate) fn visit<'g>(
        &'g self,
        rcu: Rcu<'g>,
        bucket: usize,
        visit: impl FnMut(&'g Connection<F>),
    ) -> bool {
        self.table.visit(rcu, bucket, visit)
    }

    /// Continues a walk that visits each entry once, see [`Table::page`]. Any context.
    pub(crate) fn page<'g>(
        &'g self,
        rcu: Rcu<'g>,
        cursor: &mut PageCursor,
        wants: impl Fn(&'g Connection<F>) -> bool,
        visit: impl FnMut(&'g Connection<F>) -> bool,
    ) -> PageResult {
        self.table.page(rcu, cursor, wants, visit)
    }
}

/// Functions for background works, in process context.
impl<F: InetFamily> ConnTable<F> {
    /// Continues a walk over all entries, see [`Table::scan`].
    pub(crate) fn scan(
        &self,
        process: &Process,
        cursor: &mut Cursor,
        budget: &mut u32,
        visit: impl FnMut(Rcu<'_>, &Connection<F>),
    ) -> bool {
        self.table.scan(process, cursor, budget, visit)
    }

    /// Calls `visit` for the entries of `count` buckets, see [`Table::visit_some`].
    pub(crate) fn visit_some(
        &self,
        start: u32,
        count: usize,
        visit: impl FnMut(Rcu<'_>, &Connection<F>),
    ) {
        self.table.visit_some(start, count, visit);
    }

    /// Returns the number of shards.
    pub(crate) fn shards(&self) -> usize {
        self.table.shards()
    }

    /// Processes due wheel slots of a shard, see [`Table::expire`].
    pub(crate) fn expire(
        &self,
        process: &Process,
        (shard, slots): (usize, &mut Due),
        budget: &mut u32,
        verdict: impl FnMut(&Connection<F>) -> ExpireVerdict,
        gone: impl FnMut(Rcu<'_>, &Connection<F>),
    ) -> bool {
        let mut slots = slots.by_ref().map(|slot| slot.index() as u16);
        self.table
            .expire(process, shard, &mut slots, budget, verdict, gone)
    }

    /// Lets an expiry work for some shards go idle, if the table is empty. Returns `false` if one
    /// of the shards has a connection. `netns/expiry.rs` has the argument that no connection is
    /// missed.
    pub(crate) fn may_rest(&self, mut shards: impl Iterator<Item = usize>) -> bool {
        if self.table.exact_len() != 0 {
            return false;
        }
        // If there is a connection, the next one queues the works needlessly.
        self.expiry_idle.store(1);
        shards.all(|shard| self.table.is_empty_shard(shard))
    }

    /// Removes all entries. No packet must insert others.
    pub(crate) fn clear(&self) {
        self.table.clear();
    }

    /// Gives the table a new hash key if it has requested one. Returns whether it had. Its next
    /// request is possible after [`Self::allow_key_requests`].
    ///
    /// If memory is exhausted, the table keeps the old key.
    pub(crate) fn renew_key(&self) -> bool {
        if self.wants_key.load() == 0 {
            return false;
        }
        self.wants_key.store(0);
        let bits = self.table.size().trailing_zeros();
        let key = HashKey::new(random::words());
        self.table.rekey(bits, key).ok();
        true
    }

    /// Lets the table request another key.
    pub(crate) fn allow_key_requests(&self) {
        self.table.unmute();
    }

    /// Resizes the table to fit the number of connections. Returns whether it has to be called
    /// again at once.
    ///
    /// New connections do not queue the resize work meanwhile, nor after an error: after a failure
    /// it would run at once, and each failing attempt may take long.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn fit(&self, lfactor: i32) -> Result<bool> {
        self.grows.store(1);
        self.resize(lfactor)?;
        // Updates the approximate number of connections: after small decreases in each shard it
        // might still be above `upper`, and each new connection would queue the work needlessly.
        self.table.report_len();
        // From here on a new connection queues the work again. Earlier ones are in the exact
        // number.
        self.grows.store(0);
        Ok(self.table.exact_len() > self.upper.load())
    }

    fn resize(&self, lfactor: i32) -> Result {
        let len = self.table.exact_len();
        let bits = self.table.size().trailing_zeros();
        let changed = self.lfactor.load() != lfactor;
        if !changed && len <= self.upper.load() && len > self.lower.load() {
            return Ok(());
        }
        let most = self.most_bits;
        let wanted =
            sizing::wanted_bits_of_connections(len, lfactor, bits, MIN_BITS, most, changed);
        if wanted != bits {
            self.table.resize(wanted)?;
        }
        let (lower, upper) = sizing::thresholds(wanted, lfactor, MIN_BITS, most);
        self.lower.store(lower);
        self.upper.store(upper);
        self.lfactor.store(lfactor);
        Ok(())
    }
}
