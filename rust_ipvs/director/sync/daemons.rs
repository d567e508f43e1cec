// SPDX-License-Identifier: GPL-2.0

//! [`Daemons`]: the sync daemons of a namespace.

use super::{
    placeholder::Placeholders,
    queue::{
        MsgFormat,
        Sender,
        SyncQueue, //
    },
    rx::{
        Listener,
        Receiver, //
    },
};
use crate::{
    kapi::{
        once::Word,
        rcu::{
            self,
            RcuCell, //
        },
        thread::Thread, //
    },
    logic::sync::{
        daemon::Daemon,
        Version, //
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// Send queues of a master; their number is a power of two.
pub(super) struct SyncQueues {
    pub(super) queues: KVec<Arc<SyncQueue>>,
    pub(super) sync_id: u8,
    pub(super) maxlen: u16,
}

impl SyncQueues {
    /// Returns the queue of connections with `hash`.
    pub(super) fn of(&self, hash: u32) -> Option<&SyncQueue> {
        let mask = self.queues.len().saturating_sub(1);
        self.queues.get(hash as usize & mask).map(|queue| &**queue)
    }

    /// Returns the format of messages of `version`.
    pub(super) fn format(&self, version: Version) -> MsgFormat {
        MsgFormat {
            version,
            sync_id: self.sync_id,
            maxlen: self.maxlen,
        }
    }
}

/// Running daemon; dropping it stops the daemon.
pub(super) struct Started<T> {
    pub(super) daemon: Daemon,
    pub(super) threads: KVec<T>,
}

/// Running daemons, protected by the mutex around them.
pub(super) struct SyncDaemons<D: Listener> {
    /// Cleared by the teardown of the namespace; no daemon can be started after that.
    pub(super) open: bool,
    /// Number of threads of each daemon; set when the first daemon is started.
    pub(super) threads: u16,
    pub(super) master: Option<Started<Thread<Sender>>>,
    pub(super) backup: Option<Started<Thread<Receiver<D>>>>,
}

/// Sync daemons of a namespace.
#[pin_data]
pub(crate) struct Daemons<D: Listener> {
    /// Send queues of the master; empty without one.
    pub(super) queues: RcuCell<SyncQueues>,
    /// 1 while a backup runs.
    pub(super) hears: Word<u32>,
    /// Placeholders for servers of received connections.
    #[pin]
    pub(super) placeholders: Mutex<Placeholders>,
    #[pin]
    pub(super) running: Mutex<SyncDaemons<D>>,
}

impl<D: Listener> Daemons<D> {
    /// Creates the state without daemons.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            queues: RcuCell::empty(),
            hears: Word::new(0),
            placeholders <- new_mutex!(Placeholders::new()),
            running <- new_mutex!(SyncDaemons {
                open: true,
                threads: 1,
                master: None,
                backup: None,
            }),
        })
    }

    /// Drops the cached routes of all placeholders. Process context. The caller may hold RTNL,
    /// which is never taken under the mutex of the placeholders.
    pub(crate) fn forget_routes(&self) {
        self.placeholders.lock().forget_routes();
    }

    /// Returns whether a daemon of either kind runs (V-10).
    pub(crate) fn is_any(&self) -> bool {
        self.is_backup() || rcu::read(|rcu| self.queues.get(rcu).is_some())
    }

    /// Returns whether a backup runs.
    pub(crate) fn is_backup(&self) -> bool {
        self.hears.load() != 0
    }
}
