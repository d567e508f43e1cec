// SPDX-License-Identifier: GPL-2.0

//! Sync messages: formats, parser, builder, and the decision to send (behaviour.rst 14).
//!
//! A message is a datagram with a head and entries, one for each connection or template. There are
//! two formats: the present one, version 1, and version 0, which knows IPv4 only. Numbers are in
//! network byte order.

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

/// Flags of an entry (C-2). Bits that are not named here say nothing to others.
pub(crate) mod flags {
    /// Bits of the forwarding method.
    pub(crate) const METHOD: u32 = 0x7;
    /// It was received from another director.
    pub(crate) const SYNC: u32 = 0x20;
    /// Replies are not expected to pass.
    pub(crate) const NO_OUTPUT: u32 = 0x80;
    /// The connection is in no active state.
    pub(crate) const INACTIVE: u32 = 0x100;
    /// Sequence numbers of one direction or both are shifted, and a record of that follows.
    pub(crate) const SEQUENCES: u32 = 0x600;
    /// The client's port is not known yet.
    pub(crate) const NO_CLIENT_PORT: u32 = 0x800;
    /// It is a template.
    pub(crate) const TEMPLATE: u32 = 0x1000;
    /// It ends with its only packet.
    pub(crate) const ONE_PACKET: u32 = 0x2000;
    /// The kernel tracks it, too.
    pub(crate) const TRACKED: u32 = 0x1_0000;
    /// Flags that are taken from others (B-21).
    pub(crate) const TAKEN: u32 =
        METHOD | NO_OUTPUT | INACTIVE | SEQUENCES | NO_CLIENT_PORT | TEMPLATE;
}

/// The format of a message (B-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// The old one.
    V0,
    /// The present one.
    V1,
}

/// Shift of the sequence numbers of a direction: from where on, by how much, and by how much
/// before.
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
    /// The protocol; `IPPROTO_IP`, 0, of a template for marked packets, whose VIP is the mark
    /// (B-14).
    pub(crate) protocol: u8,
    /// See [`flags`].
    pub(crate) flags: u32,
    /// The number of the state.
    pub(crate) state: u16,
    /// The client; of a template what is left of it.
    pub(crate) client: (Ip, u16),
    /// The VIP.
    pub(crate) virt: (Ip, u16),
    /// Endpoint to which its packets go.
    pub(crate) dest: (Ip, u16),
    /// The firewall mark of its service; 0 for none.
    pub(crate) mark: u32,
    /// After how many seconds without a packet it ends; 0 where that is not said.
    pub(crate) timeout: u32,
    /// Shift of the sequence numbers from the client, and of those to it.
    pub(crate) shifts: Option<(Shift, Shift)>,
    /// A template's persistence engine by name, and what it goes by.
    pub(crate) engine: Option<(&'a [u8], &'a [u8])>,
}

impl SyncEntry<'_> {
    /// Returns whether it is a template's.
    pub(crate) fn is_template(&self) -> bool {
        self.flags & flags::TEMPLATE != 0
    }

    /// Returns whether it is of IPv6.
    fn is_v6(&self) -> bool {
        matches!(self.client.0, Ip::V6(_))
    }
}

/// Length of the head of a version 0 message.
const HEAD_V0: usize = 4;
/// Length of the head of a version 1 message.
const HEAD_V1: usize = 8;
/// Length of an entry of version 0 without its record of sequences.
const ENTRY_V0: usize = 24;
/// Length of an entry of IPv4 without options.
const ENTRY_V4: usize = 36;
/// Length of an entry of IPv6 without options.
const ENTRY_V6: usize = 72;
/// Length of a record of sequences.
const SEQUENCES: usize = 24;
/// The bit of an entry's type that says IPv6.
const TYPE_V6: u8 = 1;
/// The bits of an entry's second word that are its length; the others are its version, 0.
const LENGTH_MASK: u16 = 0x0fff;

/// Options of an entry (B-12).
mod option {
    pub(super) const SEQUENCES: u8 = 1;
    pub(super) const ENGINE_DATA: u8 = 2;
    pub(super) const ENGINE_NAME: u8 = 3;
    /// The bit that says that who does not know the option may pass over it.
    pub(super) const OPTIONAL: u8 = 0x40;
    /// Length of a type and a length.
    pub(super) const HEAD: usize = 2;
    /// The longest name of an engine.
    pub(super) const NAME_MAX: usize = 16;
}

/// Number of states of a template (P-15).
const TEMPLATE_STATES: usize = 2;

/// Returns how many states connections of a protocol have; `None` where there are no such
/// connections.
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
