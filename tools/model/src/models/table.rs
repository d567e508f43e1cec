// SPDX-License-Identifier: GPL-2.0

//! Models of the connection table.

use crate::object::{
    Key,
    Shared, //
};
use engine::Scenario;
use std::{
    cell::RefCell,
    rc::Rc, //
};

/// NAT connection whose hashes belong to different shards, the first one to the second shard.
pub(super) const NAT: Key = Key(1, 1, Some(2));
/// Connection by another method in the chain of `NAT`'s first hash.
pub(super) const OTHER: Key = Key(2, 1, None);
/// NAT connection whose second hash is in the chain of `NAT`'s first, and whose first is in the
/// chain of `NAT`'s second.
pub(super) const CROSS: Key = Key(3, 2, Some(1));
/// Connection in the chain of `NAT`'s first hash until the table grows.
pub(super) const FAR: Key = Key(4, 3, None);

/// Objects of one chain that growth divides. The first one is the last of the chain.
pub(super) const LONG: &[Key] = &[
    Key(11, 1, None),
    Key(12, 3, None),
    Key(13, 1, None),
    Key(14, 2, Some(3)),
    Key(15, 5, None),
];

/// Makes a table of two buckets, one per shard, with these objects in slot 0.
pub(super) fn small(keys: &[Key]) -> Shared {
    of_bits(1, keys)
}

fn of_bits(bits: u32, keys: &[Key]) -> Shared {
    let table = Shared::new(bits);
    for &key in keys {
        assert!(table.insert(key, 0));
    }
    table
}

/// Checks at the end that the table contains these objects.
pub(super) fn leaves(s: &mut Scenario, table: Shared, keys: &'static [Key]) {
    s.end(move || {
        table.check(keys);
        table.drop_table();
    });
}

pub(super) type Notes = Rc<RefCell<Vec<u32>>>;

/// Returns notes that threads leave to one another, or to the final check.
pub(super) fn notes() -> (Notes, Notes) {
    let notes = Rc::new(RefCell::new(Vec::new()));
    (notes.clone(), notes)
}

/// An object is found by its second hash and re-armed during its insertion.
pub(crate) fn insert_rearm(s: &mut Scenario) {
    let table = small(&[]);
    s.thread("insert", move || assert!(table.insert(NAT, 0)));
    s.thread("rearm", move || {
        table.with(NAT, 1, |_, object| table.rearm(object, 1));
    });
    leaves(s, table, &[NAT]);
}

/// An object is found by its second hash and removed during its insertion.
pub(crate) fn insert_remove_found(s: &mut Scenario) {
    let table = small(&[]);
    let (removed, end) = notes();
    s.thread("insert", move || assert!(table.insert(NAT, 0)));
    s.thread("remove", move || {
        let by_this = table.with(NAT, 1, |rcu, object| table.remove_found(rcu, object));
        removed
            .borrow_mut()
            .extend((by_this == Some(true)).then_some(1));
    });
    s.end(move || {
        let left: &[Key] = if end.borrow().is_empty() { &[NAT] } else { &[] };
        table.check(left);
        table.drop_table();
    });
}

/// Objects in the chain of an inserted object are found meanwhile, and the object itself from its
/// insertion on.
pub(crate) fn insert_find(s: &mut Scenario) {
    let table = small(&[OTHER]);
    s.thread("insert", move || assert!(table.insert(NAT, 0)));
    s.thread("find", move || {
        let before = table.has(NAT, 0);
        assert!(table.has(OTHER, 0), "an insertion hides what is there");
        assert!(
            !before || table.has(NAT, 0),
            "what was found is not found again"
        );
    });
    leaves(s, table, &[OTHER, NAT]);
}

/// Two threads insert the same object.
pub(crate) fn insert_twice(s: &mut Scenario) {
    let table = small(&[]);
    let (mine, end) = notes();
    for name in ["insert", "twin"] {
        let mine = mine.clone();
        s.thread(name, move || {
            if table.insert(NAT, 0) {
                mine.borrow_mut().push(NAT.0);
            }
            assert!(table.has(NAT, 0));
        });
    }
    s.end(move || {
        assert_eq!(end.borrow().len(), 1, "not one of two was inserted");
        table.check(&[NAT]);
        table.drop_table();
    });
}

