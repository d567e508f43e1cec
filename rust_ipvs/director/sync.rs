// SPDX-License-Identifier: GPL-2.0

//! Sync daemons: a master multicasts its connections, a backup inserts the received ones
//! (behaviour.rst 14; C: `ip_vs_sync.c`).
//!
//! Main types: [`Daemons`], the daemons of a namespace; `SyncQueue`, the queue from packets to a
//! sending thread of the master (C: `struct ipvs_master_sync_state`); [`SyncHost`], the trait by
//! which the daemons use the namespace's state. An administrator starts and stops the daemons; a
//! namespace may have one master and one backup. This folder may use `conn`, `dest` and `service`
//! of the director's folders; `netns` uses it.
//!
//! # Cost for packets
//!
//! None without a master. With a master the timeouts of the protocol states have a bit that the
//! timeout of a connection never has (`SYNC_ACTIVE`), so that each packet takes the slow path,
//! which calls [`sync_conn`].
//!
//! # Locks
//!
//! The mutex of the daemons is taken before the configuration mutex. The lock of a sync queue is
//! taken by packets, also under the lock of a shard of the connection table.

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
