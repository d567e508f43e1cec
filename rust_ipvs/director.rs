// SPDX-License-Identifier: GPL-2.0

//! IPVS itself, in safe code on top of `logic` and `kapi`.
//!
//! A [`NetnsIpvs`] is the load balancer of one network namespace. It has a [`Plane`] for each
//! address family, in which services and connections live; packets come in through `hooks`, people
//! through `manage`.
//!
//! # Locks
//!
//! Packets take no lock but a shard of the connection table, when a connection begins, ends or
//! comes closer to its end. Administrators take [`NetnsIpvs`]'s `config` mutex; under it nothing
//! but RCU pointers and plain words are written that packets read.

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
        Line,
        ListCursor,
        Shown, //
    },
    netns::{
        Caches,
        NetnsIpvs, //
    },
};
