// SPDX-License-Identifier: GPL-2.0

//! Dumps, the part of [`NetnsIpvs`] that lists services, destinations and connections for netlink
//! and /proc (behaviour.rst 11.1, 12.1).
//!
//! A dump is done in parts, and only a position is kept in between. Services are in the order of
//! their hashes, and destinations in the order of their addition. So a service or destination that
//! exists during the whole dump is shown exactly once, despite concurrent changes. The exception is
//! a service of which so many destinations are removed meanwhile that the rest get new slots.

use crate::{
    director::{
        conn::InetFamily,
        dest::Destination,
        netns::NetnsIpvs,
        service::{
            for_af,
            pos_after,
            AfState,
            Service,
            ServicePos, //
        },
    },
    kapi::{
        rcu,
        shared::RcuArc,
        time, //
    },
    logic::{
        config::{
            AddressFamily,
            ConfigError,
            ConnectionView,
            DestinationView,
            ServiceId,
            ServiceView, //
        },
        status::{
            ChainLengths,
            Fill, //
        },
    },
};
use core::fmt;
use kernel::prelude::*;

/// Buckets between two calls of `cond_resched()`.
const PAGE: usize = 64;

/// Position in a list of services. All zeroes is the beginning.
#[derive(Clone, Copy, Zeroable)]
pub(crate) struct Bookmark {
    /// 1 after all services of IPv4.
    v6: u32,
    hash: u32,
    nth: u32,
}

impl Bookmark {
    /// Beginning of the list.
    pub(crate) const START: Self = Self {
        v6: 0,
        hash: 0,
        nth: 0,
    };

    /// Converts the position to two words.
    pub(crate) fn to_words(self) -> (usize, usize) {
        let second = (self.nth << 1) | self.v6;
        (self.hash as usize, second as usize)
    }

    /// Converts two words from [`to_words`](Self::to_words), or zeroes, to a position.
    pub(crate) fn of_words((hash, second): (usize, usize)) -> Self {
        let second = second as u32;
        Self {
            v6: second & 1,
            hash: hash as u32,
            nth: second >> 1,
        }
    }

    pub(super) fn at(v6: u32, (hash, nth): ServicePos) -> Self {
        Self { v6, hash, nth }
    }

    pub(super) fn place(self) -> ServicePos {
        (self.hash, self.nth)
    }

    /// Returns whether it is after all services of IPv4.
    pub(super) fn is_v6(self) -> bool {
        self.v6 != 0
    }
}

/// Position in a list of a service's destinations. All zeroes is the beginning, before the newest
/// one.
#[derive(Clone, Copy, Zeroable)]
pub(crate) struct Shown(u32);

impl Shown {
    /// Beginning of the list.
    pub(crate) const NONE: Self = Self(0);

    /// Returns the position after the destination in a slot.
    pub(super) fn from(slot: u32) -> Self {
        Self(u32::MAX.wrapping_sub(slot))
    }

    /// Returns the slot below which the list continues.
    pub(super) fn below(self) -> u32 {
        u32::MAX.wrapping_sub(self.0)
    }

    /// Converts the position to a word.
    pub(crate) fn to_word(self) -> usize {
        self.0 as usize
    }

    /// Converts a word from [`to_word`](Self::to_word), or 0, to a position.
    pub(crate) fn of_word(word: usize) -> Self {
        Self(word as u32)
    }
}

/// Position in the list of all services and their destinations. All zeroes is the beginning.
#[derive(Clone, Copy, Zeroable)]
pub(crate) struct ListCursor {
    pub(super) service: Bookmark,
    /// Serial number of the service whose line has been shown, or 0. A service with another serial
    /// number at this position is a new one.
    pub(super) inside: u64,
    pub(super) shown: Shown,
}

impl ListCursor {
    /// Converts the position to four words.
    pub(crate) fn to_words(self) -> [usize; 4] {
        let (first, second) = self.service.to_words();
        [first, second, self.inside as usize, self.shown.to_word()]
    }

    /// Converts four words from [`to_words`](Self::to_words), or zeroes, to a position.
    pub(crate) fn of_words([first, second, inside, shown]: [usize; 4]) -> Self {
        Self {
            service: Bookmark::of_words((first, second)),
            inside: inside as u64,
            shown: Shown::of_word(shown),
        }
    }
}

