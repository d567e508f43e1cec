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

mod awaited;
mod background;
mod clock;
mod config_held;
mod connection;
mod connections;
mod context;
mod defence;
mod destination;
mod devices;
mod draft;
mod estimation;
mod expiry;
mod fragments;
mod ftp;
mod helped;
mod hooks;
mod housekeeping;
mod icmp;
mod ids;
mod life;
mod listing;
mod locality;
mod manage;
mod matching;
mod namespace;
mod no_cport;
mod nodest;
mod outgoing;
mod persistence;
mod plane;
mod queues;
mod registration;
mod reply;
mod resize;
mod reuse;
mod schedule;
mod scheduling;
mod sctp;
mod senders;
mod servers;
mod service;
mod settings;
mod stack;
mod stage;
mod state;
mod statistics;
mod sync;
mod template;
mod timeouts;
mod tracking;
mod trash;
mod watch;
mod xmit;

pub(crate) use listing::{
    Bookmark,
    BucketCursor,
    Line,
    ListCursor,
    Shown, //
};
pub(crate) use namespace::{
    Caches,
    NetnsIpvs, //
};
