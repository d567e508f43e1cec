// SPDX-License-Identifier: GPL-2.0

//! The ticker: connections that nobody uses any more, tables that have the wrong size, and the trash.

use super::{
    clock,
    connection::Connection,
    namespace::Director,
    plane::{
        Connections,
        Plane, //
    },
    stack::Stack,
    tracking, //
};
use crate::{
    kapi::{
        net::Home,
        rcu,
        table::{
            Fate,
            MIN_BITS, //
        },
        ticker::Tick,
        time, //
    },
    logic::{
        sizing,
        wheel, //
    },
};
use kernel::sync::atomic::Relaxed;

/// How often schedulers forget what was not asked for in a while (D-19).
const FORGET_PERIOD_MS: u64 = 60_000;
/// How many ticks are worked off at most when the ticker comes late: all slots of the wheel.
const TICKS_AT_ONCE: u32 = 4096;

impl Tick for Director {
    fn tick(&self) -> Option<u32> {
        let now = clock::now_tick();
        let mut tick = self.ticked.load(Relaxed);
        if self.connection_count() == 0 {
            // Whatever comes from here on is filed for later ticks than this one.
            tick = now;
            self.ticked.store(now, Relaxed);
        }
        if now.wrapping_sub(tick) > TICKS_AT_ONCE {
            tick = now.wrapping_sub(TICKS_AT_ONCE);
        }
        while tick != now {
            tick = tick.wrapping_add(1);
            self.v4.expire(self, tick);
            self.v6.expire(self, tick);
            self.ticked.store(tick, Relaxed);
        }
        self.defend();
        let lfactor = sizing::of_connections(self.settings.conn_lfactor.load());
        self.v4.fit(lfactor);
        self.v6.fit(lfactor);
        let mut books = self.books.lock();
        books.trash.empty();
        let known = &mut *books;
        if let Some(hooks) = &known.hooks_v6 {
            self.fragments.arrange(&mut known.held, hooks.lease());
        }
        let now = time::milliseconds();
        if now.saturating_sub(books.forgot) >= FORGET_PERIOD_MS {
            books.forgot = now;
            self.v4.forget();
            self.v6.forget();
        }
        let idle = self.v4.is_idle()
            && self.v6.is_idle()
            && books.trash.is_empty()
            && !self.daemons.is_backup();
        (!idle).then_some(clock::TICK_JIFFIES)
    }
}

impl<F: Stack> Plane<F> {
    /// Ends connections whose slot comes in this tick and whose time is up (C-16).
    fn expire(&self, director: &Director, tick: u32) {
        let Some(connections) = self.connections.as_ref() else {
            return;
        };
        let home = director.home();
        let (near, far) = wheel::due(tick);
        for slot in far.into_iter().chain([near]) {
            let fate = |connection: &Connection<F>| fate(director, connection);
            connections
                .table
                .expire(slot.index() as u16, fate, |rcu, connection| {
                    tracking::forget(home.and_then(|home| home.get(rcu)), connection);
                });
        }
    }

    /// Has the schedulers of all services forget what was not asked for in a while.
    fn forget(&self) {
        // Without memory they do so the next time.
        let done = self.each_paged((0, 0), |_, service| {
            service.forget();
            true
        });
        done.ok();
    }

    /// Gives the table the size that its connections ask for (C-28, C-29).
    fn fit(&self, lfactor: i32) {
        let Some(connections) = self.connections.as_ref() else {
            return;
        };
        // Before the count is read: who comes later wakes the ticker again.
        connections.grows.store(0);
        let len = connections.table.exact_len();
        let bits = connections.table.size().trailing_zeros();
        let changed = connections.lfactor.load() != lfactor;
        if !changed && len <= connections.upper.load() && len > connections.lower.load() {
            return;
        }
        let most = connections.most_bits;
        let wanted = sizing::wanted_bits(len, lfactor, bits, MIN_BITS, most, changed);
        // Without memory the table stays as it is, and the next tick tries again.
        if wanted != bits && connections.table.resize(wanted).is_err() {
            return;
        }
        let (lower, upper) = sizing::thresholds(wanted, lfactor, MIN_BITS, most);
        connections.lower.store(lower);
        connections.upper.store(upper);
        connections.lfactor.store(lfactor);
    }

