// SPDX-License-Identifier: GPL-2.0

//! [`Scheduling`]: a service's destinations and its scheduler.
//!
//! Packets read a [`SvcSnapshot`] under RCU. An edit of the service publishes a new one, so that no
//! packet sees the old options with the new scheduler, or a service without one (V-17). If the
//! scheduler reads destinations only, an added or removed destination is written into the present
//! snapshot, in constant time. Other schedulers get a new snapshot with their data: the cycle of
//! the weights, which is computed in a number of steps logarithmic in that of the destinations, or
//! a table of fixed size. A full list is copied to one of twice the size.
//!
//! Writers hold the configuration mutex, and the mutex of [`Inner`] for the data that only they
//! use.

use super::{
    lblc::{
        Expirations,
        LblcTable, //
    },
    prealloc::{
        self,
        NextPosition,
        Numbers,
        Prealloc, //
    },
    snapshot::{
        SnapshotRef,
        SvcOptions,
        SvcSnapshot,
        Without, //
    },
};
use crate::{
    director::{
        conn::InetFamily,
        dest::{
            ConfigHeld,
            Destination, //
        },
    },
    kapi::{
        rcu::{
            self,
            Rcu,
            RcuCell, //
        },
        rcu_slots::RcuSlots,
        seqcount::SeqCount,
        shared::{
            RcuArc,
            RcuRef, //
        },
    },
    logic::{
        config::{
            DestinationId,
            DestinationSpec, //
        },
        sched::{
            algorithm::{
                Servers,
                EMPTY, //
            },
            cycle::{
                self,
                Cycle, //
            },
            slots,
            Flow,
            Position, //
        },
    },
    new_seqcount,
};
use core::marker::PhantomData;
use kernel::{
    new_mutex,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    sync::{
        atomic::Relaxed,
        Arc,
        Mutex, //
    },
};

/// State for writers, protected by the mutex around it.
pub(super) struct Inner {
    /// Slot of each destination.
    pub(super) index: RBTree<DestinationId, u32>,
    pub(super) live: usize,
    /// Tree over the weights, if the scheduler uses their cycle.
    pub(super) tree: KVVec<Cycle>,
}

/// Destinations of a service and its scheduler.
#[pin_data]
pub(crate) struct Scheduling<F: InetFamily> {
    /// Empty after the service has been deleted.
    snapshot: RcuCell<SvcSnapshot>,
    /// Changes while a transaction changes the snapshot and what schedulers read of destinations.
    #[pin]
    pub(super) edits: SeqCount,
    #[pin]
    pub(super) inner: Mutex<Inner>,
    pub(super) expirations: Arc<Expirations>,
    _family: PhantomData<F>,
}

/// Parts of a snapshot that the next one takes over: options, destinations, and the table of lblc
/// or lblcr.
pub(super) type Present = (
    SvcOptions,
    Arc<RcuSlots<Destination>>,
    Option<Arc<LblcTable>>,
);

impl<F: InetFamily> Scheduling<F> {
    /// Creates a list without destinations.
    pub(crate) fn new(
        options: SvcOptions,
        expirations: Arc<Expirations>,
    ) -> Result<impl PinInit<Self, Error>> {
        let dests = Arc::new(RcuSlots::new(slots::capacity_for(0))?, GFP_KERNEL)?;
        let tree = prealloc::tree(&options, &dests)?;
        let lblc = prealloc::lblc_table(&options, &expirations)?;
        let prealloc = Prealloc::new(options, dests, lblc, 0)?;
        let snapshot = RcuCell::new(prealloc.snapshot);
        Ok(try_pin_init!(Self {
            snapshot,
            edits <- new_seqcount!(),
            inner <- new_mutex!(Inner {
                index: RBTree::new(),
                live: 0,
                tree,
            }),
            expirations,
            _family: PhantomData,
        }))
    }

    /// Returns the parts of the present snapshot that the next one takes over.
    pub(super) fn present(&self) -> Result<Present> {
        rcu::read(|rcu| {
            let snapshot = self.snapshot.get(rcu).ok_or(EINVAL)?;
            Ok((
                snapshot.options,
                snapshot.dests.clone(),
                snapshot.lblc.clone(),
            ))
        })
    }

