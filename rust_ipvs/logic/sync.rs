// SPDX-License-Identifier: GPL-2.0

//! Sync messages: formats, parser, builder, and the decision to send (behaviour.rst 14).
//!
//! A message is a UDP datagram with a header and entries, one for each connection or template.
//! There are two formats: version 1, and the old version 0, which supports IPv4 only. Numbers are
//! in network byte order.

pub(crate) mod daemon;
pub(crate) mod rate_limit;
pub(crate) mod read;
pub(crate) mod write;

use super::config::Ip;
use super::packet::{
    SCTP,
    TCP,
    UDP, //
};
use super::sctp;
use super::tcp;
use super::udp;

/// Flags of an entry (C-2). Other bits are ignored.
pub(crate) mod flags {
    /// Forwarding method.
    pub(crate) const METHOD: u32 = 0x7;
    /// Received from another director.
    pub(crate) const SYNC: u32 = 0x20;
    /// Replies do not pass the director.
    pub(crate) const NO_OUTPUT: u32 = 0x80;
    /// The connection is not active.
    pub(crate) const INACTIVE: u32 = 0x100;
    /// Sequence numbers of either direction are shifted; a record with the shifts follows.
    pub(crate) const SEQUENCES: u32 = 0x600;
    /// The client's port is not known yet.
    pub(crate) const NO_CLIENT_PORT: u32 = 0x800;
    /// Template.
    pub(crate) const TEMPLATE: u32 = 0x1000;
    /// One-packet scheduling.
    pub(crate) const ONE_PACKET: u32 = 0x2000;
    /// The connection has a conntrack entry.
    pub(crate) const TRACKED: u32 = 0x1_0000;
    /// Flags that a receiver takes over (B-21).
    pub(crate) const TAKEN: u32 =
        METHOD | NO_OUTPUT | INACTIVE | SEQUENCES | NO_CLIENT_PORT | TEMPLATE;
}

/// Format of a message (B-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// Version 0, the old format.
    V0,
    /// Version 1.
    V1,
}

/// Shift of the sequence numbers of a direction: the first shifted number, the shift, and the shift
/// before it (`struct ip_vs_seq`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shift {
    pub(crate) from: u32,
    pub(crate) delta: u32,
    pub(crate) before: u32,
}

/// Entry of a connection or template in a message (B-11, B-13). Ports and numbers are in host byte
/// order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncEntry<'a> {
    /// Protocol; `IPPROTO_IP`, 0, for a template of a service by mark, whose VIP is the mark
    /// (B-14).
    pub(crate) protocol: u8,
    /// Flags, see [`flags`].
    pub(crate) flags: u32,
    /// Number of the state.
    pub(crate) state: u16,
    /// Client; of a template its network.
    pub(crate) client: (Ip, u16),
    /// The VIP.
    pub(crate) virt: (Ip, u16),
    /// Destination.
    pub(crate) dest: (Ip, u16),
    /// Firewall mark of its service; 0 for none.
    pub(crate) mark: u32,
    /// Timeout in seconds; 0 if the message has none.
    pub(crate) timeout: u32,
    /// Shifts of the sequence numbers from the client and to it.
    pub(crate) shifts: Option<(Shift, Shift)>,
    /// Name of a template's persistence engine, and its key.
    pub(crate) engine: Option<(&'a [u8], &'a [u8])>,
}

impl SyncEntry<'_> {
    /// Returns true for a template.
    pub(crate) fn is_template(&self) -> bool {
        self.flags & flags::TEMPLATE != 0
    }

    /// Returns true if the addresses are IPv6.
    fn is_v6(&self) -> bool {
        matches!(self.client.0, Ip::V6(_))
    }
}

/// Length of the header of version 0, in bytes.
const HEAD_V0: usize = 4;
/// Length of the header of version 1, in bytes.
const HEAD_V1: usize = 8;
/// Length of an entry of version 0 without sequence numbers, in bytes.
const ENTRY_V0: usize = 24;
/// Length of an IPv4 entry without options, in bytes.
const ENTRY_V4: usize = 36;
/// Length of an IPv6 entry without options, in bytes.
const ENTRY_V6: usize = 72;
/// Length of a record of sequence numbers, in bytes.
const SEQUENCES: usize = 24;
/// Bit of an entry's type for IPv6.
const TYPE_V6: u8 = 1;
/// Length of an entry, in its second 16-bit word; the other bits are its version, 0.
const LENGTH_MASK: u16 = 0x0fff;

/// Options of an entry (B-12).
mod option {
    pub(super) const SEQUENCES: u8 = 1;
    pub(super) const ENGINE_DATA: u8 = 2;
    pub(super) const ENGINE_NAME: u8 = 3;
    /// Bit of an option that a receiver which does not know it may skip.
    pub(super) const OPTIONAL: u8 = 0x40;
    /// Length of type and length of an option, in bytes.
    pub(super) const HEAD: usize = 2;
    /// Maximum length of an engine's name, in bytes.
    pub(super) const NAME_MAX: usize = 16;
}

/// Number of states of a template (P-15).
const TEMPLATE_STATES: usize = 2;

/// Returns the number of connection states of a protocol; `None` if it is not balanced.
fn states(protocol: u8) -> Option<usize> {
    match protocol {
        TCP => Some(tcp::STATES),
        UDP => Some(udp::STATES),
        SCTP => Some(sctp::STATES),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
