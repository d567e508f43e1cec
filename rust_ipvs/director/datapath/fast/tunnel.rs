// SPDX-License-Identifier: GPL-2.0

//! Requests on the fast path through a tunnel: the common case of `xmit/tunnel.rs`, IP in IP of one
//! family with nothing left to offload.

use super::{
    family::FastFamily,
    fit,
    state, //
};
use crate::{
    director::{
        conn::Connection,
        netns::Port,
        packet::Context,
        xmit::tunnel, //
    },
    kapi::{
        ingress::Passage,
        netfilter::Verdict,
        route::RouteKind,
        skbuff::Packet, //
    },
    logic::{
        config::Encapsulation,
        direction::Direction,
        ipip, //
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
    let (destination, header) = (&connection.destination, &context.header);
    let passage = Passage {
        received: packet.len(),
        is_forwarded: false,
    };
    let outer_len = ipip::length(F::FAMILY);
    let length = outer_len as u32;
    if destination.tunnel().encapsulation() != Encapsulation::Ipip
        || !packet.is_plain()
        || !fit::is_fit(context, connection, port, &mut packet)
    {
        return Verdict::Accept(packet);
    }
    let Some(route) = destination.route(context.rcu, context.net, RouteKind::WithSource) else {
        return Verdict::Accept(packet);
    };
    if route.is_local() || route.protocol() != F::PROTOCOL || !packet.trim(header.length) {
        return Verdict::Accept(packet);
    }
    let mtu = route.mtu().saturating_sub(length);
    if !tunnel::is_enough::<F>(mtu) || packet.len() > mtu || !packet.has_room(length, route) {
        return Verdict::Accept(packet);
    }
    let to = destination.addr::<F>();
    let Some(neighbour) = F::neighbour(context.rcu, route, to, &packet) else {
        return Verdict::Accept(packet);
    };
    if packet.writable(header.l4.into()).is_none()
        || !state::follow_plain(context, connection, Direction::Input)
    {
        return Verdict::Accept(packet);
    }
    destination.counted.input(packet.len());
    if let Some(bytes) = packet.writable(header.l4.into()) {
        F::dec_ttl(bytes, header.l4);
    }
    let df = context.ipvs.settings.pmtu_disc.load() != 0 && header.dont_fragment;
    // There is room, so neither fails.
    let Some(mut packet) = packet.make_room(length, route) else {
        return Verdict::Stolen;
    };
    packet.wrap_plain();
    let outer = tunnel::outer(context, ipip::number(F::FAMILY));
    if tunnel::write_outer(destination, route, outer, df, 1, &mut packet).is_some() {
        neighbour.send_outer(context.net, packet, outer_len as u16, passage);
    }
    Verdict::Stolen
}
