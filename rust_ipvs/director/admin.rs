// SPDX-License-Identifier: GPL-2.0

//! Requests of administrators: configuration, dumps, statistics, and the state that the iptables
//! match `ipvs` reads.
//!
//! Each file adds methods to [`NetnsIpvs`](super::netns::NetnsIpvs), which the control layer calls;
//! [`ListCursor`], [`BucketCursor`], [`ConnCursor`] and [`Bookmark`] are the positions of dumps.
//! This folder is the top of the director: it may use `conn`, `dest`, `netns` and `service`, and no
//! other folder imports it. The teardown in `netns` calls its `flush_for_good()`.

mod config;
mod daemons;
mod dump;
mod dump_all;
mod reasons;
mod select;
mod stats;
mod transaction;
mod xt_match;

pub(crate) use self::{
    dump::{
        Bookmark,
        BucketCursor,
        Line,
        ListCursor,
        Shown, //
    },
    select::ConnCursor,
};
