// SPDX-License-Identifier: GPL-2.0

//! What the load balancer does, in safe words: of `logic` and `kapi`.
//!
//! A [`Director`] is the load balancer of one network namespace. It has a [`Plane`] for each address
//! family, in which services and connections live; packets come in through `hooks`, people
//! through `manage`.
//!
//! # Locks
//!
//! Packets take no lock but a shard of the connection table, when a connection begins, ends or
//! comes closer to its end. People take [`Director`]'s `books` mutex; under it nothing but RCU
//! pointers and plain words are written that packets read.

mod connection;
mod destination;
mod expiry;
mod hooks;
mod manage;
mod plane;
mod reply;
mod schedule;
mod service;
mod settings;
mod state;
mod statistics;
mod xmit;

pub(crate) use settings::Settings;

use crate::{
    kapi::{
        net::{
            Namespaced,
            Namespaces, //
            Net,
        },
        netfilter::Hooks,
        shared::RcuArc,
        slab::Slab,
        ticker::{
            Kicker,
            Ticker, //
        },
    },
    logic::family::{
        V4,
        V6, //
    },
};
use connection::Connection;
use destination::Destination;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex,
        SetOnce, //
    },
};
use plane::Plane;

static DIRECTORS: Namespaces<Director> = Namespaces::new();

/// What the directors of all namespaces share: where connections are allocated.
pub(crate) struct Caches {
    v4: Arc<Slab<Connection<V4>>>,
    v6: Arc<Slab<Connection<V6>>>,
}

impl Caches {
    /// Creates the caches; they show in /proc/slabinfo.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            v4: Arc::new(Slab::new(c"rust_ipvs_conn")?, GFP_KERNEL)?,
            v6: Arc::new(Slab::new(c"rust_ipvs_conn6")?, GFP_KERNEL)?,
        })
    }
}

/// A deleted destination that may come back (V-11 to V-13).
struct Trashed {
    destination: RcuArc<Destination>,
    /// Since when nothing but the trash refers to it, in milliseconds.
    idle_since: Option<u64>,
}

/// What only people look at; protected by the mutex around it.
struct Books {
    /// Cleared when the namespace goes, after which nothing may be added.
    open: bool,
    hooks_v4: Option<Hooks<Director>>,
    hooks_v6: Option<Hooks<Director>>,
    ticker: Option<Ticker<Director>>,
    trash: KVec<Trashed>,
    /// When the trash was last looked through, in milliseconds.
    trash_seen: u64,
    totals: statistics::Books,
}

/// The load balancer of a network namespace.
#[pin_data]
pub(crate) struct Director {
    settings: Settings,
    timeouts: state::Timeouts,
    v4: Plane<V4>,
    v6: Plane<V6>,
    /// Wakes the ticker; empty before the first service.
    kicker: SetOnce<Kicker<Director>>,
    /// The last tick that was worked off; written by the ticker alone.
    ticked: kernel::sync::atomic::Atomic<u32>,
    #[pin]
    books: Mutex<Books>,
}

impl Director {
    /// The director of a namespace; `None` while it is being set up or torn down.
    pub(crate) fn of(net: &Net) -> Option<Arc<Self>> {
        DIRECTORS.get(net)
    }

    /// What `sysctl` set.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl Namespaced for Director {
    type Shared = Caches;

    fn namespaces() -> &'static Namespaces<Self> {
        &DIRECTORS
    }

    fn new(net: &Net, shared: &Caches) -> Result<Arc<Self>> {
        let (v4, v6) = (shared.v4.clone(), shared.v6.clone());
        // The first namespace has nobody to ask.
        let most = Self::of(Net::initial()).map(|initial| initial.settings.conn_max.load());
        Arc::pin_init(
            pin_init!(Self {
                settings: Settings::new(net, most),
                timeouts: state::Timeouts::new(),
                v4: Plane::new(v4),
                v6: Plane::new(v6),
                kicker: SetOnce::new(),
                ticked: kernel::sync::atomic::Atomic::new(expiry::now_tick()),
                books <- new_mutex!(Books {
                    open: true,
                    hooks_v4: None,
                    hooks_v6: None,
                    ticker: None,
                    trash: KVec::new(),
                    trash_seen: 0,
                    totals: statistics::Books::new(),
                }),
            }),
            GFP_KERNEL,
        )
    }

    fn stop(this: &Arc<Self>) {
        let mut books = this.books.lock();
        books.open = false;
        let going = (books.hooks_v4.take(), books.hooks_v6.take());
        let ticker = books.ticker.take();
        drop(books);
        // Hooks first: nothing may come in from packets. The ticker takes the mutex in its run.
        drop(going);
        drop(ticker);
        this.flush_for_good();
    }
}

impl Director {
    /// Starts the ticker where it is not running yet.
    fn start_ticker(self: &Arc<Self>, books: &mut Books) -> Result {
        if books.ticker.is_none() {
            let ticker = Ticker::new(self.clone())?;
            self.kicker.populate(ticker.kicker());
            books.ticker = Some(ticker);
        }
        if let Some(ticker) = &books.ticker {
            ticker.kick(expiry::TICK_JIFFIES);
        }
        Ok(())
    }
}
