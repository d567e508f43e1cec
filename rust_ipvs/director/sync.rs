// SPDX-License-Identifier: GPL-2.0

//! Sync daemons: a master multicasts its connections, a backup inserts them (behaviour.rst 14).
//!
//! A master has *send queues*: messages that packets write into, and a thread for each lane that
//! sends them. A backup has threads that receive messages, and makes connections of them as packets
//! would. Both are daemons that users start and stop; a namespace may have one of each.
//!
//! # What packets pay
//!
//! Nothing while there is no master. While there is one, the timeouts by which packets see whether
//! anything about their connection changes have a bit set that no connection's own has, so that
//! each packet finds them different and asks why (`timeouts.rs`).
//!
//! # Locks
//!
//! The daemons' mutex is taken before the configuration mutex. A queue's lock is taken by packets,
//! also with a shard of the connection table locked.

pub(crate) mod backup;
mod daemons;
mod host;
mod master;
mod placeholder;
mod queue;
mod rx;
mod settings;
mod start;

pub(crate) use self::{
    daemons::Daemons,
    host::SyncHost,
    rx::Listener,
    settings::SyncSettings, //
};

pub(super) use self::master::{
    sync_conn,
    sync_kept,
    sync_template, //
};
