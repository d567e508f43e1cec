// SPDX-License-Identifier: GPL-2.0

//! The daemons of a namespace.

use super::{
    lanes::{
        Form,
        Lane,
        Sender, //
    },
    receiver::{
        Listener,
        Receiver, //
    },
    strangers::Strangers, //
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

/// Where packets leave their entries: a power of two of lanes.
pub(super) struct Lanes {
    pub(super) lanes: KVec<Arc<Lane>>,
    pub(super) sync_id: u8,
    pub(super) maxlen: u16,
}

impl Lanes {
    /// The lane of connections with such a hash.
    pub(super) fn of(&self, hash: u32) -> Option<&Lane> {
        let mask = self.lanes.len().saturating_sub(1);
        self.lanes.get(hash as usize & mask).map(|lane| &**lane)
    }

    /// What messages are like, in a version.
    pub(super) fn form(&self, version: Version) -> Form {
        Form {
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
    /// How many threads each daemon has, from when the first one was started.
    pub(super) threads: u16,
    pub(super) master: Option<Started<Thread<Sender>>>,
    pub(super) backup: Option<Started<Thread<Receiver<D>>>>,
}

/// The daemons of a namespace.
#[pin_data]
pub(in crate::director) struct Daemons<D: Listener> {
    /// Those of a master; packets find nothing here where there is none.
    pub(super) lanes: RcuCell<Lanes>,
    /// 1 while there is a backup.
    pub(super) hears: Word<u32>,
    /// Servers that connections were told of, and nobody configured.
    #[pin]
    pub(super) strangers: Mutex<Strangers>,
    #[pin]
    pub(super) running: Mutex<SyncDaemons<D>>,
}

impl<D: Listener> Daemons<D> {
    /// No daemons.
    pub(in crate::director) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            lanes: RcuCell::empty(),
            hears: Word::new(0),
            strangers <- new_mutex!(Strangers::new()),
            running <- new_mutex!(SyncDaemons {
                open: true,
                threads: 1,
                master: None,
                backup: None,
            }),
        })
    }

    /// Drops the cached routes of all servers that nobody configured. Process context; the caller may
    /// hold RTNL, which nobody takes under the mutex of these servers.
    pub(in crate::director) fn forget_routes(&self) {
        self.strangers.lock().forget_routes();
    }

    /// Whether there is a daemon of either kind (V-10).
    pub(in crate::director) fn is_any(&self) -> bool {
        self.is_backup() || rcu::read(|rcu| self.lanes.get(rcu).is_some())
    }

    /// Whether other directors tell this one of their connections.
    pub(in crate::director) fn is_backup(&self) -> bool {
        self.hears.load() != 0
    }
}
