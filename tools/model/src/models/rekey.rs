// SPDX-License-Identifier: GPL-2.0

//! Models of the connection table during a change of its key.

use super::table::{
    leaves,
    notes,
    small,
    CROSS,
    FAR,
    LONG,
    NAT,
    OTHER, //
};
use crate::object::Key;
use engine::Scenario;

/// Key with which each object has another shard, in both directions.
const NEW: u32 = 3;

/// Objects that stay in the table are found in each direction while the key changes.
pub(crate) fn find_rekey(s: &mut Scenario) {
    let table = small(&[NAT, FAR]);
    s.thread("find", move || {
        for (key, direction) in [(NAT, 0), (NAT, 1)] {
            let found = table.has(key, direction);
            assert!(found, "a connection is not found while the key changes");
        }
    });
    s.thread("rekey", move || table.rekey(1, NEW));
    leaves(s, table, &[NAT, FAR]);
}

/// As [`find_rekey`], with two changes of the key and a resize in between.
pub(crate) fn find_rekey_twice(s: &mut Scenario) {
    let table = small(&[NAT]);
    s.thread("find", move || {
        for direction in [0, 1] {
            let found = table.has(NAT, direction);
            assert!(found, "a connection is not found while the key changes");
        }
    });
    s.thread("rekey", move || {
        table.rekey(1, NEW);
        table.resize(2);
        table.rekey(1, 0);
    });
    leaves(s, table, &[NAT]);
}

/// Objects inside of a chain longer than a run are found while the key changes.
pub(crate) fn find_rekey_long(s: &mut Scenario) {
    let table = small(LONG);
    s.thread("find", move || {
        for key in [LONG[0], LONG[3]] {
            let found = table.has(key, 0);
            assert!(found, "a connection is not found while the key changes");
        }
    });
    s.thread("rekey", move || table.rekey(1, NEW));
    leaves(s, table, LONG);
}

/// A look-up of an absent object ends without a result while the key changes.
pub(crate) fn find_absent_rekey(s: &mut Scenario) {
    let table = small(&[FAR]);
    s.thread("find", move || {
        assert!(!table.has(CROSS, 0) && !table.has(NAT, 0));
    });
    s.thread("rekey", move || table.rekey(1, NEW));
    leaves(s, table, &[FAR]);
}

/// An object that is inserted while the key changes is found from then on.
pub(crate) fn insert_rekey(s: &mut Scenario) {
    let table = small(&[FAR]);
    s.thread("insert", move || {
        assert!(table.insert(NAT, 0));
        for direction in [0, 1] {
            let found = table.has(NAT, direction);
            assert!(
                found,
                "an inserted object is not found while the key changes"
            );
        }
    });
    s.thread("rekey", move || table.rekey(1, NEW));
    leaves(s, table, &[NAT, FAR]);
}

/// A present object is not inserted again while the key changes.
pub(crate) fn insert_known_rekey(s: &mut Scenario) {
    let table = small(&[NAT]);
    s.thread("insert", move || {
        let is_new = table.insert(NAT, 0);
        assert!(!is_new, "a duplicate is not found while the key changes");
    });
    s.thread("rekey", move || table.rekey(1, NEW));
    leaves(s, table, &[NAT]);
}

/// One of two threads inserts an object, and the other one finds it, while the key changes.
pub(crate) fn insert_twice_rekey(s: &mut Scenario) {
    let table = small(&[]);
    let (mine, end) = notes();
    for name in ["insert", "twin"] {
        let mine = mine.clone();
        s.thread(name, move || {
            if table.insert(OTHER, 0) {
                mine.borrow_mut().push(OTHER.0);
            }
            assert!(
                table.has(OTHER, 0),
                "an inserted object is not found while the key changes"
            );
        });
    }
    s.thread("rekey", move || table.rekey(1, NEW));
    s.end(move || {
        assert_eq!(end.borrow().len(), 1, "not one of two was inserted");
        table.check(&[OTHER]);
        table.drop_table();
    });
}

/// An object is found by its second hash and re-armed during its insertion and a change of the key.
pub(crate) fn insert_rearm_rekey(s: &mut Scenario) {
    let table = small(&[]);
    s.thread("insert", move || assert!(table.insert(NAT, 0)));
    s.thread("rearm", move || {
        table.with(NAT, 1, |_, object| table.rearm(object, 1));
    });
    s.thread("rekey", move || table.rekey(1, NEW));
    leaves(s, table, &[NAT]);
}

/// Objects are removed while the key changes.
pub(crate) fn remove_rekey(s: &mut Scenario) {
    let table = small(&[NAT, FAR, OTHER]);
    s.thread("remove", move || {
        let is_removed = table.remove(NAT);
        assert!(
            is_removed,
            "an object to remove is not found while the key changes"
        );
        assert!(!table.has(NAT, 0) && !table.has(NAT, 1));
    });
    s.thread("rekey", move || table.rekey(1, NEW));
    leaves(s, table, &[OTHER, FAR]);
}

/// As [`remove_rekey`], in a chain longer than a run.
pub(crate) fn remove_rekey_long(s: &mut Scenario) {
    let table = small(LONG);
    let gone = [0, 2, 3][engine::choose(3)];
    s.thread("remove", move || {
        let is_removed = table.remove(LONG[gone]);
        assert!(
            is_removed,
            "an object to remove is not found while the key changes"
        );
    });
    s.thread("rekey", move || table.rekey(1, NEW));
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

/// Objects are re-armed, and one of them is removed, while the key changes.
pub(crate) fn rearm_rekey(s: &mut Scenario) {
    let table = small(&[NAT, OTHER]);
    s.thread("rearm", move || {
        for direction in [0, 1] {
            let found = table.with(NAT, direction, |_, object| table.rearm(object, 1));
            assert!(
                found.is_some(),
                "an object to re-arm is not found while the key changes"
            );
        }
        assert!(table.remove(OTHER));
    });
    s.thread("rekey", move || table.rekey(1, NEW));
    s.end(move || {
        table.check(&[NAT]);
        assert_eq!(table.slot_of(NAT), Some(1));
        table.drop_table();
    });
}

/// Objects expire while the key changes.
pub(crate) fn expire_rekey(s: &mut Scenario) {
    let table = small(&[NAT, FAR]);
    s.thread("expire", move || assert_eq!(table.expire(0).len(), 2));
    s.thread("rekey", move || table.rekey(1, NEW));
    leaves(s, table, &[]);
}

/// A change of the key and a resize run at once.
pub(crate) fn rekey_grow(s: &mut Scenario) {
    let table = small(&[NAT, FAR]);
    s.thread("rekey", move || table.rekey(1, NEW));
    s.thread("grow", move || {
        table.resize(2);
        assert!(table.has(NAT, 0) && table.has(FAR, 0));
    });
    leaves(s, table, &[NAT, FAR]);
}
