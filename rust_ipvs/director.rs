// SPDX-License-Identifier: GPL-2.0

//! The load balancer: IPVS in safe code on top of `logic` and `kapi`.
//!
//! A [`NetnsIpvs`] is the state of one network namespace. It has an `AfState` for each address
//! family, with services and connections. Packets enter through the hooks in `datapath`, requests
//! of administrators through `admin`.
//!
//! # Locks
//!
//! A packet takes no lock but that of a shard of the connection table, when a connection is
//! inserted, removed or re-armed to an earlier time. Administrators take the mutex
//! [`NetnsIpvs`]`::config`; the data that packets read is changed under it by RCU and by atomic
//! words only.

mod admin;
mod conn;
mod datapath;
mod dest;
mod ftp;
mod icmp;
mod netns;
mod packet;
mod service;
mod sync;
mod xmit;

pub(crate) use self::{
    admin::{
        Bookmark,
        BucketCursor,
        ConnCursor,
        Line,
        ListCursor,
        Shown, //
    },
    dest::reasons::ReasonCounts,
    netns::{
        Caches,
        NetnsIpvs, //
    },
};
