// SPDX-License-Identifier: GPL-2.0

//! ICMP errors about tunnels to destinations, relayed to the clients (I-5).
//!
//! Such an error quotes the outer header that this host has added, and the client's packet inside.
//! IPv4 in IPv4 only, as in C IPVS.

use super::quote::{
    find,
    read, //
};
use crate::{
    director::{
        conn::{
            Connection,
            InetFamily,
            PacketRole, //
        },
        packet::Context, //
    },
    kapi::{
        netfilter::Verdict,
        route::RouteKind,
        skbuff::Packet, //
    },
    logic::{
        config::Encapsulation,
        family::ParseError,
        gre, gue,
        icmp::{
            Message,
            Quoted,
            FRAGMENTATION_NEEDED,
            UNREACHABLE, //
        },
        ipip,
        packet::{
            Fragment,
            UDP, //
        },
    },
};

/// Minimum MTU that is reported to a client, in bytes (RFC 791).
const LEAST_MTU: u32 = 68;

/// Handles an error about one of this host's tunnels; returns any other packet as `Err`. The quote
/// starts at offset `at`.
pub(super) fn handle<F: InetFamily>(
    context: &Context<'_, F>,
    message: &Message,
    at: usize,
    mut packet: Packet,
) -> Result<Verdict, Packet> {
    // This host is the source of the outer header, so an error about it is addressed to this host.
    if !packet.route_is_local(F::PROTOCOL) {
        return Err(packet);
    }
    let Some(inside) = inside(context, at, &mut packet) else {
        return Err(packet);
    };
    let Some(quoted) = read(&mut packet, |bytes| Quoted::<F>::parse(bytes, inside)) else {
        return Ok(Verdict::Accept(packet));
    };
    let found = find(context, quoted.header.protocol, &quoted.src, &quoted.dst);
    let Some((connection, PacketRole::Request)) = found else {
        return Ok(Verdict::Accept(packet));
    };
    if !packet.message_sum_is_right(F::PROTOCOL, context.header.l4) {
        return Ok(Verdict::Drop(packet));
    }
    Ok(send_error_for(
        context, connection, message, at, &quoted, packet,
    ))
}

/// Returns the offset of the client's packet in a quote at offset `at`; `None` if the quote is no
/// packet of a tunnel to a destination.
fn inside<F: InetFamily>(
    context: &Context<'_, F>,
    at: usize,
    packet: &mut Packet,
) -> Option<usize> {
    let outer = read(packet, |bytes| Quoted::<F>::header(bytes, at))?;
    if outer.fragment == Fragment::Later {
        return None;
    }
    let at = at.saturating_add(outer.l4.into());
    let rs_table = &context.ipvs.rs_table;
    let leads = |port: u16, is: fn(&Encapsulation) -> bool| {
        rs_table.has_tunnel(context.rcu, F::ip(outer.dst), port, is)
    };
    let rest = |bytes: &[u8], length: usize| {
        let end = at.saturating_add(length);
        let header = bytes.get(at..end).map(|header| header.len());
        header.ok_or(ParseError::Short(end))
    };
    let inner = ipip::number(F::FAMILY);
    if outer.protocol == inner {
        return leads(0, |kind| matches!(kind, Encapsulation::Ipip)).then_some(at);
    }
    let length = match outer.protocol {
        UDP => gue::UDP_LEN.saturating_add(gue::LEN),
        gre::PROTOCOL => gre::LEN,
        _ => return None,
    };
    read(packet, |bytes| rest(bytes, length))?;
    let header = packet.bytes().get(at..)?;
    let length = if outer.protocol == UDP {
        let (port, data) = gue::parse(header)?;
        let (protocol, length) = data?;
        let ours = || leads(port, |kind| matches!(kind, Encapsulation::Gue { .. }));
        (protocol == inner && ours()).then_some(length)?
    } else {
        let (kind, length) = gre::parse(header)?;
        let ours = || leads(0, |kind| matches!(kind, Encapsulation::Gre { .. }));
        (kind == gre::IPV4 && ours()).then_some(length)?
    };
    Some(at.saturating_add(length))
}

/// Sends the client an ICMP error for the one about the tunnel. The quote starts at offset `at`,
/// the client's packet at that of `quoted`.
fn send_error_for<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    message: &Message,
    at: usize,
    quoted: &Quoted<F>,
    mut packet: Packet,
) -> Verdict {
    let destination = &connection.destination;
    let headers = quoted.at.saturating_sub(at);
    let mut info = message.info;
    if !packet.strip(at) {
        return Verdict::Stolen;
    }
    if (message.kind, message.code) == (UNREACHABLE, FRAGMENTATION_NEEDED) {
        packet.update_path_mtu(context.net, info & 0xffff);
        if !quoted.header.dont_fragment {
            return Verdict::Stolen;
        }
        // The path MTU was updated above; look the route up again for its new MTU.
        let route = destination.route(context.rcu, context.net, RouteKind::WithSource);
        let mtu = route.map_or(info & 0xffff, |route| route.mtu());
        let headers = headers as u32;
        info = if mtu > LEAST_MTU.saturating_add(headers) {
            mtu.saturating_sub(headers)
        } else {
            mtu
        };
    }
    if packet.strip(headers) && packet.pull(quoted.header.l4.into()) {
        packet.send_icmp(message.kind, message.code, info);
        if destination.is_available() {
            destination.counted.output(packet.len());
        }
    }
    Verdict::Stolen
}
