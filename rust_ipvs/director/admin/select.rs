// SPDX-License-Identifier: GPL-2.0

//! Connections by filter, the part of [`NetnsIpvs`] that shows, counts and deletes them for the
//! netlink family `RIPVS`.
//!
//! All three walk over the tables a few buckets at a time. They hold no lock meanwhile, and a
//! read-side section no longer than that. Nothing but a position is kept in between.
//!
//! # Deletion
//!
//! A connection that is meant goes with those that it controls: a template with its connections,
//! and FTP's control connection with its data connections. The entries do not know which others
//! they control, so a connection is meant, too, if one is that controls it. What controls others is
//! hidden from packets until the last of these is gone, and goes with it. So nothing begins that it
//! controls, except by a packet that has found it before.

use crate::{
    director::{
        conn::{
            conntrack,
            ConnTable,
            Connection,
            InetFamily, //
        },
        netns::NetnsIpvs,
        service::AfState, //
    },
    kapi::{
        net::Net,
        rcu::{
            self,
            Rcu, //
        },
        table::{
            PageCursor, //
            PageResult,
        },
        time,
    },
    logic::{
        config::AddressFamily,
        ripvs::{
            Filter,
            SelectedConnection, //
        },
    },
};

/// Position in a list of connections. All zeroes is the beginning.
#[derive(Clone, Copy)]
pub(crate) struct ConnCursor {
    /// True after all connections of IPv4.
    is_v6: bool,
    page: PageCursor,
}

impl ConnCursor {
    /// Converts the position to four words.
    pub(crate) fn to_words(self) -> [usize; 4] {
        let [restarts, key, order, object] = self.page.to_words();
        [
            (restarts << 1) | usize::from(self.is_v6),
            key,
            order,
            object,
        ]
    }

    /// Converts four words from [`to_words`](Self::to_words), or zeroes, to a position.
    pub(crate) fn of_words([first, key, order, object]: [usize; 4]) -> Self {
        Self {
            is_v6: first & 1 != 0,
            page: PageCursor::of_words([first >> 1, key, order, object]),
        }
    }

    /// Returns a number that is another one after connections may have been shown twice, as the
    /// table got another hash key.
    pub(crate) fn generation(&self) -> u64 {
        u64::from(self.page.restarts()).saturating_add(1)
    }
}

/// Result of a deletion of connections.
#[derive(Clone, Copy, Default)]
pub(crate) struct Deletion {
    /// Number of connections that were deleted.
    pub(crate) deleted: u32,
    /// Number of connections that were hidden but stay, as they control others that began
    /// meanwhile.
    pub(crate) held: u32,
}

/// Maximum number of walks of a deletion. The first leaves only connections that control one which
/// began behind its position.
const WALKS: u32 = 3;

