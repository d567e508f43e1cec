// SPDX-License-Identifier: GPL-2.0

//! Tunnelling: the packet as it is, inside another to the destination (X-17; RFC 2003, RFC 2473).

use super::{
    super::{
        connection::Connection,
        context::Context,
        stack::Stack, //
    },
    outlet,
};
use crate::{
    kapi::{
        netfilter::{
            Point,
            Protocol,
            Verdict, //
        },
        route::{
            Route,
            Wanted, //
        },
        skbuff::Packet,
    },
    logic::{
        config::Ip,
        ipip::{
            self,
            OuterFor, //
        },
    },
};

/// Sends a request through a tunnel.
#[inline(never)]
pub(super) fn send<'g, F: Stack>(
    context: Context<'g, F>,
    connection: &'g Connection<F>,
    mut packet: Packet,
) -> Verdict {
    let destination = &connection.destination;
    let Some(route) = outlet::route(&context, destination, Wanted::WithSource, &mut packet) else {
        return Verdict::Stolen;
    };
    if route.is_local() {
        packet.untrack();
        return Verdict::Accept(packet);
    }
    if !outlet::may_leave(&context) || !outlet::age::<F>(&mut packet, context.header.l4.into()) {
        return Verdict::Stolen;
    }
    let Some(mtu) = outlet::tunnel_mtu::<F>(route) else {
        return Verdict::Stolen;
    };
    if context.point == Point::LocalOut {
        packet.update_pmtu(mtu);
    }
    let discovers = context.director.settings.pmtu_disc.load() != 0;
    if (discovers || F::PROTOCOL == Protocol::Ipv6) && !outlet::fits(&context, &mut packet, mtu) {
        return Verdict::Stolen;
    }
    packet.untrack();
    wrap(&context, destination.id.addr, packet, route, discovers);
    Verdict::Stolen
}

/// Puts the packet in another and sends that.
fn wrap<'g, F: Stack>(
    context: &Context<'g, F>,
    to: Ip,
    packet: Packet,
    route: &'g Route,
    discovers: bool,
) {
    let inner = OuterFor {
        family: F::FAMILY,
        tos: context.header.tos,
        ttl: context.header.ttl.saturating_sub(1),
    };
    let df = discovers && context.header.dont_fragment;
    // The kernel fills in lengths beyond what a header can say, and sums, as the packet leaves.
    let len = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    let room = match to {
        Ip::V4(_) => 20,
        Ip::V6(_) => 40,
    };
    let Some(mut packet) = packet.encapsulate(room, F::PROTOCOL, route) else {
        return;
    };
    let done = match to {
        Ip::V4(to) => {
            let done =
                packet.push_header(&ipip::outer_v4(inner, route.source_v4(), to, len, 0, df));
            // What may not be cut needs no identification (RFC 6864).
            if !df {
                packet.select_id(context.net);
            }
            done
        }
        Ip::V6(to) => packet.push_header(&ipip::outer_v6(inner, route.source_v6(), to, len)),
    };
    if done {
        packet.send_local(context.rcu, context.net, route);
    }
}
