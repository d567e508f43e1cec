// SPDX-License-Identifier: GPL-2.0

//! Packet quoted by an ICMP error, and its connection (I-1, I-2).

use crate::{
    director::{
        conn::{
            Connection,
            InetFamily,
            PacketRole, //
        },
        packet::Context, //
    },
    kapi::skbuff::Packet,
    logic::{
        family::Endpoint,
        packet::ParseError, //
    },
};

/// Parses headers that may be outside the linear part. Returns `None` if they are truncated or
/// malformed.
pub(super) fn read<T>(
    packet: &mut Packet,
    parse: impl Fn(&[u8]) -> Result<T, ParseError>,
) -> Option<T> {
    for _ in 0..Packet::READS {
        match parse(packet.bytes()) {
            Ok(value) => return Some(value),
            Err(ParseError::Short(needed)) if packet.pull_more(needed) => {}
            Err(_) => break,
        }
    }
    None
}

/// Looks up the connection of a packet from `src` to `dst`; also returns the packet's role in it.
pub(super) fn find<'g, F: InetFamily>(
    context: &Context<'g, F>,
    protocol: u8,
    src: &Endpoint<F>,
    dst: &Endpoint<F>,
) -> Option<(&'g Connection<F>, PacketRole)> {
    let connections = context.connections;
    let found = connections.look_up(context.rcu, protocol, (*src, *dst), true);
    found.ok()
}