/// Line of that list, without statistics.
pub(crate) enum Line<'a> {
    /// Service; its destinations follow.
    Service(&'a ServiceView),
    /// Destination.
    Destination(&'a DestinationView),
}

/// Next bucket of connections to show. All zeroes is the first one.
///
/// Each family has bucket numbers of its own, as a resize may change the number of IPv4 buckets
/// during a dump.
#[derive(Clone, Copy, Zeroable)]
pub(crate) struct BucketCursor {
    /// 1 after all buckets of IPv4.
    v6: u32,
    bucket: usize,
}

impl BucketCursor {
    /// First bucket.
    pub(crate) const START: Self = Self { v6: 0, bucket: 0 };
}

impl<F: InetFamily> AfState<F> {
    /// Looks up a service; returns it with a reference.
    pub(crate) fn get(&self, id: &ServiceId) -> Result<RcuArc<Service<F>>, ConfigError> {
        rcu::read(|rcu| self.by_id(rcu, id)?.try_get()).ok_or(ConfigError::NO_SERVICE)
    }

    /// Shows the line of a service, if it has not been shown yet, and a page of its destinations.
    /// Returns `None` after the last service of the family.
    fn list(
        &self,
        v6: u32,
        cursor: &mut ListCursor,
        visit: &mut dyn FnMut(Line<'_>) -> fmt::Result,
    ) -> Option<fmt::Result> {
        let (place, service) = self.next_service(cursor.service.place())?;
        if cursor.inside != service.serial {
            if let error @ Err(_) = visit(Line::Service(&service.outline())) {
                return Some(error);
            }
            *cursor = ListCursor {
                service: Bookmark::at(v6, place),
                inside: service.serial,
                shown: Shown::NONE,
            };
        }
        let page = service.page(cursor.shown.below());
        let is_last = !page.is_full();
        for (slot, destination) in page {
            if let error @ Err(_) = visit(Line::Destination(&destination.outline())) {
                return Some(error);
            }
            cursor.shown = Shown::from(slot);
        }
        if is_last {
            cursor.service = Bookmark::at(v6, pos_after(place));
            cursor.inside = 0;
        }
        Some(Ok(()))
    }

    /// Calls `visit` for each connection in a bucket. Returns `false` after the last bucket.
    fn visit_bucket(&self, bucket: usize, visit: &mut dyn FnMut(&ConnectionView<'_>)) -> bool {
        rcu::read(|rcu| match self.connections.as_ref() {
            Some(connections) => connections.visit(rcu, bucket, |c| visit(&c.view())),
            None => false,
        })
    }

    /// Counts the services in each of up to a million buckets. Process context; calls
    /// `cond_resched()`.
    fn count_lengths(&self, buckets: &mut ChainLengths) {
        let mut from = 0;
        loop {
            let before = from;
            rcu::read(|rcu| {
                for length in self.lengths(rcu, from).take(PAGE) {
                    buckets.count(length);
                    from = from.saturating_add(1);
                }
            });
            if from == before {
                return;
            }
            time::give_way();
        }
    }

    /// Shows services; returns the position of the one for which `visit` returned `false`.
    fn show(
        &self,
        from: ServicePos,
        visit: &mut dyn FnMut(&ServiceView) -> bool,
    ) -> Result<Option<ServicePos>> {
        self.each_paged(from, |_, service| visit(&service.view()))
    }
}

impl NetnsIpvs {
    /// Returns whether a service exists.
    pub(crate) fn service_exists(&self, id: &ServiceId) -> bool {
        rcu::read(|rcu| for_af!(self, id.family, af => af.by_id(rcu, id).is_some()))
    }

    /// Returns a service in the form in which it is dumped.
    pub(crate) fn service(&self, id: &ServiceId) -> Result<ServiceView, ConfigError> {
        for_af!(self, id.family, af => Ok(af.get(id)?.view()))
    }

    /// Calls `visit` for each service from a position on, until it returns `false`. Returns that
    /// position, or `None` at the end (G-15).
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn services(
        &self,
        from: Bookmark,
        visit: &mut dyn FnMut(&ServiceView) -> bool,
    ) -> Result<Option<Bookmark>> {
        let mut from_v6 = from.place();
        if from.v6 == 0 {
            if let Some(place) = self.v4.show(from.place(), visit)? {
                return Ok(Some(Bookmark::at(0, place)));
            }
            from_v6 = (0, 0);
        }
        let stopped = self.v6.show(from_v6, visit)?;
        Ok(stopped.map(|place| Bookmark::at(1, place)))
    }

    /// Calls `visit` for each destination of a service from a position on, until it returns
    /// `false`. Returns that position, or `None` at the end or if the service does not exist.
    pub(crate) fn destinations(
        &self,
        id: &ServiceId,
        from: Shown,
        visit: &mut dyn FnMut(&DestinationView) -> bool,
    ) -> Option<Shown> {
        for_af!(self, id.family, af => {
            let visit = |destination: &Destination| visit(&destination.view());
            let stopped = af.get(id).ok()?.each_paged(from.below(), visit);
            stopped.map(|slot| Shown::from(slot.saturating_add(1)))
        })
    }

    /// Calls `visit` for the next lines of the list of all services and their destinations, and
    /// advances the cursor. Returns `false` at the end. Holds no lock between calls.
    ///
    /// # Errors
    ///
    /// That of `visit`; the cursor must not be used after it.
    pub(crate) fn list(
        &self,
        cursor: &mut ListCursor,
        visit: &mut dyn FnMut(Line<'_>) -> fmt::Result,
    ) -> Result<bool, fmt::Error> {
        if cursor.service.v6 == 0 {
            if let Some(shown) = self.v4.list(0, cursor, visit) {
                return shown.map(|()| true);
            }
            cursor.service = Bookmark::at(1, (0, 0));
            cursor.inside = 0;
        }
        let shown = self.v6.list(1, cursor, visit);
        shown.map_or(Ok(false), |shown| shown.map(|()| true))
    }

    /// Returns the number of entries and buckets of the tables (K-9). Reads every bucket.
    pub(crate) fn fill(&self) -> Fill {
        let mut fill = Fill {
            connections: self.connection_count(),
            services: self.v4.count().saturating_add(self.v6.count()),
            connection_buckets: ChainLengths::new(self.settings.conn_lfactor.load()),
            service_buckets: ChainLengths::new(self.settings.svc_lfactor.load()),
        };
        let mut cursor = BucketCursor::START;
        loop {
            let mut length = 0usize;
            if !self.connections_in_bucket(&mut cursor, &mut |_| length = length.saturating_add(1))
            {
                break;
            }
            fill.connection_buckets.count(length);
            if cursor.bucket % PAGE == 0 {
                time::give_way();
            }
        }
        self.v4.count_lengths(&mut fill.service_buckets);
        self.v6.count_lengths(&mut fill.service_buckets);
        fill
    }

    /// Returns the number of services of a family.
    pub(crate) fn count_of(&self, family: AddressFamily) -> u32 {
        let count = for_af!(self, family, af => af.count());
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Returns the number of buckets of the connection tables (G-13).
    pub(crate) fn table_size(&self) -> u32 {
        fn size<F: InetFamily>(af: &AfState<F>) -> usize {
            af.connections.as_ref().map_or(0, |c| c.size())
        }
        let size = size(&self.v4).saturating_add(size(&self.v6));
        u32::try_from(size).unwrap_or(u32::MAX)
    }

    /// Calls `visit` for each connection in a bucket, and advances the cursor. Returns `false`
    /// after the last bucket.
    pub(crate) fn connections_in_bucket(
        &self,
        cursor: &mut BucketCursor,
        visit: &mut dyn FnMut(&ConnectionView<'_>),
    ) -> bool {
        if cursor.v6 == 0 {
            if self.v4.visit_bucket(cursor.bucket, visit) {
                cursor.bucket = cursor.bucket.saturating_add(1);
                return true;
            }
            *cursor = BucketCursor { v6: 1, bucket: 0 };
        }
        let is_there = self.v6.visit_bucket(cursor.bucket, visit);
        cursor.bucket = cursor.bucket.saturating_add(1);
        is_there
    }
}
