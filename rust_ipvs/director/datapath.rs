// SPDX-License-Identifier: GPL-2.0

//! The way of a packet: the hooks, and what they call until the packet is sent.

mod conn_out;
mod hooks;
mod no_cport;
mod persistence;
mod register;
mod reply;
mod reuse;
mod schedule;
mod state;