/// An insertion and a removal in the same chain.
pub(crate) fn insert_remove(s: &mut Scenario) {
    let table = small(&[OTHER]);
    s.thread("insert", move || assert!(table.insert(NAT, 0)));
    s.thread("remove", move || {
        assert!(table.remove(OTHER));
        assert!(!table.has(OTHER, 0));
    });
    leaves(s, table, &[NAT]);
}

/// Objects that stay in the table are found while another one of their chains is removed.
pub(crate) fn find_remove(s: &mut Scenario) {
    let table = small(&[OTHER, CROSS, NAT]);
    s.thread("find", move || {
        assert!(table.has(OTHER, 0), "a removal hides what is there");
        assert!(table.has(NAT, 1), "a removal hides what is there");
    });
    s.thread("remove", move || assert!(table.remove(CROSS)));
    leaves(s, table, &[OTHER, NAT]);
}

/// An object is removed while another thread removes its neighbours in the chain.
pub(crate) fn remove_remove(s: &mut Scenario) {
    let table = small(&[OTHER, CROSS, NAT]);
    let (mine, end) = notes();
    for (name, own) in [("remove", OTHER), ("other", NAT)] {
        let mine = mine.clone();
        s.thread(name, move || {
            assert!(table.remove(own));
            if table.remove(CROSS) {
                mine.borrow_mut().push(CROSS.0);
            }
        });
    }
    s.end(move || {
        assert_eq!(
            end.borrow().len(),
            1,
            "an object was removed by none or two"
        );
        table.check(&[]);
        table.drop_table();
    });
}

/// An object is re-armed while it and its neighbour on the wheel are removed.
pub(crate) fn rearm_remove(s: &mut Scenario) {
    let table = small(&[OTHER, NAT, FAR]);
    s.thread("rearm", move || {
        table.with(NAT, 0, |_, object| table.rearm(object, 1));
        table.with(OTHER, 0, |_, object| table.rearm(object, 1));
    });
    s.thread("remove", move || assert!(table.remove(NAT)));
    s.end(move || {
        table.check(&[OTHER, FAR]);
        assert_eq!(table.slot_of(OTHER), Some(1));
        assert_eq!(table.slot_of(FAR), Some(0));
        table.drop_table();
    });
}

/// Objects are re-armed while the wheel visits their slot.
pub(crate) fn rearm_expire(s: &mut Scenario) {
    let table = small(&[OTHER, NAT]);
    let (ended, end) = notes();
    s.thread("rearm", move || {
        table.with(NAT, 1, |_, object| table.rearm(object, 1));
        table.with(OTHER, 0, |_, object| table.rearm(object, 2));
    });
    s.thread("expire", move || *ended.borrow_mut() = table.expire(0));
    s.end(move || {
        let ended = end.borrow();
        let left: Vec<Key> = [OTHER, NAT]
            .into_iter()
            .filter(|key| !ended.contains(&key.0))
            .collect();
        table.check(&left);
        table.drop_table();
    });
}

/// Objects are removed while the wheel visits their slot.
pub(crate) fn remove_expire(s: &mut Scenario) {
    let table = small(&[OTHER, NAT]);
    let (mine, end) = notes();
    let ended = mine.clone();
    s.thread("remove", move || {
        for key in [NAT, OTHER] {
            if table.remove(key) {
                mine.borrow_mut().push(key.0);
            }
        }
    });
    s.thread("expire", move || {
        let keys = table.expire(0);
        ended.borrow_mut().extend(keys);
    });
    s.end(move || {
        let mut gone = end.borrow().clone();
        gone.sort();
        assert_eq!(gone, [1, 2], "not each object was removed once");
        table.check(&[]);
        table.drop_table();
    });
}

/// An object is inserted into a slot while the wheel visits it.
pub(crate) fn insert_expire(s: &mut Scenario) {
    let table = small(&[OTHER]);
    let (ended, end) = notes();
    s.thread("insert", move || {
        table.insert(NAT, 0);
    });
    s.thread("expire", move || *ended.borrow_mut() = table.expire(0));
    s.end(move || {
        assert!(end.borrow().contains(&OTHER.0));
        let left: &[Key] = if end.borrow().contains(&NAT.0) {
            &[]
        } else {
            &[NAT]
        };
        table.check(left);
        table.drop_table();
    });
}

