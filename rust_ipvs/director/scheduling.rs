// SPDX-License-Identifier: GPL-2.0

//! A service's destinations, and how one of them is chosen for a new connection.
//!
//! Packets see a [`Stage`] under RCU. An edit of the
//! service puts another stage in its place, so that no packet sees the terms of one and the scheduler of the other, nor a
//! service without one (V-17). A destination that comes or goes is written into the stage where the scheduler looks
//! at destinations as they are, at the same cost however many there are. Others get a new stage with what they want to
//! know: the cycle of the weights, which costs as many steps as the number of destinations has bits, or a table of a
//! fixed size. When a list is full it is copied to one of twice the size.
//!
//! Writers hold the configuration mutex, and [`Desk`]'s for what only they look at.

use super::{
    destination::Destination,
    draft::{
        self,
        Draft,
        Numbers, //
    },
    locality::{
        Expirations,
        Memory, //
    },
    stack::InetFamily,
    stage::{
        Sight,
        Stage,
        Terms,
        Without, //
    },
};
use crate::{
    kapi::{
        rcu::{
            self,
            Rcu,
            RcuCell, //
        },
        rcu_slots::RcuSlots,
        shared::{
            RcuArc,
            Seen, //
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

/// What only writers look at.
struct Desk {
    /// The slots of the destinations.
    index: RBTree<DestinationId, u32>,
    live: usize,
    /// The cycle of the weights, where the scheduler goes by it.
    tree: KVVec<Cycle>,
}

/// The destinations of a service and its scheduler.
#[pin_data]
pub(super) struct Scheduling<F: InetFamily> {
    /// Empty once the service has been deleted.
    stage: RcuCell<Stage>,
    #[pin]
    desk: Mutex<Desk>,
    expirations: Arc<Expirations>,
    _family: PhantomData<F>,
}

/// What stages have in common: terms, destinations, and what is remembered of addresses.
type Present = (Terms, Arc<RcuSlots<Destination>>, Option<Arc<Memory>>);

/// Where a scheduler goes on, on another stage.
enum Next {
    /// Where it was.
    Kept(Position),
    /// Where it decides, as the destinations have changed.
    Changed(Position),
}

impl<F: InetFamily> Scheduling<F> {
    /// No destinations yet.
    pub(super) fn new(
        terms: Terms,
        expirations: Arc<Expirations>,
    ) -> Result<impl PinInit<Self, Error>> {
        let dests = Arc::new(RcuSlots::new(slots::room_for(0))?, GFP_KERNEL)?;
        let tree = draft::tree(&terms, &dests)?;
        let memory = draft::memory(&terms, &expirations)?;
        let draft = Draft::new(terms, dests, memory, 0)?;
        let stage = RcuCell::new(draft.stage);
        Ok(try_pin_init!(Self {
            stage,
            desk <- new_mutex!(Desk {
                index: RBTree::new(),
                live: 0,
                tree,
            }),
            expirations,
            _family: PhantomData,
        }))
    }

    /// What a writer takes over from the present stage.
    fn present(&self) -> Result<Present> {
        rcu::read(|rcu| {
            let stage = self.stage.get(rcu).ok_or(EINVAL)?;
            Ok((stage.terms, stage.dests.clone(), stage.memory.clone()))
        })
    }

    /// Puts a stage in place. `position` makes its position of the present one, `slot` is one that is about to be
    /// emptied; `numbers` say which slot has become which.
    fn publish(
        &self,
        draft: Draft,
        desk: &Desk,
        position: impl FnOnce(Rcu<'_>, Position) -> Next,
        slot: Option<u32>,
        numbers: &Numbers,
    ) {
        let Draft {
            mut stage,
            mut claims,
        } = draft;
        rcu::read(|rcu| {
            let new = stage.value_mut();
            let Some(scheduler) = new.terms.scheduler else {
                return;
            };
            let Some(old) = self.stage.get(rcu) else {
                return;
            };
            new.cycle = cycle::whole(&desk.tree);
            let position = match position(rcu, Position::of_word(old.position.load(Relaxed))) {
                Next::Kept(position) => position,
                Next::Changed(position) => scheduler.restart(position, new.cycle),
            };
            new.position.store(position.to_word(), Relaxed);
            if desk.live <= scheduler.needs().most {
                let dests = &*new.dests;
                let servers = Without { rcu, dests, slot };
                scheduler.fill::<F>(&servers, &mut new.table, &mut claims);
            } else {
                // There are more than it can work with: what it had stays.
                for (entry, old) in new.table.iter_mut().zip(old.table.iter()) {
                    *entry = numbers.of(*old).unwrap_or(EMPTY);
                }
            }
        });
        self.stage.replace_large(Some(stage));
    }

    /// The terms now; `None` of a service that has been deleted.
    pub(super) fn terms<'g>(&'g self, rcu: Rcu<'g>) -> Option<&'g Terms> {
        Some(&self.stage.get(rcu)?.terms)
    }

    /// Chooses the destination of a new connection, which may take a reference to it.
    pub(super) fn choose<'g>(
        &'g self,
        rcu: Rcu<'g>,
        flow: &Flow<F>,
    ) -> Option<Seen<'g, Destination>> {
        let stage = self.stage.get(rcu)?;
        stage.terms.scheduler?.pick(&Sight { rcu, stage }, flow)
    }

    /// Calls `visit` for each destination below a slot, newest first, with its own, until it returns `false`.
    pub(super) fn each_below<'g>(
        &'g self,
        rcu: Rcu<'g>,
        below: u32,
        mut visit: impl FnMut(u32, Seen<'g, Destination>) -> bool,
    ) {
        if let Some(stage) = self.stage.get(rcu) {
            let sight = Sight { rcu, stage };
            let mut slots = sight.within(0..below.min(sight.slots()));
            slots.all(|(slot, destination)| visit(slot, destination));
        }
    }

    /// Calls `visit` for each destination in the `most` slots below one, newest first; returns the slot below which to
    /// go on, which is 0 at the end.
    pub(super) fn some<'g>(
        &'g self,
        rcu: Rcu<'g>,
        below: u32,
        most: u32,
        mut visit: impl FnMut(Seen<'g, Destination>),
    ) -> u32 {
        let Some(stage) = self.stage.get(rcu) else {
            return 0;
        };
        let sight = Sight { rcu, stage };
        let below = below.min(sight.slots());
        let from = below.saturating_sub(most);
        for (_, destination) in sight.within(from..below) {
            visit(destination);
        }
        from
    }

    /// How many destinations there are.
    pub(super) fn count(&self) -> usize {
        self.desk.lock().live
    }

    /// The destination of an identity, with a reference.
    pub(super) fn destination(&self, id: &DestinationId) -> Option<RcuArc<Destination>> {
        let desk = self.desk.lock();
        let slot = *desk.index.get(id)?;
        rcu::read(|rcu| self.stage.get(rcu)?.dests.get(rcu, slot)?.keep())
    }

    /// Forgets addresses that were not asked for in a while. Process context.
    ///
    /// Returns whether the scheduler is one that remembers any.
    pub(super) fn expire(&self) -> bool {
        let memory = rcu::read(|rcu| self.stage.get(rcu)?.memory.clone());
        if let Some(memory) = &memory {
            memory.expire();
        }
        memory.is_some()
    }

    /// Lets go of the destinations of a service that is gone, here and not where its last reference
    /// is dropped. Process context.
    pub(super) fn clear(&self) {
        let mut desk = self.desk.lock();
        let index = core::mem::replace(&mut desk.index, RBTree::new());
        desk.live = 0;
        drop(desk);
        drop(index);
        self.stage.replace_large(None);
    }

    /// Writes down anew in which slot each destination is.
    fn reindex(desk: &mut Desk, dests: &RcuSlots<Destination>) {
        draft::each_slot(dests, |slot, destination| {
            if let Some(known) = desk.index.get_mut(&destination.id) {
                *known = slot;
            }
        });
    }

    /// Changes the terms, all at once (V-17).
    pub(super) fn set_terms(&self, terms: Terms) -> Result {
        let mut desk = self.desk.lock();
        let (old, dests, memory) = self.present()?;
        let same = old.scheduler == terms.scheduler;
        let memory = if same {
            memory
        } else {
            draft::memory(&terms, &self.expirations)?
        };
        let tree = draft::tree(&terms, &dests)?;
        let draft = Draft::new(terms, dests, memory, desk.live)?;
        desk.tree = tree;
        let position = |_: Rcu<'_>, at| match same {
            true => Next::Kept(at),
            false => Next::Changed(Position::default()),
        };
        self.publish(draft, &desk, position, None, &Numbers::same());
        Ok(())
    }

    /// Adds a destination at the head of the list.
    pub(super) fn add(&self, destination: RcuArc<Destination>) -> Result {
        let mut desk = self.desk.lock();
        let (terms, dests, memory) = self.present()?;
        let needs = terms.needs();
        let live = desk.live.saturating_add(1);
        let full = dests.len() as usize >= dests.capacity();
        if !full && !needs.cycle && needs.table == 0 {
            let node = RBTreeNode::new(destination.id, dests.len(), GFP_KERNEL)?;
            dests.push(destination).ok_or(ENOMEM)?;
            desk.index.insert(node);
            desk.live = live;
            return Ok(());
        }
        let old = dests.clone();
        let dests = if full {
            draft::copy(&old, slots::room_for(live), None)?
        } else {
            dests
        };
        let (slot, weight) = (dests.len(), destination.weight());
        let node = RBTreeNode::new(destination.id, slot, GFP_KERNEL)?;
        let tree = if full {
            Some(draft::tree(&terms, &dests)?)
        } else {
            None
        };
        let numbers = if full {
            Numbers::of_copy(&old, None)?
        } else {
            Numbers::same()
        };
        let draft = Draft::new(terms, dests.clone(), memory, live)?;
        dests.push(destination).ok_or(ENOMEM)?;
        if let Some(tree) = tree {
            desk.tree = tree;
            Self::reindex(&mut desk, &dests);
        }
        desk.index.insert(node);
        desk.live = live;
        cycle::set(&mut desk.tree, slot as usize, weight);
        let position =
            |_: Rcu<'_>, at: Position| Next::Changed(at.renumbered(|slot| numbers.of(slot)));
        self.publish(draft, &desk, position, None, &numbers);
        Ok(())
    }

    /// Takes a destination out of the list.
    pub(super) fn remove(&self, id: &DestinationId) -> Result {
        let mut desk = self.desk.lock();
        let Some(slot) = desk.index.get(id).copied() else {
            return Ok(());
        };
        let (terms, dests, memory) = self.present()?;
        let needs = terms.needs();
        let live = desk.live.saturating_sub(1);
        let sparse = slots::is_sparse(dests.len() as usize, live);
        if !sparse && !needs.cycle && needs.table == 0 {
            self.leave(&dests, slot);
            desk.index.remove(id);
            desk.live = live;
            dests.take(slot);
            return Ok(());
        }
        let old = dests.clone();
        let (dests, tree, numbers) = if sparse {
            let dests = draft::copy(&old, slots::room_for(live), Some(slot))?;
            let tree = draft::tree(&terms, &dests)?;
            (dests, Some(tree), Numbers::of_copy(&old, Some(slot))?)
        } else {
            (dests, None, Numbers::same())
        };
        let draft = Draft::new(terms, dests.clone(), memory, live)?;
        desk.index.remove(id);
        desk.live = live;
        match tree {
            Some(tree) => {
                desk.tree = tree;
                Self::reindex(&mut desk, &dests);
            }
            None => cycle::set(&mut desk.tree, slot as usize, 0),
        }
        let gone = Some(slot);
        let position = |rcu: Rcu<'_>, at: Position| {
            let at = at.removed(slot, || draft::newer(rcu, &old, slot));
            Next::Changed(at.renumbered(|slot| numbers.of(slot)))
        };
        self.publish(draft, &desk, position, gone.filter(|_| !sparse), &numbers);
        if !sparse {
            dests.take(slot);
        }
        Ok(())
    }

    /// Moves the scheduler away from a slot that is about to be emptied.
    fn leave(&self, dests: &RcuSlots<Destination>, slot: u32) {
        rcu::read(|rcu| {
            let Some(stage) = self.stage.get(rcu) else {
                return;
            };
            let mut word = stage.position.load(Relaxed);
            loop {
                let position = Position::of_word(word);
                let next = position.removed(slot, || draft::newer(rcu, dests, slot));
                match stage.position.cmpxchg(word, next.to_word(), Relaxed) {
                    Ok(_) => break,
                    Err(other) => word = other,
                }
            }
        });
    }

    /// Takes over what a user changed of a destination (V-14).
    pub(super) fn edit(&self, destination: &Destination, spec: &DestinationSpec) -> Result {
        let mut desk = self.desk.lock();
        let (terms, dests, memory) = self.present()?;
        if !terms.needs().edits {
            destination.edit(spec);
            return Ok(());
        }
        let draft = Draft::new(terms, dests, memory, desk.live)?;
        destination.edit(spec);
        if let Some(slot) = desk.index.get(&spec.id).copied() {
            cycle::set(&mut desk.tree, slot as usize, spec.weight);
        }
        let position = |_: Rcu<'_>, at| Next::Changed(at);
        self.publish(draft, &desk, position, None, &Numbers::same());
        Ok(())
    }
}
