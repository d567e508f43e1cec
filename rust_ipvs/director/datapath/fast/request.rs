// SPDX-License-Identifier: GPL-2.0

//! Requests on the fast path, by NAT and by direct routing; `tunnel.rs` has the others.

use super::{
    family::FastFamily,
    fit,
    nat,
    state, //
};
use crate::{
    director::{
        conn::Connection,
        netns::Port,
        packet::Context, //
    },
    kapi::{
        ingress::{
            Neighbour,
            Passage, //
        },
        netfilter::Verdict,
        route::RouteKind,
        skbuff::Packet, //
    },
    logic::{
        config::ForwardMethod,
        direction::Direction,
        family::Side, //
    },
};

/// Takes a request, or accepts it unchanged.
#[inline(always)]
pub(super) fn take<'g, F: FastFamily>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    port: &'g Port,
    mut packet: Packet,
) -> Verdict {
    let destination = &connection.destination;
    let passage = Passage {
        received: packet.len(),
        is_forwarded: false,
    };
    let (kind, changed) = match connection.method {
        ForwardMethod::MASQ => (RouteKind::Any, context.headers()),
        ForwardMethod::DROUTE => (RouteKind::Direct, usize::from(context.header.l4)),
        _ => return Verdict::Accept(packet),
    };
    if !fit::is_fit(context, connection, port, &mut packet) {
        return Verdict::Accept(packet);
    }
    let Some(neighbour) = way(context, connection, kind, &mut packet) else {
        return Verdict::Accept(packet);
    };
    if packet.writable(changed).is_none()
        || !state::follow_plain(context, connection, Direction::Input)
    {
        return Verdict::Accept(packet);
    }
    packet.trim(context.header.length);
    destination.counted.input(packet.len());
    if connection.method == ForwardMethod::MASQ {
        nat::translate(context, Side::Destination, &connection.dest, &mut packet);
    } else if let Some(bytes) = packet.writable(changed) {
        F::dec_ttl(bytes, context.header.l4);
    }
    Verdict::Stolen(neighbour.send(context.net, packet, context.header.l4, passage))
}

/// Returns the next hop, if the packet fits the route's MTU.
#[inline(always)]
fn way<'g, F: FastFamily>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    kind: RouteKind,
    packet: &mut Packet,
) -> Option<Neighbour<'g>> {
    let destination = &connection.destination;
    let route = destination.route(context.rcu, context.net, kind)?;
    if route.is_local() || route.protocol() != F::PROTOCOL {
        return None;
    }
    if packet.is_lro() || !packet.fits(route.mtu()) {
        return None;
    }
    F::neighbour(context.rcu, route, destination.addr::<F>(), packet)
}
