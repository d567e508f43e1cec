// SPDX-License-Identifier: GPL-2.0

//! Deleted destinations, which may come back with their connections and statistics (V-11 to V-13).
//!
//! They are kept by what they are, so that finding one costs little however many have been deleted.
//!
//! They have a mutex of their own, which is held for a short time: so the work that lets go of them
//! waits for nobody who configures, and makes nobody wait.

use super::Destination;
use crate::{
    kapi::shared::RcuArc,
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

/// Time for which an idle destination stays in the trash (V-12), in milliseconds.
const IDLE_MS: u64 = 120_000;

/// The destination comes first: those of different services mostly differ in it already.
pub(crate) type Key = (DestinationId, ServiceId);

/// A deleted destination.
struct Trashed {
    destination: RcuArc<Destination>,
    /// Since when nothing but the trash refers to it, in milliseconds.
    idle_since: Option<u64>,
}

/// Room for one destination.
pub(crate) struct Room(RBTreeNodeReservation<Key, Trashed>);

impl Room {
    /// Allocates it.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(RBTreeNodeReservation::new(GFP_KERNEL)?))
    }
}

/// The deleted destinations of a namespace.
pub(crate) struct Trash {
    destinations: RBTree<Key, Trashed>,
}

impl Trash {
    /// Nothing was deleted.
    pub(crate) fn new() -> Self {
        Self {
            destinations: RBTree::new(),
        }
    }

    /// Returns whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.destinations.is_empty()
    }

    /// Keeps a deleted destination for a while.
    pub(crate) fn keep(&mut self, room: Room, destination: RcuArc<Destination>) {
        let key = (destination.id, destination.service);
        let trashed = Trashed {
            destination,
            idle_since: None,
        };
        self.destinations.insert(room.0.into_node(key, trashed));
    }

    /// Takes a destination back out (V-13), and with it the room for putting it in again.
    pub(crate) fn revive(
        &mut self,
        service: &ServiceId,
        id: &DestinationId,
    ) -> Option<(Room, RcuArc<Destination>)> {
        let key = (*id, *service);
        let destination = self.destinations.get(&key)?.destination.clone();
        let node = self.destinations.remove_node(&key)?;
        Some((Room(node.into_reservation()), destination))
    }

    /// Lets go of what nothing has referred to for long enough.
    ///
    /// Looks at `most` destinations from a key on, or from the first one; returns the key of the
    /// next one, if there are more. `now` is in milliseconds.
    pub(crate) fn empty(&mut self, from: Option<&Key>, most: u32, now: u64) -> Option<Key> {
        let mut next = match from {
            Some(key) => self.destinations.cursor_lower_bound_mut(key),
            None => self.destinations.cursor_front_mut(),
        };
        for _ in 0..most {
            let mut cursor = next?;
            next = if cursor.current_mut().1.stays(now) {
                cursor.move_next()
            } else {
                cursor.remove_current().0
            };
        }
        next.map(|cursor| *cursor.current().0)
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        self.destinations = RBTree::new();
    }
}

impl Trashed {
    /// Returns whether it is kept, the more so when something refers to it.
    fn stays(&mut self, now: u64) -> bool {
        if !self.destination.is_unique() {
            self.idle_since = None;
            return true;
        }
        let since = *self.idle_since.get_or_insert(now);
        now.saturating_sub(since) < IDLE_MS
    }
}
