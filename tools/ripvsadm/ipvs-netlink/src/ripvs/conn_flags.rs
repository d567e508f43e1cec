// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Flags of connections (`RIPVS_CONN_FLAG_*`).

use super::uapi::conn_flags;

/// A persistence template, not a connection.
pub const TEMPLATE: u32 = conn_flags::TEMPLATE;
/// Received from another director.
pub const SYNCED: u32 = conn_flags::SYNCED;
/// Not in an active state.
pub const INACTIVE: u32 = conn_flags::INACTIVE;
/// No reply has been seen, and none is expected.
pub const NO_OUTPUT: u32 = conn_flags::NO_OUTPUT;
/// The client's port is not known yet.
pub const NO_CLIENT_PORT: u32 = conn_flags::NO_CLIENT_PORT;
/// It ends with its first packet.
pub const ONE_PACKET: u32 = conn_flags::ONE_PACKET;
/// It uses conntrack.
pub const TRACKED: u32 = conn_flags::TRACKED;
/// No packet finds it any more. It stays for the entries that it controls.
pub const UNHASHED: u32 = conn_flags::UNHASHED;
/// A template or a control connection has begun it.
pub const CONTROLLED: u32 = conn_flags::CONTROLLED;
/// Other entries depend on it.
pub const CONTROLS: u32 = conn_flags::CONTROLS;
