// SPDX-License-Identifier: GPL-2.0

//! The dump of all services with their destinations, the part of [`NetnsIpvs`] for the netlink
//! family `RIPVS`.
//!
//! As other dumps it keeps only a position between two calls. The generation tells if it is
//! consistent.

use super::dump::{
    Bookmark,
    ListCursor,
    Shown, //
};
use crate::{
    director::{
        conn::InetFamily,
        dest::Destination,
        netns::NetnsIpvs,
        service::{
            pos_after,
            AfState,
            Service,
            ServicePos, //
        },
    },
    kapi::shared::RcuArc,
    logic::{
        config::{
            DestinationView,
            ServiceView, //
        },
        family::{
            V4,
            V6, //
        },
    },
};

/// A service of either family.
enum AnyService {
    V4(RcuArc<Service<V4>>),
    V6(RcuArc<Service<V6>>),
}

/// A service of the dump, with those of its destinations that were not shown yet.
pub(crate) struct DumpedService {
    service: AnyService,
    place: ServicePos,
    serial: u64,
    view: ServiceView,
    shown: Option<Shown>,
}

impl DumpedService {
    /// Returns the service; without statistics if they are not wanted, or if it is continued.
    pub(crate) fn view(&self) -> &ServiceView {
        &self.view
    }

    /// Returns whether some of its destinations have been shown.
    pub(crate) fn is_continued(&self) -> bool {
        self.shown.is_some()
    }

    /// Calls `visit` for each destination that was not shown yet, until it returns `false`. Returns
    /// the position from which the dump goes on.
    pub(crate) fn destinations(
        &self,
        has_statistics: bool,
        visit: &mut dyn FnMut(&DestinationView) -> bool,
    ) -> ListCursor {
        let below = self.shown.unwrap_or(Shown::NONE).below();
        let work = |destination: &Destination| match has_statistics {
            true => visit(&destination.view()),
            false => visit(&destination.outline()),
        };
        let (v6, stopped) = match &self.service {
            AnyService::V4(service) => (0, service.each_paged(below, work)),
            AnyService::V6(service) => (1, service.each_paged(below, work)),
        };
        match stopped {
            Some(slot) => ListCursor {
                service: Bookmark::at(v6, self.place),
                inside: self.serial,
                shown: Shown::from(slot.saturating_add(1)),
            },
            None => ListCursor {
                service: Bookmark::at(v6, pos_after(self.place)),
                inside: 0,
                shown: Shown::NONE,
            },
        }
    }
}

/// Returns the next service of a family.
fn next_of<F: InetFamily>(
    af: &AfState<F>,
    cursor: &ListCursor,
    has_statistics: bool,
    any: fn(RcuArc<Service<F>>) -> AnyService,
) -> Option<DumpedService> {
    let (place, service) = af.next_service(cursor.service.place())?;
    let shown = (cursor.inside == service.serial).then_some(cursor.shown);
    let view = match has_statistics && shown.is_none() {
        true => service.view(),
        false => service.outline(),
    };
    Some(DumpedService {
        place,
        serial: service.serial,
        view,
        shown,
        service: any(service),
    })
}

impl NetnsIpvs {
    /// Returns the number of changes of the configuration.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load()
    }

    /// Returns the service at or after a position of the dump; `None` at the end. Process context.
    pub(crate) fn next_service(
        &self,
        cursor: &ListCursor,
        has_statistics: bool,
    ) -> Option<DumpedService> {
        if !cursor.service.is_v6() {
            let next = next_of(&self.v4, cursor, has_statistics, AnyService::V4);
            if next.is_some() {
                return next;
            }
            let cursor = ListCursor {
                service: Bookmark::at(1, (0, 0)),
                inside: 0,
                shown: Shown::NONE,
            };
            return next_of(&self.v6, &cursor, has_statistics, AnyService::V6);
        }
        next_of(&self.v6, cursor, has_statistics, AnyService::V6)
    }
}
