// SPDX-License-Identifier: GPL-2.0

//! Packet quoted by an ICMP error, and the connection that it belongs to (I-1, I-2).

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

/// Reads what may not lie in one piece yet; `None` where it is not there or wrong.
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

/// The connection of a packet between two ends, and what the packet would be to it.
pub(super) fn find<'g, F: InetFamily>(
    context: &Context<'g, F>,
    protocol: u8,
    src: &Endpoint<F>,
    dst: &Endpoint<F>,
) -> Option<(&'g Connection<F>, PacketRole)> {
    let connections = context.connections;
    let hash = F::hash(&connections.key, src, dst, protocol);
    let mut role = PacketRole::Reply;
    let (connection, _) = connections
        .table
        .find(context.rcu, hash, |connection, direction| {
            let found = connection.role(direction, protocol, src, dst);
            role = found.unwrap_or(role);
            found.is_some()
        })?;
    Some((connection, role))
}