impl<F: InetFamily> AfState<F> {
    /// Calls `visit` for each connection that a filter means, from a position on, until it returns
    /// `false`. Returns `true` at the end. Process context; calls `cond_resched()`.
    fn select(
        &self,
        cursor: &mut PageCursor,
        filter: &Filter,
        visit: &mut dyn FnMut(&SelectedConnection<'_>) -> bool,
    ) -> bool {
        self.pages(
            cursor,
            |_, connection| filter.matches(connection),
            |_, connection| visit(&connection.selected()),
        )
    }

    /// Calls `visit` for each connection for which `wants` returns `true`, from a position on,
    /// until it returns `false`. Returns `true` at the end. Process context; calls
    /// `cond_resched()`.
    fn pages(
        &self,
        cursor: &mut PageCursor,
        wants: impl Fn(Rcu<'_>, &Connection<F>) -> bool,
        mut visit: impl FnMut(Rcu<'_>, &Connection<F>) -> bool,
    ) -> bool {
        let Some(connections) = self.connections.as_ref() else {
            return true;
        };
        loop {
            let page = rcu::read(|rcu| {
                connections.page(rcu, cursor, |c| wants(rcu, c), |c| visit(rcu, c))
            });
            match page {
                PageResult::End => return true,
                PageResult::Full => return false,
                PageResult::More => time::give_way(),
            }
        }
    }

    fn count_selected(&self, filter: &Filter) -> u32 {
        let mut count = 0u32;
        let count_one = |_: Rcu<'_>, _: &Connection<F>| {
            count = count.saturating_add(1);
            true
        };
        let wants = |_: Rcu<'_>, connection: &Connection<F>| filter.matches(connection);
        let mut cursor = PageCursor::START;
        self.pages(&mut cursor, wants, count_one);
        count
    }

    fn delete_selected(&self, net: &Net, filter: &Filter) -> Deletion {
        let mut done = Deletion::default();
        let Some(connections) = self.connections.as_ref() else {
            return done;
        };
        for walk in 0..WALKS {
            done.held = 0;
            // Later walks are about what the first one hid, and leave new connections alone.
            let is_meant = |rcu: Rcu<'_>, connection: &Connection<F>| {
                is_meant(rcu, connection, filter, walk != 0)
            };
            let mut cursor = PageCursor::START;
            self.pages(&mut cursor, is_meant, |rcu, connection| {
                delete(net, connections, rcu, connection, &is_meant, &mut done);
                true
            });
            if done.held == 0 {
                break;
            }
        }
        done
    }
}

/// Returns whether a filter means a connection or one that controls it, which `is_hidden` requires
/// to be hidden.
fn is_meant<F: InetFamily>(
    rcu: Rcu<'_>,
    connection: &Connection<F>,
    filter: &Filter,
    is_hidden: bool,
) -> bool {
    let mut next = Some(connection);
    while let Some(connection) = next {
        if filter.matches(connection) && (!is_hidden || connection.is_unhashed()) {
            return true;
        }
        next = connection.control(rcu);
    }
    false
}

/// Deletes a connection, or hides it if it controls others. Then deletes what controlled it if that
/// is meant and controls no other.
fn delete<F: InetFamily>(
    net: &Net,
    connections: &ConnTable<F>,
    rcu: Rcu<'_>,
    connection: &Connection<F>,
    is_meant: &impl Fn(Rcu<'_>, &Connection<F>) -> bool,
    done: &mut Deletion,
) {
    let mut next = Some(connection);
    while let Some(connection) = next {
        // Before the removal, which ends the reference.
        let control = connection.control(rcu);
        let is_gone = conntrack::remove(Some(net), connections, rcu, connection);
        if is_gone {
            done.deleted = done.deleted.saturating_add(1);
        } else if connection.controls() {
            conntrack::hide(net, connection);
            done.held = done.held.saturating_add(1);
        }
        next = control.filter(|c| is_gone && !c.controls() && is_meant(rcu, c));
    }
}

impl NetnsIpvs {
    /// Calls `visit` for each connection that a filter means, from a position on, until it returns
    /// `false`; moves the position. Returns `true` at the end. Process context; calls
    /// `cond_resched()`.
    ///
    /// `visit` is called in a read-side section and must not sleep. A connection that is there from
    /// the first call to the last is visited exactly once, except if the number that
    /// [`ConnCursor::generation`] returns has changed.
    pub(crate) fn select(
        &self,
        cursor: &mut ConnCursor,
        filter: &Filter,
        visit: &mut dyn FnMut(&SelectedConnection<'_>) -> bool,
    ) -> bool {
        if !cursor.is_v6 {
            let has_family = filter.has_family(AddressFamily::V4);
            if has_family && !self.v4.select(&mut cursor.page, filter, visit) {
                return false;
            }
            *cursor = ConnCursor {
                is_v6: true,
                page: cursor.page.of_next_table(),
            };
        }
        let has_family = filter.has_family(AddressFamily::V6);
        !has_family || self.v6.select(&mut cursor.page, filter, visit)
    }

    /// Returns the number of connections that a filter means. Process context; calls
    /// `cond_resched()`.
    pub(crate) fn count_selected(&self, filter: &Filter) -> u32 {
        let (mut v4, mut v6) = (0, 0);
        if filter.has_family(AddressFamily::V4) {
            v4 = self.v4.count_selected(filter);
        }
        if filter.has_family(AddressFamily::V6) {
            v6 = self.v6.count_selected(filter);
        }
        v4.saturating_add(v6)
    }

    /// Deletes the connections that a filter means, those that they control, and their conntrack
    /// entries. Process context; calls `cond_resched()`.
    pub(crate) fn delete_selected(&self, net: &Net, filter: &Filter) -> Deletion {
        let (mut v4, mut v6) = (Deletion::default(), Deletion::default());
        if filter.has_family(AddressFamily::V4) {
            v4 = self.v4.delete_selected(net, filter);
        }
        if filter.has_family(AddressFamily::V6) {
            v6 = self.v6.delete_selected(net, filter);
        }
        Deletion {
            deleted: v4.deleted.saturating_add(v6.deleted),
            held: v4.held.saturating_add(v6.held),
        }
    }
}
