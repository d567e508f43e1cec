// SPDX-License-Identifier: GPL-2.0

//! Models of a destination's count of connections and its overload flag.

use crate::{
    director::dest::load::Load,
    shared::{
        give_back,
        shared, //
    },
};
use engine::Scenario;

/// Makes a destination with that many connections.
fn with(connections: u32, thresholds: (u32, u32)) -> &'static Load {
    let load = shared(Load::new(1, thresholds));
    for _ in 0..connections {
        bind(load, false);
    }
    load
}

/// Checks at the end that the flag agrees with the count, which is `total`.
fn agrees(s: &mut Scenario, load: &'static Load, total: i32) {
    s.end(move || {
        assert_eq!(load.total(), total);
        let (upper, lower) = load.thresholds();
        if upper != 0 && total as u32 >= upper {
            assert!(
                load.is_overloaded(),
                "not overloaded with {total} connections"
            );
        }
        if upper == 0 || (total as u32) < lower {
            assert!(!load.is_overloaded(), "overloaded with {total} connections");
        }
        assert_eq!(load.weight(), 1);
        give_back(load);
    });
}

// Nobody is told of the OVERLOAD flag here.

fn bind(load: &Load, active: bool) {
    let _ = load.bind(active);
}

fn unbind(load: &Load, active: bool) {
    let _ = load.unbind(active);
}

fn set_thresholds(load: &Load, thresholds: (u32, u32)) {
    let _ = load.set_thresholds(thresholds);
}

/// A bind reaches the upper threshold while other connections end.
pub(crate) fn bind_unbind(s: &mut Scenario) {
    let load = with(1, (2, 2));
    s.thread("bind", move || bind(load, false));
    s.thread("unbind", move || unbind(load, false));
    agrees(s, load, 1);
}

/// An unbind passes the lower threshold while others reach the upper one again.
pub(crate) fn unbind_bind(s: &mut Scenario) {
    let load = with(2, (2, 2));
    s.thread("unbind", move || unbind(load, false));
    s.thread("bind", move || bind(load, false));
    agrees(s, load, 2);
}

/// Binds and unbinds across the upper and the lower threshold.
pub(crate) fn bind_bind(s: &mut Scenario) {
    let load = with(1, (3, 2));
    s.thread("first", move || {
        bind(load, true);
        unbind(load, true);
    });
    s.thread("second", move || {
        bind(load, false);
        unbind(load, false);
    });
    agrees(s, load, 1);
}

/// An edit lowers the upper threshold to the present count while connections end.
pub(crate) fn edit_unbind(s: &mut Scenario) {
    let load = with(2, (8, 4));
    s.thread("edit", move || {
        load.set_weight(1, false);
        set_thresholds(load, (2, 2));
    });
    s.thread("unbind", move || unbind(load, false));
    agrees(s, load, 1);
}

/// An edit lowers the upper threshold to the count after a concurrent bind.
pub(crate) fn edit_bind(s: &mut Scenario) {
    let load = with(1, (8, 4));
    s.thread("edit", move || set_thresholds(load, (2, 2)));
    s.thread("bind", move || bind(load, false));
    agrees(s, load, 2);
}
