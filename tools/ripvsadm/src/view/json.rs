// SPDX-License-Identifier: GPL-2.0

//! `--json`: the same as the other listings, for programs. Addresses and ports are numbers, rates
//! are per second; the shapes are in Documentation/ripvsadm.rst.

mod connections;
mod daemons;
mod document;
mod table;
mod timeouts;

pub use connections::{connections, object, ConnectionObject};
pub use daemons::daemons;
pub use document::document;
pub use table::table;
pub use timeouts::timeouts;
