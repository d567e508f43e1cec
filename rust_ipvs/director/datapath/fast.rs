// SPDX-License-Identifier: GPL-2.0

//! Fast path: packets of established connections, taken at the ingress of their device.
//!
//! A packet is taken if it is plain in all respects; any other one, and one for which something is
//! missing, passes unchanged, and takes the way that it would take without this hook. So nothing
//! is decided here that the hooks of IP decide differently, and every special case has its
//! semantics in one place. All is decided before the packet or the connection is changed.

mod family;
mod fit;
mod nat;
mod ports;
mod reply;
mod request;
mod tunnel;

use super::state;
use crate::{
    director::{
        conn::{
            Connection,
            PacketRole, //
        },
        netns::{
            NetnsIpvs,
            Port, //
        },
        packet::Context, //
    },
    kapi::{
        ingress::IngressHook,
        net::Net,
        netfilter::{
            Point,
            Protocol,
            Verdict, //
        },
        rcu::Rcu,
        skbuff::Packet, //
    },
    logic::{
        config::ForwardMethod,
        family::{
            V4,
            V6, //
        },
        packet::{
            Transport,
            TCP, //
        },
        tcp::TcpFlags, //
    },
};
use family::FastFamily;

/// Hook at the ingress of a device.
pub(super) struct Fast;

impl IngressHook for Fast {
    type Owner = NetnsIpvs;
    type Port = Port;

    fn run<'g>(
        owner: &'g NetnsIpvs,
        rcu: Rcu<'g>,
        net: &'g Net,
        port: &'g Port,
        packet: Packet,
    ) -> Verdict {
        match packet.link_protocol() {
            Some(Protocol::Ipv4) => pass::<V4>(owner, rcu, net, port, packet),
            Some(Protocol::Ipv6) => pass::<V6>(owner, rcu, net, port, packet),
            None => Verdict::Accept(packet),
        }
    }
}

/// Takes a packet, or accepts it unchanged.
#[inline(always)]
fn pass<'g, F: FastFamily>(
    ipvs: &'g NetnsIpvs,
    rcu: Rcu<'g>,
    net: &'g Net,
    port: &'g Port,
    packet: Packet,
) -> Verdict {
    let af = ipvs.af_state::<F>();
    // First, as most packets of a router concern no service.
    let may_be_ours = F::whole_addresses(packet.bytes()).is_some_and(|(src, dst)| {
        af.vip_filter.may_contain::<F>(dst) || af.reply_filter.may_contain::<F>(src)
    });
    if !may_be_ours {
        return Verdict::Accept(packet);
    }
    take::<F>(ipvs, rcu, net, port, packet)
}

/// Takes a packet whose addresses are those of services or destinations, or accepts it unchanged.
#[inline(always)]
fn take<'g, F: FastFamily>(
    ipvs: &'g NetnsIpvs,
    rcu: Rcu<'g>,
    net: &'g Net,
    port: &'g Port,
    packet: Packet,
) -> Verdict {
    let af = ipvs.af_state::<F>();
    let Some(header) = F::read_plain(packet.bytes()) else {
        return Verdict::Accept(packet);
    };
    let Ok(transport) = Transport::parse(header.protocol, packet.bytes(), header.l4) else {
        return Verdict::Accept(packet);
    };
    if header.protocol == TCP && transport.flags != TcpFlags::PLAIN {
        return Verdict::Accept(packet);
    }
    let Some(connections) = af.connections.as_ref() else {
        return Verdict::Accept(packet);
    };
    if !packet.is_unmarked() || !packet.may_trim(header.length) {
        return Verdict::Accept(packet);
    }
    let context = Context {
        ipvs,
        af,
        rcu,
        net,
        point: Point::LocalIn,
        header,
        transport,
        connections,
        is_inverse: false,
    };
    if (context.header.length as usize) < context.headers() {
        // IP cuts the packet to this length, in the middle of the transport header.
        return Verdict::Accept(packet);
    }
    let ends = (context.src(), context.dst());
    let Ok((connection, role)) = connections.look_up(rcu, header.protocol, ends, true) else {
        return Verdict::Accept(packet);
    };
    // Any call here costs a plain packet registers; this one is the last thing.
    if !connection.destination.own.is_plain() {
        return take_special(context, connection, role, port, packet);
    }
    if !ipvs.is_free::<F>(rcu, net, role == PacketRole::Request) {
        return Verdict::Accept(packet);
    }
    take_as(&context, connection, role, port, packet)
}

/// Takes a packet of a connection if it is fit for that, or accepts it unchanged.
#[inline(always)]
fn take_as<'g, F: FastFamily>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    role: PacketRole,
    port: &'g Port,
    packet: Packet,
) -> Verdict {
    match role {
        PacketRole::Request if connection.method == ForwardMethod::TUNNEL => {
            tunnel::take(context, connection, port, packet)
        }
        PacketRole::Request => request::take(context, connection, port, packet),
        PacketRole::Reply => reply::take(context, connection, port, packet),
    }
}

/// Takes a packet whose destination's service has options of its own, or accepts it unchanged.
///
/// Without its destination a request is dropped (S-22), and a reply not counted, on the other way.
/// There a connection gets a timeout of its service, too, if it does not have it yet.
#[cold]
#[inline(never)]
fn take_special<'g, F: FastFamily>(
    context: Context<'g, F>,
    connection: &'g Connection<F>,
    role: PacketRole,
    port: &'g Port,
    packet: Packet,
) -> Verdict {
    let ipvs = context.ipvs;
    let own = &connection.destination.own;
    let value = own.fast_path(ipvs.settings.fast_path.load());
    let is_request = role == PacketRole::Request;
    let may_be_taken = state::is_plain(&context, connection)
        && ipvs.is_free_at::<F>(value, context.rcu, context.net, is_request);
    if !may_be_taken {
        return Verdict::Accept(packet);
    }
    take_as(&context, connection, role, port, packet)
}
