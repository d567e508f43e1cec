// SPDX-License-Identifier: GPL-2.0

//! Requests of administrators: changes of the configuration, dumps, statistics, and the rules of a
//! firewall that ask about connections.

mod config;
mod daemons;
mod dump;
mod stats;
mod xt_match;

pub(crate) use self::dump::{
    Bookmark,
    BucketCursor,
    Line,
    ListCursor,
    Shown, //
};
