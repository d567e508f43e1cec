// SPDX-License-Identifier: GPL-2.0

//! The daemons of a namespace.

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

/// The send queues; their number is a power of two.
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

/// A daemon that runs, until it is dropped.
pub(super) struct Started<T> {
    pub(super) daemon: Daemon,
    pub(super) threads: KVec<T>,
}

/// The daemons that run; protected by the mutex around it.
pub(super) struct SyncDaemons<D: Listener> {
    /// Cleared when the namespace goes, after which none may be started.
    pub(super) open: bool,
    /// Number of threads of each daemon, from when the first one was started.
    pub(super) threads: u16,
    pub(super) master: Option<Started<Thread<Sender>>>,
    pub(super) backup: Option<Started<Thread<Receiver<D>>>>,
}

/// The daemons of a namespace.
#[pin_data]
pub(crate) struct Daemons<D: Listener> {
    /// Those of a master; packets find nothing here where there is none.
    pub(super) queues: RcuCell<SyncQueues>,
    /// 1 while there is a backup.
    pub(super) hears: Word<u32>,
    /// Placeholders for servers of received connections.
    #[pin]
    pub(super) placeholders: Mutex<Placeholders>,
    #[pin]
    pub(super) running: Mutex<SyncDaemons<D>>,
}

impl<D: Listener> Daemons<D> {
    /// No daemons.
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

    /// Drops the cached routes of all servers that nobody configured. Process context; the caller
    /// may hold RTNL, which nobody takes under the mutex of these servers.
    pub(crate) fn forget_routes(&self) {
        self.placeholders.lock().forget_routes();
    }

    /// Returns whether there is a daemon of either kind (V-10).
    pub(crate) fn is_any(&self) -> bool {
        self.is_backup() || rcu::read(|rcu| self.queues.get(rcu).is_some())
    }

    /// Returns whether a backup runs, which receives connections.
    pub(crate) fn is_backup(&self) -> bool {
        self.hears.load() != 0
    }
}
