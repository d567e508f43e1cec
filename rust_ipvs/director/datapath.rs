// SPDX-License-Identifier: GPL-2.0

//! Packet path: the netfilter hooks, scheduling of new connections, and handling of replies.
//!
//! A packet enters in [`hooks`], or in [`fast`] if that is enabled. One of a known connection goes
//! to [`reply`] or to `xmit`; one of no connection goes to [`schedule`]. All of them take a
//! [`Context`](super::packet::Context). This folder is the top of the packet path: it may use every
//! other subject except `admin`, and of `sync` only what queues a connection for sending.

mod conn_out;
mod fast;
mod hooks;
mod no_cport;
mod persistence;
mod register;
mod reply;
mod reset;
mod reuse;
mod schedule;
mod state;