    /// Publishes a snapshot. `position` computes its position from the present one, `slot` is one
    /// that the caller will empty; `numbers` maps slots of the old list to the new one.
    pub(super) fn publish(
        &self,
        prealloc: Prealloc,
        inner: &Inner,
        position: impl FnOnce(Rcu<'_>, Position) -> NextPosition,
        slot: Option<u32>,
        numbers: &Numbers,
    ) {
        let Prealloc {
            mut snapshot,
            mut scratch,
        } = prealloc;
        rcu::read(|rcu| {
            let new = snapshot.value_mut();
            let Some(scheduler) = new.options.scheduler else {
                return;
            };
            let Some(old) = self.snapshot.get(rcu) else {
                return;
            };
            new.cycle = cycle::whole(&inner.tree);
            let position = match position(rcu, Position::of_word(old.position.load(Relaxed))) {
                NextPosition::Kept(position) => position,
                NextPosition::Changed(position) => scheduler.restart(position, new.cycle),
            };
            new.position.store(position.to_word(), Relaxed);
            if inner.live <= scheduler.needs().most {
                let dests = &*new.dests;
                let servers = Without { rcu, dests, slot };
                scheduler.fill::<F>(&servers, &mut new.table, &mut scratch);
            } else {
                // Too many destinations for the scheduler: the table keeps its content.
                for (entry, old) in new.table.iter_mut().zip(old.table.iter()) {
                    *entry = numbers.of(*old).unwrap_or(EMPTY);
                }
            }
        });
        self.snapshot.replace_large(Some(snapshot));
    }

    /// Returns the options; `None` if the service has been deleted.
    pub(crate) fn options<'g>(&'g self, rcu: Rcu<'g>) -> Option<&'g SvcOptions> {
        Some(&self.snapshot.get(rcu)?.options)
    }

    /// Chooses the destination of a new connection. The caller may try to take a reference to it.
    pub(crate) fn choose<'g>(
        &'g self,
        rcu: Rcu<'g>,
        flow: &Flow<F>,
    ) -> Option<RcuRef<'g, Destination>> {
        self.edits.read(|| {
            let snapshot = self.snapshot.get(rcu)?;
            let scheduler = snapshot.options.scheduler?;
            scheduler.pick(&SnapshotRef { rcu, snapshot }, flow)
        })
    }

    /// Calls `visit` for each destination below a slot, newest first, with its slot, until it
    /// returns `false`.
    pub(super) fn each_below<'g>(
        &'g self,
        rcu: Rcu<'g>,
        below: u32,
        mut visit: impl FnMut(u32, RcuRef<'g, Destination>) -> bool,
    ) {
        if let Some(snapshot) = self.snapshot.get(rcu) {
            let view = SnapshotRef { rcu, snapshot };
            let mut slots = view.within(0..below.min(view.slots()));
            slots.all(|(slot, destination)| visit(slot, destination));
        }
    }

    /// Calls `visit` for each destination in the `most` slots below a slot, newest first. Returns
    /// the slot to continue below, 0 at the end.
    pub(crate) fn some<'g>(
        &'g self,
        rcu: Rcu<'g>,
        below: u32,
        most: u32,
        mut visit: impl FnMut(RcuRef<'g, Destination>),
    ) -> u32 {
        let Some(snapshot) = self.snapshot.get(rcu) else {
            return 0;
        };
        let view = SnapshotRef { rcu, snapshot };
        let below = below.min(view.slots());
        let from = below.saturating_sub(most);
        for (_, destination) in view.within(from..below) {
            visit(destination);
        }
        from
    }

    /// Returns the number of destinations.
    pub(crate) fn count(&self) -> usize {
        self.inner.lock().live
    }

    /// Looks up a destination by its identity; returns it with a reference.
    pub(crate) fn destination(&self, id: &DestinationId) -> Option<RcuArc<Destination>> {
        let inner = self.inner.lock();
        let slot = *inner.index.get(id)?;
        rcu::read(|rcu| self.snapshot.get(rcu)?.dests.get(rcu, slot)?.try_get())
    }

    /// Evicts expired entries of the scheduler's table. Process context.
    ///
    /// Returns whether the scheduler has such a table.
    pub(crate) fn expire(&self) -> bool {
        let lblc = rcu::read(|rcu| self.snapshot.get(rcu)?.lblc.clone());
        if let Some(lblc) = &lblc {
            lblc.expire();
        }
        lblc.is_some()
    }

    /// Releases the destinations of a deleted service, instead of leaving that to the drop of its
    /// last reference. Process context.
    pub(crate) fn clear(&self) {
        let mut inner = self.inner.lock();
        let index = core::mem::replace(&mut inner.index, RBTree::new());
        inner.live = 0;
        drop(inner);
        drop(index);
        self.snapshot.replace_large(None);
    }

    /// Rebuilds the index after a copy of the list.
    fn reindex(inner: &mut Inner, dests: &RcuSlots<Destination>) {
        prealloc::each_slot(dests, |slot, destination| {
            if let Some(known) = inner.index.get_mut(&destination.id) {
                *known = slot;
            }
        });
    }

    /// Replaces all options at once (V-17).
    pub(crate) fn set_options(&self, options: SvcOptions) -> Result {
        let mut inner = self.inner.lock();
        let (old, dests, lblc) = self.present()?;
        let same = old.scheduler == options.scheduler;
        let lblc = if same {
            lblc
        } else {
            prealloc::lblc_table(&options, &self.expirations)?
        };
        let tree = prealloc::tree(&options, &dests)?;
        let prealloc = Prealloc::new(options, dests, lblc, inner.live)?;
        inner.tree = tree;
        let position = |_: Rcu<'_>, at| match same {
            true => NextPosition::Kept(at),
            false => NextPosition::Changed(Position::default()),
        };
        self.publish(prealloc, &inner, position, None, &Numbers::same());
        Ok(())
    }

    /// Adds a destination at the head of the list.
    pub(crate) fn add(&self, destination: RcuArc<Destination>) -> Result {
        let mut inner = self.inner.lock();
        let (options, dests, lblc) = self.present()?;
        let needs = options.needs();
        let live = inner.live.saturating_add(1);
        let full = dests.len() as usize >= dests.capacity();
        if !full && !needs.cycle && needs.table == 0 {
            let node = RBTreeNode::new(destination.id, dests.len(), GFP_KERNEL)?;
            dests.push(destination).ok_or(ENOMEM)?;
            inner.index.insert(node);
            inner.live = live;
            return Ok(());
        }
        let old = dests.clone();
        let dests = if full {
            prealloc::copy(&old, slots::capacity_for(live), None)?
        } else {
            dests
        };
        let (slot, weight) = (dests.len(), destination.share());
        let node = RBTreeNode::new(destination.id, slot, GFP_KERNEL)?;
        let tree = if full {
            Some(prealloc::tree(&options, &dests)?)
        } else {
            None
        };
        let numbers = if full {
            Numbers::of_copy(&old, None)?
        } else {
            Numbers::same()
        };
        let prealloc = Prealloc::new(options, dests.clone(), lblc, live)?;
        dests.push(destination).ok_or(ENOMEM)?;
        if let Some(tree) = tree {
            inner.tree = tree;
            Self::reindex(&mut inner, &dests);
        }
        inner.index.insert(node);
        inner.live = live;
        cycle::set(&mut inner.tree, slot as usize, weight);
        let position = |_: Rcu<'_>, at: Position| {
            NextPosition::Changed(at.renumbered(|slot| numbers.of(slot)))
        };
        self.publish(prealloc, &inner, position, None, &numbers);
        Ok(())
    }

    /// Removes a destination from the list.
    pub(crate) fn remove(&self, id: &DestinationId) -> Result {
        let mut inner = self.inner.lock();
        let Some(slot) = inner.index.get(id).copied() else {
            return Ok(());
        };
        let (options, dests, lblc) = self.present()?;
        let needs = options.needs();
        let live = inner.live.saturating_sub(1);
        let sparse = slots::is_sparse(dests.len() as usize, live);
        if !sparse && !needs.cycle && needs.table == 0 {
            self.leave(&dests, slot);
            inner.index.remove(id);
            inner.live = live;
            dests.take(slot);
            return Ok(());
        }
        let old = dests.clone();
        let (dests, tree, numbers) = if sparse {
            let dests = prealloc::copy(&old, slots::capacity_for(live), Some(slot))?;
            let tree = prealloc::tree(&options, &dests)?;
            (dests, Some(tree), Numbers::of_copy(&old, Some(slot))?)
        } else {
            (dests, None, Numbers::same())
        };
        let prealloc = Prealloc::new(options, dests.clone(), lblc, live)?;
        inner.index.remove(id);
        inner.live = live;
        match tree {
            Some(tree) => {
                inner.tree = tree;
                Self::reindex(&mut inner, &dests);
            }
            None => cycle::set(&mut inner.tree, slot as usize, 0),
        }
        let gone = Some(slot);
        let position = |rcu: Rcu<'_>, at: Position| {
            let at = at.removed(slot, || prealloc::newer(rcu, &old, slot));
            NextPosition::Changed(at.renumbered(|slot| numbers.of(slot)))
        };
        self.publish(
            prealloc,
            &inner,
            position,
            gone.filter(|_| !sparse),
            &numbers,
        );
        if !sparse {
            dests.take(slot);
        }
        Ok(())
    }

    /// Advances the scheduler's position if it is at a slot that the caller will empty.
    fn leave(&self, dests: &RcuSlots<Destination>, slot: u32) {
        rcu::read(|rcu| {
            let Some(snapshot) = self.snapshot.get(rcu) else {
                return;
            };
            let mut word = snapshot.position.load(Relaxed);
            loop {
                let position = Position::of_word(word);
                let next = position.removed(slot, || prealloc::newer(rcu, dests, slot));
                match snapshot.position.cmpxchg(word, next.to_word(), Relaxed) {
                    Ok(_) => break,
                    Err(other) => word = other,
                }
            }
        });
    }

    /// Changes a destination's options (V-14).
    pub(crate) fn edit(
        &self,
        held: &mut ConfigHeld,
        destination: &Destination,
        spec: &DestinationSpec,
    ) -> Result {
        let mut inner = self.inner.lock();
        let (options, dests, lblc) = self.present()?;
        if !options.needs().edits {
            destination.edit(held, spec);
            return Ok(());
        }
        let prealloc = Prealloc::new(options, dests, lblc, inner.live)?;
        destination.edit(held, spec);
        if let Some(slot) = inner.index.get(&spec.id).copied() {
            cycle::set(&mut inner.tree, slot as usize, destination.share());
        }
        let position = |_: Rcu<'_>, at| NextPosition::Changed(at);
        self.publish(prealloc, &inner, position, None, &Numbers::same());
        Ok(())
    }
}
