// SPDX-License-Identifier: GPL-2.0

//! Connection table of an address family, with the thresholds for its resizing.

use super::{
    clock,
    family::InetFamily,
    Connection, //
};
use crate::{
    kapi::{
        once::Word,
        random,
        rcu::Rcu,
        slab::SlabBox,
        table::{
            Hashed,
            Table,
            MIN_BITS, //
        },
        work::WorkHandle, //
    },
    logic::{
        hash::HashKey,
        sizing,
        wheel, //
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
pub(crate) struct Connections<F: InetFamily> {
    pub(crate) table: Table<Connection<F>>,
    /// Number of connections beyond which the table may have to grow.
    pub(crate) upper: Word<usize>,
    /// Number of connections below or at which the table may have to shrink.
    pub(crate) lower: Word<usize>,
    /// 1 while the resize work is queued because of `upper`, or runs.
    pub(crate) grows: Word<u32>,
    /// 1 from when the resize work was queued because the table wants a new key, until it runs.
    pub(crate) wants_key: Word<u32>,
    /// 1 if the expiry works are idle, and the next connection has to queue them.
    pub(crate) resting: Word<u32>,
    /// Work items of the family.
    pub(crate) queues: Arc<AfQueues>,
    /// Load factor from which size and thresholds are computed.
    pub(crate) lfactor: Word<i32>,
    /// Maximum number of buckets, as a power of two (C-29).
    pub(crate) most_bits: u32,
}

impl<F: InetFamily> Connections<F> {
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
            resting: Word::new(1),
            queues,
            lfactor: Word::new(lfactor),
            most_bits,
        })
    }

    /// Inserts a connection in the directions in which it can be looked up, and queues the works
    /// that this requires. `known` is its first hash, if a look-up has computed it.
    ///
    /// Fails with the duplicate, and drops `connection`, if the table has a connection in the first
    /// direction for which `same` returns `true`, given `connection` and that one. Any context,
    /// without a lock of the table.
    #[inline(always)]
    pub(crate) fn enter<'g>(
        &'g self,
        rcu: Rcu<'g>,
        connection: SlabBox<Connection<F>>,
        known: Hashed,
        same: impl Fn(&Connection<F>, &Connection<F>) -> bool,
    ) -> Result<&'g Connection<F>, &'g Connection<F>> {
        let directions = connection.directions();
        let entered = self.table.insert(rcu, connection, known, directions, same);
        self.came();
        entered
    }

    /// Queues the expiry and resize works if a new connection requires it (C-16, C-28). Any
    /// context.
    ///
    /// Queueing is out of line, as it is rare and slow.
    #[inline(always)]
    fn came(&self) {
        let (about, _) = self.table.about();
        let grows = about > self.upper.load() as isize && self.grows.load() == 0;
        if grows || self.resting.load() != 0 || self.table.wants_key() {
            self.wake();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        if self.resting.load() != 0 {
            // Before the works are queued, so that a work that goes idle afterwards is not missed.
            self.resting.store(0);
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
    /// [`Self::came`] uses an approximate number.
    pub(crate) fn check_size(&self) {
        let (len, lower) = (self.table.exact_len(), self.lower.load());
        let grows = len > self.upper.load() && self.grows.load() == 0;
        if grows || (lower != 0 && len <= lower) {
            self.queues.resize.queue(0);
        }
    }
}
