// SPDX-License-Identifier: GPL-2.0

//! The table of a family's connections, with what watches over its size.

use super::{
    clock,
    family::InetFamily,
    Connection, //
};
use crate::{
    kapi::{
        once::Word,
        random,
        table::{
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

/// The works of one address family.
pub(crate) struct AfQueues {
    /// Those that end connections whose time is up, each in a part of the table.
    pub(crate) expiry: KVec<WorkHandle>,
    /// The one that changes the size of the connection table.
    pub(crate) resize: WorkHandle,
    /// The one that ends connections to destinations that are gone.
    pub(crate) expire_nodest: WorkHandle,
}

/// The connections of a family, once there has been a service.
pub(crate) struct Connections<F: InetFamily> {
    pub(crate) key: HashKey,
    pub(crate) table: Table<Connection<F>>,
    /// Beyond so many connections the table may have to grow.
    pub(crate) upper: Word<usize>,
    /// With no more than so many it may have to shrink.
    pub(crate) lower: Word<usize>,
    /// 1 from when the work that resizes was queued because of `upper`, or runs, until the table
    /// has the size that its connections ask for.
    pub(crate) grows: Word<u32>,
    /// 1 if works that end connections rest, and the next connection is to queue them.
    pub(crate) resting: Word<u32>,
    /// The works that see to the connections.
    pub(crate) queues: Arc<AfQueues>,
    /// The load factor that the size and the bounds come from.
    pub(crate) lfactor: Word<i32>,
    /// The most buckets that the table may have, as a power of two (C-29).
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
            key: HashKey::new(random::words()),
            table: Table::new(MIN_BITS, wheel::SLOTS as u16)?,
            upper: Word::new(upper),
            lower: Word::new(lower),
            grows: Word::new(0),
            resting: Word::new(1),
            queues,
            lfactor: Word::new(lfactor),
            most_bits,
        })
    }

    /// A connection has come: wakes what has to do with it (C-16, C-28). Any context.
    ///
    /// Waking once is enough, and dearer than all the rest.
    #[inline(always)]
    pub(crate) fn came(&self) {
        let (about, _) = self.table.about();
        let grows = about > self.upper.load() as isize && self.grows.load() == 0;
        if grows || self.resting.load() != 0 {
            self.wake();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        if self.resting.load() != 0 {
            // First, so that a work that goes to rest afterwards is not overlooked.
            self.resting.store(0);
            for work in &self.queues.expiry {
                work.queue(clock::TICK_JIFFIES);
            }
        }
        let (about, _) = self.table.about();
        if about > self.upper.load() as isize && self.grows.load() == 0 {
            self.grows.store(1);
            self.queues.resize.queue_now();
        }
    }

    /// Has the table resized if it may be too large, or too small by fewer connections than new
    /// ones are told of, and nobody sees to that yet (C-28).
    pub(crate) fn check_size(&self) {
        let (len, lower) = (self.table.exact_len(), self.lower.load());
        let grows = len > self.upper.load() && self.grows.load() == 0;
        if grows || (lower != 0 && len <= lower) {
            self.queues.resize.queue(0);
        }
    }
}
