// SPDX-License-Identifier: GPL-2.0

//! ICMP errors about tunnels to destinations, relayed to the clients (I-5).
//!
//! Such an error quotes the outer header that this host has added, and the client's packet inside,
//! each of either family. (C knows IPv4 in IPv4 only.)

use super::quote::read;
use crate::{
    director::{
        conn::{
            ConnTable,
            InetFamily,
            PacketRole, //
        },
        dest::Destination,
        packet::{
            Context,
            Of, //
        },
    },
    kapi::{
        netfilter::Verdict,
        route::RouteKind,
        skbuff::Packet, //
    },
    logic::{
        config::{
            AddressFamily,
            Encapsulation, //
        },
        family::ParseError,
        gre, gue,
        icmp::{
            relay,
            Message,
            Quoted, //
        },
        ipip,
        packet::{
            Fragment,
            UDP, //
        },
        reason::Reason,
    },
};

/// Handles an error about one of this host's tunnels; returns any other packet as `Err`. The quote
/// starts at offset `at`.
pub(super) fn handle<O: InetFamily>(
    context: &Context<'_, O>,
    message: &Message,
    at: usize,
    mut packet: Packet,
) -> Result<Verdict, Packet> {
    // This host is the source of the outer header, so an error about it is addressed to this host.
    if !packet.route_is_local(O::PROTOCOL) {
        return Err(packet);
    }
    let Some((inside, family)) = inside(context, at, &mut packet) else {
        return Err(packet);
    };
    let error = Error {
        context,
        message,
        at,
        inside,
    };
    Ok(match family {
        AddressFamily::V4 => error.relay(context.ipvs.v4.connections.as_ref(), packet),
        AddressFamily::V6 => error.relay(context.ipvs.v6.connections.as_ref(), packet),
    })
}

/// An error about a tunnel whose outer packets are of family `O`.
struct Error<'a, 'g, O: InetFamily> {
    context: &'a Context<'g, O>,
    message: &'a Message,
    /// Offset of the outer packet in the quote.
    at: usize,
    /// Offset of the inner packet.
    inside: usize,
}

impl<O: InetFamily> Error<'_, '_, O> {
    /// Tells the client whose packet of family `I` is inside.
    fn relay<I: InetFamily>(
        &self,
        connections: Option<&ConnTable<I>>,
        mut packet: Packet,
    ) -> Verdict {
        let quoted = read(&mut packet, |bytes| Quoted::<I>::parse(bytes, self.inside));
        let (Some(connections), Some(quoted)) = (connections, quoted) else {
            return Verdict::Accept(packet);
        };
        let (protocol, ends) = (quoted.header.protocol, (quoted.src, quoted.dst));
        let found = connections.look_up(self.context.rcu, protocol, ends, true);
        let Ok((connection, PacketRole::Request)) = found else {
            return Verdict::Accept(packet);
        };
        if !packet.message_sum_is_right(O::PROTOCOL, self.context.header.l4) {
            let of = Of::Destination(&connection.destination);
            return self.context.drop(of, Reason::IcmpChecksum, packet);
        }
        self.send(&connection.destination, &quoted, packet)
    }

    /// Sends the error for the client, if there is one.
    fn send<I: InetFamily>(
        &self,
        destination: &Destination,
        quoted: &Quoted<I>,
        mut packet: Packet,
    ) -> Verdict {
        let (context, headers) = (self.context, self.inside.saturating_sub(self.at));
        if !packet.strip(self.at) {
            return context.discard(Of::Destination(destination), Reason::NoMemory, packet);
        }
        let told = match relay::path_mtu(O::FAMILY, self.message) {
            Some(mtu) => {
                packet.update_path_mtu(O::PROTOCOL, context.net, mtu);
                // Look the route up again for its new MTU.
                let route = destination.route(context.rcu, context.net, RouteKind::WithSource);
                let mtu = route.map_or(mtu, |route| route.mtu());
                // Without DF this host cuts the next one.
                let is_to_cut = I::FAMILY == AddressFamily::V4 && !quoted.header.dont_fragment;
                (!is_to_cut).then(|| relay::too_big(I::FAMILY, mtu, headers as u32))
            }
            None => relay::relay(O::FAMILY, I::FAMILY, self.message),
        };
        let Some(told) = told else {
            return Verdict::Stolen(packet.consume());
        };
        let is_ready = packet.strip(headers)
            && packet.pull(quoted.header.l4.into())
            && (O::FAMILY == I::FAMILY || packet.change_family(I::PROTOCOL, context.net));
        if !is_ready {
            return context.discard(Of::Destination(destination), Reason::NoMemory, packet);
        }
        packet.send_icmp(I::PROTOCOL, told.kind, told.code, told.info);
        if destination.is_available() {
            destination.counted.output(packet.len());
        }
        Verdict::Stolen(packet.consume())
    }
}

/// Returns offset and family of the client's packet in a quote at offset `at`; `None` if the quote
/// is no packet of a tunnel to a destination.
fn inside<F: InetFamily>(
    context: &Context<'_, F>,
    at: usize,
    packet: &mut Packet,
) -> Option<(usize, AddressFamily)> {
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
    if let Some(family) = ipip::family(outer.protocol) {
        return leads(0, |kind| matches!(kind, Encapsulation::Ipip)).then_some((at, family));
    }
    let length = match outer.protocol {
        UDP => gue::UDP_LEN.saturating_add(gue::LEN),
        gre::PROTOCOL => gre::LEN,
        _ => return None,
    };
    read(packet, |bytes| rest(bytes, length))?;
    let header = packet.bytes().get(at..)?;
    let (family, length) = if outer.protocol == UDP {
        let (port, data) = gue::parse(header)?;
        let (protocol, length) = data?;
        let ours = || leads(port, |kind| matches!(kind, Encapsulation::Gue { .. }));
        let family = ipip::family(protocol)?;
        ours().then_some((family, length))?
    } else {
        let (kind, length) = gre::parse(header)?;
        let ours = || leads(0, |kind| matches!(kind, Encapsulation::Gre { .. }));
        let family = gre::family(kind)?;
        ours().then_some((family, length))?
    };
    Some((at.saturating_add(length), family))
}
