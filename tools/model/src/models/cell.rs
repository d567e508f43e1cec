// SPDX-License-Identifier: GPL-2.0

//! Models of RCU pointers, and of arrays of them.

use crate::{
    kapi::{
        rcu::{
            self,
            RcuBox,
            RcuCell, //
        },
        rcu_slots::RcuSlots,
        shared::RcuArc,
    },
    shared::{
        give_back,
        shared, //
    },
};
use engine::Scenario;
use kernel::prelude::*;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};
use std::{
    cell::RefCell,
    rc::Rc, //
};

/// Value whose two words show if it was read before it was complete.
struct Pair(Atomic<u32>, Atomic<u32>);

impl Pair {
    fn new(value: u32) -> Self {
        Self(Atomic::new(value), Atomic::new(value))
    }

    fn value(&self) -> u32 {
        let value = self.0.load(Relaxed);
        assert_eq!(value, self.1.load(Relaxed), "half of a value is seen");
        value
    }
}

fn boxed(value: u32) -> RcuBox<Pair> {
    let mut boxed = RcuBox::new(Pair::new(0), GFP_KERNEL).expect("memory");
    boxed.value_mut().0.store(value, Relaxed);
    boxed.value_mut().1.store(value, Relaxed);
    boxed
}

/// A reader and two writers of one pointer.
pub(crate) fn get_replace(s: &mut Scenario) {
    let cell = shared(RcuCell::new(boxed(1)));
    s.thread("get", move || {
        rcu::read(|rcu| {
            let first = cell.get(rcu).map(Pair::value).expect("a value");
            assert!((1..=2).contains(&first));
            let second = cell.get(rcu).map(Pair::value).expect("a value");
            assert!(second >= first, "an older value comes back");
        });
    });
    s.thread("replace", move || cell.replace(Some(boxed(2))));
    s.end(move || give_back(cell));
}

/// Two writers of one pointer.
pub(crate) fn replace_replace(s: &mut Scenario) {
    let cell = shared(RcuCell::empty());
    for (name, value) in [("replace", 1), ("other", 2)] {
        s.thread(name, move || {
            cell.replace(Some(boxed(value)));
            rcu::read(|rcu| assert!(cell.get(rcu).is_some_and(|pair| pair.value() != 0)));
        });
    }
    s.end(move || give_back(cell));
}

/// Two compare-and-exchange operations on the same value, one of which succeeds.
pub(crate) fn exchange_exchange(s: &mut Scenario) {
    let cell = shared(RcuCell::new(boxed(1)));
    let done = Rc::new(RefCell::new(0));
    for (name, value) in [("exchange", 2), ("other", 3)] {
        let done = done.clone();
        s.thread(name, move || {
            let new = boxed(value);
            let first = rcu::read(|rcu| {
                let seen = cell.get(rcu);
                let old = seen.map(Pair::value);
                cell.exchange(rcu, seen, new) && old == Some(1)
            });
            *done.borrow_mut() += u32::from(first);
        });
    }
    s.end(move || {
        assert_eq!(
            *done.borrow(),
            1,
            "the first value was exchanged by none or two"
        );
        give_back(cell);
    });
}

fn counted(value: u32) -> RcuArc<Pair> {
    RcuArc::pin_init(Pair::new(value), GFP_KERNEL).expect("memory")
}

/// A reader of an array, and a push.
pub(crate) fn slots_push(s: &mut Scenario) {
    let slots = shared(RcuSlots::new(2).expect("memory"));
    slots.push(counted(1));
    s.thread("read", move || {
        rcu::read(|rcu| {
            let used = slots.len();
            assert!((1..=2).contains(&used));
            // A slot below `len` may still read as empty, which readers skip.
            for slot in 0..used {
                let object = slots.get(rcu, slot);
                assert!(object.is_some() || slot == 1, "an object has vanished");
                assert!(object.is_none_or(|object| object.value() == slot + 1));
            }
            let last = slots.rfind(rcu, 2, |_| true);
            let (slot, object) = last.expect("the first object");
            assert_eq!(object.value(), slot + 1);
        });
    });
    s.thread("push", move || assert_eq!(slots.push(counted(2)), Some(1)));
    s.end(move || give_back(slots));
}

/// A removal from an array while a reader keeps a reference to the object.
pub(crate) fn slots_take(s: &mut Scenario) {
    let slots = shared(RcuSlots::new(1).expect("memory"));
    slots.push(counted(1));
    s.thread("keep", move || {
        let kept = rcu::read(|rcu| {
            let seen = slots.get(rcu, 0)?;
            let kept = seen.try_get();
            assert_eq!(seen.value(), 1);
            kept
        });
        // After the section the reference alone keeps the object alive.
        if let Some(kept) = kept {
            assert_eq!(kept.value(), 1);
        }
    });
    s.thread("take", move || drop(slots.take(0)));
    s.end(move || {
        assert!(slots.take(0).is_none());
        give_back(slots);
    });
}
