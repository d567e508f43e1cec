// SPDX-License-Identifier: GPL-2.0

//! Messages of the generic netlink family `RIPVS`, which only this module has.
//!
//! Unlike those of the family `IPVS` they are read strictly: an attribute that is unknown, of a
//! wrong length or given twice is an error.

mod change;
mod drain;
mod event;
mod fields;
mod filter;
mod own;
mod reasons;
pub(crate) mod uapi;

pub(crate) use self::{
    change::{
        change,
        changes,
        ConfigChange, //
    },
    drain::state as drain_state,
    event::ConfigEvent,
    fields::single,
    filter::{
        deletion,
        selection,
        Facts,
        Filter,
        SelectedConnection,
        TEMPLATE_STATES, //
    },
    reasons::{
        only,
        service_only, //
    },
};

#[cfg(test)]
mod tests;
