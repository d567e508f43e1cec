// SPDX-License-Identifier: GPL-2.0

//! Works that tidy up, with the part of [`NetnsIpvs`] that queues them: trash, scheduler tables,
//! IPv6 fragments.

use super::NetnsIpvs;
use crate::{
    director::{
        conn::InetFamily,
        dest::Key,
        service::{
            AfState,
            ServicePos, //
        },
    },
    kapi::{
        time::{
            self,
            HZ, //
        },
        work::Process, //
    },
};

/// Interval at which the trash is looked through (V-12), in jiffies.
const TRASH_PERIOD: u32 = 60 * HZ;
/// Deleted destinations that one run looks at.
const TRASH_AT_ONCE: u32 = 256;
/// Interval at which schedulers evict unused entries (D-19), in jiffies.
const EVICT_PERIOD: u32 = 60 * HZ;
/// The tables of how many services are looked at in one run.
const EVICT_AT_ONCE: u32 = 16;

/// The work that lets go of deleted destinations to which nothing refers any more (V-12).
///
/// It rests while there are none.
#[derive(Default)]
pub(crate) struct EmptyTrash {
    /// Key at which to go on.
    from: Option<Key>,
}

impl EmptyTrash {
    /// Looks at some destinations; returns when to look at others.
    pub(crate) fn run(&mut self, ipvs: &NetnsIpvs, _: &Process) -> Option<u32> {
        let mut trash = ipvs.trash.lock();
        let now = time::milliseconds();
        self.from = trash.empty(self.from.as_ref(), TRASH_AT_ONCE, now);
        match self.from {
            Some(_) => Some(0),
            None => (!trash.is_empty()).then_some(TRASH_PERIOD),
        }
    }
}

/// The work that has schedulers forget what was not asked for in a while (D-19).
///
/// It takes no mutex, and rests while no scheduler remembers anything.
#[derive(Default)]
pub(crate) struct Evict {
    /// Position at which to go on: in the services of IPv4, or of IPv6.
    from: (bool, ServicePos),
    /// True if a scheduler was seen that remembers something.
    found: bool,
}

impl Evict {
    /// Has some schedulers forget; returns when to come to others.
    ///
    /// A round that found nothing is one run: who adds a service that remembers something while it
    /// goes on queues the next. While it is queued between two runs, nobody could have it come
    /// again to the services that it has been at; but then it has found something, and comes again.
    pub(crate) fn run(&mut self, ipvs: &NetnsIpvs, _: &Process) -> Option<u32> {
        let (is_v6, from) = self.from;
        let from_v6 = if is_v6 {
            from
        } else if let Some(place) = self.some(&ipvs.v4, from) {
            self.from = (false, place);
            return Some(0);
        } else {
            ServicePos::default()
        };
        if let Some(place) = self.some(&ipvs.v6, from_v6) {
            self.from = (true, place);
            return Some(0);
        }
        let found = core::mem::take(self).found;
        found.then_some(EVICT_PERIOD)
    }

    /// Comes to some services; returns where the others begin.
    fn some<F: InetFamily>(&mut self, af: &AfState<F>, from: ServicePos) -> Option<ServicePos> {
        let mut left = EVICT_AT_ONCE;
        let next = af.each_paged(from, |_, service| {
            if left != 0 && service.forget() {
                left = left.saturating_sub(1);
                self.found = true;
            }
            left != 0
        });
        // Without memory they do so the next time.
        next.unwrap_or_else(|_| {
            self.found = true;
            None
        })
    }
}

/// Has fragments of IPv6 put together before routing after the first one came.
pub(crate) fn defragment(ipvs: &NetnsIpvs, _: &Process) -> Option<u32> {
    let config = &mut *ipvs.config.lock();
    let hooks = config.hooks_v6.as_ref()?;
    // Without memory the hooks go on putting them together, until the next time.
    let arranged = ipvs.fragments.arrange(&mut config.held, hooks.lease());
    (!arranged).then_some(HZ)
}

impl NetnsIpvs {
    /// A destination was put in the trash.
    pub(crate) fn empty_trash_later(&self) {
        if let Some(queues) = self.queues.as_ref() {
            queues.trash.queue(TRASH_PERIOD);
        }
    }

    /// A service has a scheduler that remembers something.
    pub(crate) fn evict_later(&self) {
        if let Some(queues) = self.queues.as_ref() {
            queues.evict.queue(EVICT_PERIOD);
        }
    }
}
