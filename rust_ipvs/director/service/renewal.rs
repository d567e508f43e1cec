// SPDX-License-Identifier: GPL-2.0

//! [`Renewal`]: many changes of a service's destinations and options, which packets see together.
//!
//! A transaction prepares the renewals of all its services, which allocates all memory, and then
//! carries them out, which cannot fail. The caller holds the configuration mutex from the first to
//! the last, so the list that a renewal was made from is still the present one.
//!
//! The weights and thresholds that schedulers read are in the destinations, which the old and the
//! new snapshot share. So they change, and the snapshot is published, in one write section of a
//! [`SeqCount`](crate::kapi::seqcount::SeqCount), and a choice that overlaps it is made anew.

use super::{
    dests::Scheduling,
    prealloc::{
        self,
        NextPosition,
        Numbers,
        Prealloc, //
    },
    snapshot::SvcOptions,
};
use crate::{
    director::{
        conn::InetFamily,
        dest::Destination, //
    },
    kapi::{
        rcu::Rcu,
        rcu_slots::RcuSlots,
        shared::RcuArc,
        time, //
    },
    logic::{
        config::DestinationId,
        sched::{
            cycle::{
                self,
                Cycle, //
            },
            slots,
            Position, //
        },
    },
};
use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    sync::Arc, //
};

/// Destinations between two calls of `cond_resched()`.
const PAGE: usize = 256;

/// Fate of a destination that the service has: its weight, or `None` if it is removed.
pub(crate) type Kept<'a> = &'a dyn Fn(&Destination) -> Option<i32>;

/// Next state of a service, allocated whole.
pub(crate) struct Renewal {
    index: RBTree<DestinationId, u32>,
    live: usize,
    tree: KVVec<Cycle>,
    prealloc: Prealloc,
    numbers: Numbers,
    /// True if the scheduler is another one, which begins anew.
    restarts: bool,
}

/// List of destinations that is being made.
struct NextList {
    dests: Arc<RcuSlots<Destination>>,
    index: RBTree<DestinationId, u32>,
    tree: KVVec<Cycle>,
}

impl NextList {
    fn new(options: &SvcOptions, capacity: usize) -> Result<Self> {
        let dests = Arc::new(RcuSlots::new(capacity)?, GFP_KERNEL)?;
        Ok(Self {
            tree: prealloc::tree(options, &dests)?,
            dests,
            index: RBTree::new(),
        })
    }

    /// Adds the newest destination.
    fn push(&mut self, destination: RcuArc<Destination>, weight: i32) -> Result {
        let node = RBTreeNode::new(destination.id, self.dests.len(), GFP_KERNEL)?;
        let slot = self.dests.push(destination).ok_or(ENOMEM)?;
        self.index.insert(node);
        cycle::set(&mut self.tree, slot as usize, weight);
        if slot as usize % PAGE == 0 {
            time::give_way();
        }
        Ok(())
    }
}

impl<F: InetFamily> Scheduling<F> {
    /// Prepares a renewal: the options, the present destinations that `kept` keeps, and `added`
    /// ones with their weights, oldest first. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; nothing is changed.
    pub(super) fn renewal(
        &self,
        options: SvcOptions,
        kept: Kept<'_>,
        added: &[(RcuArc<Destination>, i32)],
    ) -> Result<Renewal> {
        let inner = self.inner.lock();
        let (before, old, lblc) = self.present()?;
        let restarts = before.scheduler != options.scheduler;
        let lblc = if restarts {
            prealloc::lblc_table(&options, &self.expirations)?
        } else {
            lblc
        };
        let most = inner.live.saturating_add(added.len());
        let mut next = NextList::new(&options, slots::capacity_for(most))?;
        let mut numbers = KVVec::with_capacity(old.len() as usize, GFP_KERNEL)?;
        let mut present = KVVec::with_capacity(inner.live, GFP_KERNEL)?;
        prealloc::each_slot(&old, |slot, destination| {
            if let (Some(weight), Some(destination)) = (kept(&destination), destination.try_get()) {
                present
                    .push_within_capacity((slot, destination, weight))
                    .ok();
            }
        });
        for (slot, destination, weight) in present {
            // Slots of removed ones have the number of the next newer one.
            let number = next.dests.len();
            numbers.resize((slot as usize).saturating_add(1), number, GFP_KERNEL)?;
            next.push(destination, weight)?;
        }
        for (destination, weight) in added {
            next.push(destination.clone(), *weight)?;
        }
        let NextList { dests, index, tree } = next;
        let live = dests.len() as usize;
        Ok(Renewal {
            index,
            live,
            tree,
            prealloc: Prealloc::new(options, dests, lblc, live)?,
            numbers: Numbers::of_list(numbers),
            restarts,
        })
    }

    /// Carries out a renewal. `edit` changes the options of destinations that stay; it must not
    /// sleep.
    pub(super) fn renew(&self, renewal: Renewal, edit: impl FnOnce()) {
        let mut inner = self.inner.lock();
        let Renewal {
            index,
            live,
            tree,
            prealloc,
            numbers,
            restarts,
        } = renewal;
        let old_index = core::mem::replace(&mut inner.index, index);
        inner.live = live;
        inner.tree = tree;
        let position = |_: Rcu<'_>, at: Position| match restarts {
            true => NextPosition::Changed(Position::default()),
            false => NextPosition::Changed(at.renumbered(|slot| numbers.of(slot))),
        };
        self.edits.write(|| {
            edit();
            self.publish(prealloc, &inner, position, None, &numbers);
        });
        drop(inner);
        drop(old_index);
    }
}
