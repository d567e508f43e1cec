// SPDX-License-Identifier: GPL-2.0

//! Text of listings: pure functions from data to ipvsadm's text.

mod address;
mod cell;
pub mod connections;
pub mod counters;
mod daemons;
pub mod json;
mod table;
mod timeouts;

pub use address::{flag_names, forward_name, full_address};
pub use connections::connections;
pub use daemons::daemons;
pub use json::document;
pub use table::table;
#[cfg(test)]
pub use table::tests as table_tests;
#[cfg(test)]
pub use table::tests::groups;
pub use timeouts::timeouts;
