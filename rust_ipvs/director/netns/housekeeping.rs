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

/// Period of the trash work (V-12), in jiffies.
const TRASH_PERIOD: u32 = 60 * HZ;
/// Deleted destinations per run.
const TRASH_AT_ONCE: u32 = 256;
/// Period at which schedulers evict unused entries (D-19), in jiffies.
const EVICT_PERIOD: u32 = 60 * HZ;
/// Scheduler tables per run.
const EVICT_AT_ONCE: u32 = 16;

/// Work that drops deleted destinations without references (V-12).
///
/// It is idle while the trash is empty.
#[derive(Default)]
pub(crate) struct EmptyTrash {
    /// Key to continue from.
    from: Option<Key>,
}

impl EmptyTrash {
    /// Checks some destinations. Returns the delay of the next run, in jiffies.
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

/// Work that evicts expired entries of `lblc` and `lblcr` (D-19).
///
/// It takes no mutex, and is idle while no service has such a scheduler.
#[derive(Default)]
pub(crate) struct Evict {
    /// Position to continue from: whether in the services of IPv6, and at which one.
    from: (bool, ServicePos),
    /// True if this pass has found a scheduler with a table.
    found: bool,
}

impl Evict {
    /// Evicts entries of some tables. Returns the delay of the next run, in jiffies.
    ///
    /// A pass that finds no table is a single run, and adding a service with a table during it
    /// queues the work again. Between two runs of a longer pass a service may be added at a
    /// position already passed, without effect on the queued work; but then the pass has found a
    /// table, and another one follows.
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

    /// Evicts entries of the tables of some services. Returns the position to continue from.
    fn some<F: InetFamily>(&mut self, af: &AfState<F>, from: ServicePos) -> Option<ServicePos> {
        let mut left = EVICT_AT_ONCE;
        let next = af.each_paged(from, |_, service| {
            if left != 0 && service.forget() {
                left = left.saturating_sub(1);
                self.found = true;
            }
            left != 0
        });
        // Without memory: in the next pass.
        next.unwrap_or_else(|_| {
            self.found = true;
            None
        })
    }
}

/// Enables defragmentation of IPv6 before routing after the first fragment.
pub(crate) fn defragment(ipvs: &NetnsIpvs, _: &Process) -> Option<u32> {
    let config = &mut *ipvs.config.lock();
    let hooks = config.hooks_v6.as_ref()?;
    // Without memory the hooks continue to defragment, and this runs again in a second.
    let arranged = ipvs.fragments.arrange(&mut config.held, hooks.lease());
    (!arranged).then_some(HZ)
}

impl NetnsIpvs {
    /// Queues the trash work; called when a destination is put in the trash.
    pub(crate) fn empty_trash_later(&self) {
        if let Some(queues) = self.queues.as_ref() {
            queues.trash.queue(TRASH_PERIOD);
        }
    }

    /// Queues the eviction; called when a service gets a scheduler with a table.
    pub(crate) fn evict_later(&self) {
        if let Some(queues) = self.queues.as_ref() {
            queues.evict.queue(EVICT_PERIOD);
        }
    }
}
