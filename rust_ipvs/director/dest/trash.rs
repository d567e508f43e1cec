// SPDX-License-Identifier: GPL-2.0

//! [`Trash`]: deleted destinations, which may be revived with their connections and statistics
//! (V-11 to V-13).
//!
//! A tree by identity, so that a look-up stays cheap with many deleted destinations.
//!
//! The trash has a mutex of its own, held for short times: the work that empties it does not
//! contend for the configuration mutex.

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

/// Key of a deleted destination. Its identity comes first, as it mostly differs already.
pub(crate) type Key = (DestinationId, ServiceId);

/// Deleted destination.
struct Trashed {
    destination: RcuArc<Destination>,
    /// Time since which only the trash has a reference, in milliseconds.
    idle_since: Option<u64>,
}

/// Preallocated node for one destination.
pub(crate) struct TrashNode(RBTreeNodeReservation<Key, Trashed>);

impl TrashNode {
    /// Allocates a node.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(RBTreeNodeReservation::new(GFP_KERNEL)?))
    }
}

/// Deleted destinations of a namespace.
pub(crate) struct Trash {
    destinations: RBTree<Key, Trashed>,
}

impl Trash {
    /// Creates an empty trash.
    pub(crate) fn new() -> Self {
        Self {
            destinations: RBTree::new(),
        }
    }

    /// Returns whether the trash is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.destinations.is_empty()
    }

    /// Inserts a deleted destination.
    pub(crate) fn insert(&mut self, node: TrashNode, destination: RcuArc<Destination>) {
        let key = (destination.id, destination.service);
        let trashed = Trashed {
            destination,
            idle_since: None,
        };
        self.destinations.insert(node.0.into_node(key, trashed));
    }

    /// Takes a destination out (V-13). Also returns its node, for putting it back.
    pub(crate) fn revive(
        &mut self,
        service: &ServiceId,
        id: &DestinationId,
    ) -> Option<(TrashNode, RcuArc<Destination>)> {
        let key = (*id, *service);
        let destination = self.destinations.get(&key)?.destination.clone();
        let node = self.destinations.remove_node(&key)?;
        Some((TrashNode(node.into_reservation()), destination))
    }

    /// Drops destinations that had no other reference for long enough (V-12).
    ///
    /// Checks `most` destinations from a key on, or from the first one. Returns the key of the next
    /// one, if there are more. `now` is in milliseconds.
    pub(crate) fn empty(&mut self, from: Option<&Key>, most: u32, now: u64) -> Option<Key> {
        let mut next = match from {
            Some(key) => self.destinations.cursor_lower_bound_mut(key),
            None => self.destinations.cursor_front_mut(),
        };
        for _ in 0..most {
            let mut cursor = next?;
            next = if cursor.current_mut().1.is_retained(now) {
                cursor.move_next()
            } else {
                cursor.remove_current().0
            };
        }
        next.map(|cursor| *cursor.current().0)
    }

    /// Drops all destinations.
    pub(crate) fn clear(&mut self) {
        self.destinations = RBTree::new();
    }
}

impl Trashed {
    /// Returns whether the destination stays in the trash, and updates `idle_since`.
    fn is_retained(&mut self, now: u64) -> bool {
        if !self.destination.is_unique() {
            self.idle_since = None;
            return true;
        }
        let since = *self.idle_since.get_or_insert(now);
        now.saturating_sub(since) < IDLE_MS
    }
}