/// Objects that stay in the table are found while it grows.
pub(crate) fn find_grow(s: &mut Scenario) {
    let table = small(&[NAT, FAR]);
    s.thread("find", move || {
        for (key, direction) in [(NAT, 0), (NAT, 1)] {
            let found = table.has(key, direction);
            assert!(found, "a connection is not found while the table grows");
        }
    });
    s.thread("grow", move || table.resize(2));
    leaves(s, table, &[NAT, FAR]);
}

/// An absent object is looked up while the table grows: in an empty chain, and in chains of the new
/// array.
pub(crate) fn find_absent_grow(s: &mut Scenario) {
    let table = small(&[FAR]);
    s.thread("find", move || {
        assert!(!table.has(CROSS, 0) && !table.has(NAT, 0));
    });
    s.thread("grow", move || table.resize(2));
    leaves(s, table, &[FAR]);
}

/// The last object of a chain that takes several steps to move is found while the table grows.
pub(crate) fn find_grow_long(s: &mut Scenario) {
    let table = small(LONG);
    s.thread("find", move || {
        for key in [LONG[0], LONG[3]] {
            assert!(
                table.has(key, 0),
                "a connection is not found while a long chain is moved"
            );
        }
    });
    s.thread("grow", move || table.resize(2));
    leaves(s, table, LONG);
}

/// As [`find_grow_long`], while one of the objects, which the exploration chooses, is removed.
pub(crate) fn remove_grow_long(s: &mut Scenario) {
    let table = small(LONG);
    let gone = [0, 2, 3][engine::choose(3)];
    s.thread("remove", move || {
        let key = LONG[gone];
        assert!(
            table.remove(key),
            "what is to be removed is not found while a long chain is moved"
        );
        assert!(!table.has(key, 0));
        let left = LONG[(gone + 1) % LONG.len()];
        assert!(
            table.has(left, 0),
            "a connection is not found while a long chain is moved"
        );
    });
    s.thread("grow", move || table.resize(2));
    s.end(move || {
        let left: Vec<Key> = LONG
            .iter()
            .copied()
            .filter(|key| key.0 != LONG[gone].0)
            .collect();
        table.check(&left);
        table.drop_table();
    });
}

/// As [`remove_grow_long`], with an insertion too.
pub(crate) fn change_grow_long(s: &mut Scenario) {
    let table = small(LONG);
    s.thread("change", move || {
        assert!(table.insert(NAT, 0));
        assert!(table.remove(LONG[1]));
        assert!(table.has(NAT, 0) && table.has(LONG[0], 0));
    });
    s.thread("grow", move || table.resize(2));
    s.end(move || {
        table.check(&[NAT, LONG[0], LONG[2], LONG[3], LONG[4]]);
        table.drop_table();
    });
}

/// Objects that stay in the table are found while it shrinks.
pub(crate) fn find_shrink(s: &mut Scenario) {
    let table = of_bits(2, &[NAT, FAR]);
    s.thread("find", move || {
        for key in [NAT, FAR] {
            assert!(
                table.has(key, 0),
                "a connection is not found while the table shrinks"
            );
        }
    });
    s.thread("shrink", move || table.resize(1));
    leaves(s, table, &[NAT, FAR]);
}

/// An object is inserted while the table grows: it is found at once and afterwards.
pub(crate) fn insert_grow(s: &mut Scenario) {
    let table = small(&[FAR]);
    s.thread("insert", move || {
        assert!(table.insert(NAT, 0));
        assert!(table.has(NAT, 0), "who inserts an object does not find it");
    });
    s.thread("grow", move || table.resize(2));
    leaves(s, table, &[NAT, FAR]);
}

/// As [`insert_grow`], while the table shrinks and two threads insert the same object.
pub(crate) fn insert_shrink(s: &mut Scenario) {
    let table = of_bits(2, &[OTHER, FAR]);
    s.thread("insert", move || {
        assert!(
            !table.insert(OTHER, 0),
            "a twin is not seen while the table shrinks"
        );
        assert!(table.insert(NAT, 0));
    });
    s.thread("shrink", move || table.resize(1));
    leaves(s, table, &[NAT, OTHER, FAR]);
}