    /// How many connections there are.
    pub(super) fn connection_count(&self) -> usize {
        self.connections.as_ref().map_or(0, |c| c.table.exact_len())
    }

    /// Ends all connections.
    fn end(&self) {
        if let Some(connections) = self.connections.as_ref() {
            connections.table.clear();
        }
    }

    /// Ends connections whose destination is gone, and what controls them where that has no other (S-23).
    pub(super) fn expire_gone(&self, home: Option<&Home>) {
        let Some(connections) = self.connections.as_ref() else {
            return;
        };
        let table = &connections.table;
        table.visit_all(|rcu, connection| {
            if connection.destination.is_available() {
                return;
            }
            let net = home.and_then(|home| home.get(rcu));
            let mut next = Some(connection);
            while let Some(connection) = next {
                let control = connection.control(rcu);
                let gone = tracking::remove(net, connections, rcu, connection);
                next = control.filter(|control| gone && !control.controls());
            }
        });
    }

    /// Whether nothing needs the ticker.
    fn is_idle(&self) -> bool {
        self.count() == 0 && self.connection_count() == 0
    }
}

/// What becomes of a connection whose slot came. One that controls others stays a while (C-16).
fn fate<F: Stack>(director: &Director, connection: &Connection<F>) -> Fate {
    if connection.left() <= 0 {
        if !connection.controls() {
            return Fate::Remove;
        }
        connection.stay();
        if director.timeouts.is_sync_active() {
            rcu::read(|rcu| director.tell_stay(rcu, connection));
        }
    }
    Fate::Keep
}

impl Director {
    /// Whether there may be one more entry (C-23, S-13).
    #[inline(always)]
    pub(super) fn has_room(&self) -> bool {
        let limit = usize::try_from(self.settings.conn_max.load()).unwrap_or(0);
        let (about, slack) = self.about_connections();
        about.saturating_add(slack) < limit || self.has_exact_room(limit)
    }

    /// As [`Self::has_room`], where the limit is near: asks for the exact number.
    ///
    /// Between the answer and the insertion others may ask too, so that the limit may be exceeded by
    /// one less than first packets are handled at the same time: about one for each CPU.
    #[cold]
    #[inline(never)]
    fn has_exact_room(&self, limit: usize) -> bool {
        let (about, slack) = self.about_connections();
        about.saturating_sub(slack) < limit && self.connection_count() < limit
    }

    /// About how many connections there are, of both families, and by how many that may be wrong.
    #[inline(always)]
    fn about_connections(&self) -> (usize, usize) {
        let v4 = self
            .v4
            .connections
            .as_ref()
            .map_or((0, 0), |c| c.table.about());
        let v6 = self
            .v6
            .connections
            .as_ref()
            .map_or((0, 0), |c| c.table.about());
        (v4.0.saturating_add(v6.0), v4.1.saturating_add(v6.1))
    }

    /// Wakes the ticker where a table has become too small (C-28).
    ///
    /// Once is enough: waking is dearer than all the rest.
    #[inline(always)]
    pub(super) fn grow<F: Stack>(&self, connections: &Connections<F>) {
        let (about, _) = connections.table.about();
        if about > connections.upper.load() && connections.grows.load() == 0 {
            connections.grows.store(1);
            self.wake();
        }
    }

    /// How many connections there are, of both families.
    pub(super) fn connection_count(&self) -> usize {
        self.v4
            .connection_count()
            .saturating_add(self.v6.connection_count())
    }

    /// Ends everything, when no packet comes in any more.
    pub(super) fn end_connections(&self) {
        self.v4.end();
        self.v6.end();
    }
}
