// SPDX-License-Identifier: GPL-2.0

//! Models.

use engine::Scenario;

mod cell;
mod control_ref;
mod load;
mod rekey;
mod status;
mod table;

/// Mode in which a model is run.
#[derive(Clone, Copy)]
pub(crate) enum How {
    /// All orders with at most that many preemptions.
    All(usize),
    /// That many random orders.
    Random(u64),
}

/// Any number of preemptions.
pub(crate) const ANY: usize = usize::MAX;

/// A model.
pub(crate) struct Model {
    pub(crate) name: &'static str,
    pub(crate) build: fn(&mut Scenario),
    pub(crate) how: How,
}

const fn all(name: &'static str, build: fn(&mut Scenario), interruptions: usize) -> Model {
    Model {
        name,
        build,
        how: How::All(interruptions),
    }
}

const fn random(name: &'static str, build: fn(&mut Scenario), times: u64) -> Model {
    Model {
        name,
        build,
        how: How::Random(times),
    }
}

pub(crate) const MODELS: &[Model] = &[
    all("table-insert-rearm", table::insert_rearm, 3),
    all("table-insert-remove-found", table::insert_remove_found, 3),
    all("table-insert-find", table::insert_find, 3),
    all("table-insert-twice", table::insert_twice, 3),
    all("table-insert-remove", table::insert_remove, 3),
    all("table-insert-expire", table::insert_expire, 3),
    all("table-insert-grow", table::insert_grow, 3),
    all("table-insert-shrink", table::insert_shrink, 3),
    all("table-find-remove", table::find_remove, 3),
    all("table-find-grow", table::find_grow, 3),
    all("table-find-absent-grow", table::find_absent_grow, 3),
    all("table-find-grow-long", table::find_grow_long, 2),
    all("table-remove-grow-long", table::remove_grow_long, 1),
    all("table-change-grow-long", table::change_grow_long, 2),
    all("table-find-shrink", table::find_shrink, 3),
    all("table-remove-remove", table::remove_remove, 3),
    all("table-remove-grow", table::remove_grow, 2),
    all("table-remove-shrink", table::remove_shrink, 2),
    all("table-remove-expire", table::remove_expire, 3),
    all("table-rearm-remove", table::rearm_remove, 3),
    all("table-rearm-expire", table::rearm_expire, 3),
    all("table-expire-grow", table::expire_grow, 3),
    all("table-grow-grow", table::grow_grow, 3),
    all("table-find-rekey", rekey::find_rekey, 2),
    all("table-find-rekey-twice", rekey::find_rekey_twice, 2),
    all("table-find-rekey-long", rekey::find_rekey_long, 1),
    all("table-find-absent-rekey", rekey::find_absent_rekey, 3),
    all("table-insert-rekey", rekey::insert_rekey, 2),
    all("table-insert-known-rekey", rekey::insert_known_rekey, 2),
    all("table-insert-twice-rekey", rekey::insert_twice_rekey, 2),
    all("table-insert-rearm-rekey", rekey::insert_rearm_rekey, 1),
    all("table-remove-rekey", rekey::remove_rekey, 1),
    all("table-remove-rekey-long", rekey::remove_rekey_long, 1),
    all("table-rearm-rekey", rekey::rearm_rekey, 2),
    all("table-expire-rekey", rekey::expire_rekey, 2),
    all("table-rekey-grow", rekey::rekey_grow, 2),
    random("table-storm", table::storm, 10_000),
    all("hold-take-remove", control_ref::take_remove, ANY),
    all("hold-release-remove", control_ref::release_remove, ANY),
    all("hold-control-expire", control_ref::control_expire, 3),
    all("status-close-end", status::close_end, ANY),
    all("status-open-end", status::open_end, ANY),
    all("status-count-segment", status::count_segment, 4),
    all("status-segments", status::segments, ANY),
    all("status-apply-end", status::apply_end, 3),
    all("status-give-place", status::release_count, 3),
    all("load-bind-unbind", load::bind_unbind, ANY),
    all("load-unbind-bind", load::unbind_bind, ANY),
    all("load-bind-bind", load::bind_bind, 3),
    all("load-edit-unbind", load::edit_unbind, ANY),
    all("load-edit-bind", load::edit_bind, ANY),
    all("cell-get-replace", cell::get_replace, ANY),
    all("cell-replace-replace", cell::replace_replace, ANY),
    all("cell-exchange-exchange", cell::exchange_exchange, ANY),
    all("slots-push", cell::slots_push, ANY),
    all("slots-take", cell::slots_take, ANY),
];