/// Objects are removed while the table grows.
pub(crate) fn remove_grow(s: &mut Scenario) {
    let table = small(&[NAT, FAR, OTHER]);
    s.thread("remove", move || {
        assert!(
            table.remove(NAT),
            "what is to be removed is not found while the table grows"
        );
        assert!(!table.has(NAT, 0) && !table.has(NAT, 1));
    });
    s.thread("grow", move || table.resize(2));
    leaves(s, table, &[OTHER, FAR]);
}

/// As [`remove_grow`], while the table shrinks.
pub(crate) fn remove_shrink(s: &mut Scenario) {
    let table = of_bits(2, &[NAT, FAR, OTHER]);
    s.thread("remove", move || {
        assert!(
            table.remove(FAR),
            "what is to be removed is not found while the table shrinks"
        );
        assert!(
            table.remove(NAT),
            "what is to be removed is not found while the table shrinks"
        );
    });
    s.thread("shrink", move || table.resize(1));
    leaves(s, table, &[OTHER]);
}

/// The wheel visits the slot of objects while the table grows.
pub(crate) fn expire_grow(s: &mut Scenario) {
    let table = small(&[NAT, FAR]);
    s.thread("expire", move || assert_eq!(table.expire(0).len(), 2));
    s.thread("grow", move || table.resize(2));
    leaves(s, table, &[]);
}

/// Two threads resize the table: one succeeds, or both in turn.
pub(crate) fn grow_grow(s: &mut Scenario) {
    let table = small(&[NAT, FAR]);
    s.thread("grow", move || table.resize(2));
    s.thread("shrink", move || {
        table.resize(3);
        assert!(table.has(NAT, 0));
    });
    leaves(s, table, &[NAT, FAR]);
}

/// Two threads insert and remove their own objects in shared chains, one looks up and re-arms
/// objects, and one resizes the table and expires slots.
pub(crate) fn storm(s: &mut Scenario) {
    /// Stays in the table: its slot is never visited.
    const STAYS: Key = Key(9, 5, Some(2));
    const OWN: [[Key; 2]; 2] = [
        [Key(1, 1, Some(2)), Key(2, 3, None)],
        [Key(3, 2, Some(1)), Key(4, 1, None)],
    ];
    let table = small(&[]);
    table.insert(STAYS, 2);
    let (ended, end) = notes();
    let (kept, left) = (
        Rc::new(RefCell::new(Vec::new())),
        Rc::new(RefCell::new(Vec::new())),
    );
    for (name, own) in [("writer", OWN[0]), ("another", OWN[1])] {
        let (kept, ended) = (kept.clone(), ended.clone());
        s.thread(name, move || {
            let mut mine = Vec::new();
            for _ in 0..4 {
                let key = own[engine::choose(2)];
                if mine.contains(&key.0) {
                    let by_this = table.remove(key);
                    // If another thread removed it, that thread notes it.
                    if by_this {
                        mine.retain(|&other| other != key.0);
                    }
                } else if !ended.borrow().contains(&key.0) {
                    assert!(table.insert(key, engine::choose(2) as u16));
                    mine.push(key.0);
                }
                assert!(table.has(STAYS, 0) && table.has(STAYS, 1));
            }
            kept.borrow_mut().extend(mine);
        });
    }
    s.thread("reader", move || {
        for _ in 0..4 {
            let key = OWN[engine::choose(2)][engine::choose(2)];
            let direction = engine::choose(2);
            table.with(key, direction, |_, object| {
                table.rearm(object, engine::choose(2) as u16)
            });
            assert!(table.has(STAYS, direction), "what stays is not found");
        }
    });
    s.thread("timer", move || {
        for _ in 0..3 {
            match engine::choose(4) {
                0 => {
                    let keys = table.expire(engine::choose(2) as u16);
                    ended.borrow_mut().extend(keys);
                }
                3 => table.rekey(1 + engine::choose(2) as u32, engine::choose(4) as u32),
                bits => table.resize(bits as u32),
            }
        }
    });
    s.end(move || {
        left.borrow_mut().extend(
            kept.borrow()
                .iter()
                .filter(|key| !end.borrow().contains(key)),
        );
        let mut keys: Vec<Key> = OWN
            .concat()
            .into_iter()
            .filter(|key| left.borrow().contains(&key.0))
            .collect();
        keys.push(STAYS);
        table.check(&keys);
        table.drop_table();
    });
}
