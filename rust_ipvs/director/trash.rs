// SPDX-License-Identifier: GPL-2.0

//! Deleted destinations, which may come back with their connections and statistics (V-11 to V-13).
//!
//! They are kept by what they are, so that finding one costs little however many have been deleted.

use super::destination::Destination;
use crate::{
    kapi::{
        shared::RcuArc,
        time, //
    },
    logic::config::{
        DestinationId,
        ServiceId, //
    },
};
use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
};

/// How often the trash is looked through, and how long what is in it stays idle there (V-12).
const PERIOD_MS: u64 = 60_000;
const IDLE_MS: u64 = 120_000;

/// The destination comes first: those of different services mostly differ in it already.
type Key = (DestinationId, ServiceId);

/// A deleted destination.
struct Trashed {
    destination: RcuArc<Destination>,
    /// Since when nothing but the trash refers to it, in milliseconds.
    idle_since: Option<u64>,
}

/// Room for one destination.
pub(super) struct Room(RBTreeNodeReservation<Key, Trashed>);

impl Room {
    /// Allocates it.
    pub(super) fn new() -> Result<Self> {
        Ok(Self(RBTreeNodeReservation::new(GFP_KERNEL)?))
    }
}

/// The deleted destinations of a namespace.
pub(super) struct Trash {
    destinations: RBTree<Key, Trashed>,
    /// When it was last looked through, in milliseconds.
    seen: u64,
}

impl Trash {
    /// Nothing was deleted.
    pub(super) fn new() -> Self {
        Self {
            destinations: RBTree::new(),
            seen: 0,
        }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.destinations.is_empty()
    }

    /// Keeps a deleted destination for a while.
    pub(super) fn keep(&mut self, room: Room, destination: RcuArc<Destination>) {
        let key = (destination.id, destination.service);
        let trashed = Trashed {
            destination,
            idle_since: None,
        };
        self.destinations.insert(room.0.into_node(key, trashed));
    }

    /// Takes a destination back out (V-13).
    pub(super) fn revive(
        &mut self,
        service: &ServiceId,
        id: &DestinationId,
    ) -> Option<RcuArc<Destination>> {
        let trashed = self.destinations.remove(&(*id, *service))?;
        Some(trashed.destination)
    }

    /// Lets go of what nothing has referred to for long enough.
    pub(super) fn empty(&mut self) {
        let now = time::milliseconds();
        if self.is_empty() || now.saturating_sub(self.seen) < PERIOD_MS {
            return;
        }
        self.seen = now;
        let mut next = self.destinations.cursor_front_mut();
        while let Some(mut cursor) = next {
            next = if cursor.current_mut().1.stays(now) {
                cursor.move_next()
            } else {
                cursor.remove_current().0
            };
        }
    }

    /// Lets go of everything.
    pub(super) fn clear(&mut self) {
        self.destinations = RBTree::new();
    }
}

impl Trashed {
    /// Whether it is kept, the more so when something refers to it.
    fn stays(&mut self, now: u64) -> bool {
        if !self.destination.is_unique() {
            self.idle_since = None;
            return true;
        }
        let since = *self.idle_since.get_or_insert(now);
        now.saturating_sub(since) < IDLE_MS
    }
}
