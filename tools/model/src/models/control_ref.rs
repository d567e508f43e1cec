// SPDX-License-Identifier: GPL-2.0

//! Models of control references, which prevent the removal of an object.

use crate::{
    kapi::{
        rcu,
        table::ControlRef, //
    },
    object::{
        Key,
        Object,
        Shared, //
    },
};
use engine::Scenario;
use std::{
    cell::RefCell,
    rc::Rc, //
};

/// Template.
const TEMPLATE: Key = Key(1, 1, None);
/// Connection that the template controls.
const CONNECTION: Key = Key(2, 2, Some(1));

fn with_template() -> Shared {
    let table = Shared::new(1);
    assert!(table.insert(TEMPLATE, 0));
    table
}

fn control(table: Shared) -> Option<ControlRef<Object>> {
    table
        .with(TEMPLATE, 0, |_, object| ControlRef::on(object))
        .flatten()
}

/// A reference is taken while the object is removed: it is refused, or the object stays.
pub(crate) fn take_remove(s: &mut Scenario) {
    let table = with_template();
    let taken = Rc::new(RefCell::new(None));
    let end = taken.clone();
    let removed = Rc::new(RefCell::new(false));
    let gone = removed.clone();
    s.thread("take", move || {
        let control = control(table);
        if let Some(control) = &control {
            rcu::read(|rcu| assert_eq!(control.get(rcu).map(Object::key), Some(TEMPLATE.0)));
            assert!(
                table.has(TEMPLATE, 0),
                "an object that is held has left its table"
            );
        }
        *taken.borrow_mut() = control;
    });
    s.thread("remove", move || {
        *removed.borrow_mut() = table.remove(TEMPLATE)
    });
    s.end(move || {
        let control = end.borrow_mut().take();
        assert_ne!(
            control.is_some(),
            *gone.borrow(),
            "an object was removed that is held, or neither"
        );
        drop(control);
        let left: &[Key] = if *gone.borrow() { &[] } else { &[TEMPLATE] };
        table.check(left);
        table.drop_table();
    });
}

/// A reference is released, outside of any read-side section, while the object is removed.
pub(crate) fn release_remove(s: &mut Scenario) {
    let table = with_template();
    let control = control(table).expect("a hold");
    s.thread("release", move || {
        rcu::read(|rcu| assert_eq!(control.get(rcu).map(Object::key), Some(TEMPLATE.0)));
        control.release();
    });
    let removed = Rc::new(RefCell::new(false));
    let gone = removed.clone();
    s.thread("remove", move || {
        *removed.borrow_mut() = table.remove(TEMPLATE)
    });
    s.end(move || {
        let left: &[Key] = if *gone.borrow() { &[] } else { &[TEMPLATE] };
        table.check(left);
        table.drop_table();
    });
}

/// The wheel visits the slot of a template while a connection takes or drops its reference.
pub(crate) fn control_expire(s: &mut Scenario) {
    let table = with_template();
    let ended = Rc::new(RefCell::new(Vec::new()));
    let end = ended.clone();
    s.thread("connection", move || {
        if let Some(control) = control(table) {
            assert!(table.insert_controlled(CONNECTION, 1, control));
            let control = table.with(CONNECTION, 1, |rcu, object| object.control_key(rcu));
            assert_eq!(control, Some(Some(TEMPLATE.0)));
            assert!(table.remove(CONNECTION));
        }
    });
    s.thread("expire", move || *ended.borrow_mut() = table.expire(0));
    s.end(move || {
        let left: &[Key] = if end.borrow().is_empty() {
            &[TEMPLATE]
        } else {
            &[]
        };
        table.check(left);
        table.drop_table();
    });
}
