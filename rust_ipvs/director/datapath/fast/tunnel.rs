// SPDX-License-Identifier: GPL-2.0

//! Requests on the fast path through a tunnel whose outer header is of the same family.

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
        xmit::tunnel::{
            self,
            Layer, //
        },
    },
    kapi::{
        ingress::{
            Neighbour,
            Passage, //
        },
        netfilter::Verdict,
        route::{
            Route,
            RouteKind, //
        },
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
    let destination = &connection.destination;
    let encapsulation = destination.tunnel().encapsulation();
    if encapsulation != Encapsulation::Ipip || !packet.is_plain() {
        return take_layered(context, connection, port, encapsulation, packet);
    }
    let passage = received(&packet);
    let outer_len = ipip::length(F::FAMILY);
    let length = outer_len as u32;
    let Some((route, neighbour)) = enter(context, connection, port, length, &mut packet) else {
        return Verdict::Accept(packet);
    };
    let df = df(context);
    // There is room, so neither fails.
    let mut packet = match packet.make_room(length, route) {
        Ok(packet) => packet,
        Err(packet) => return tunnel::no_memory(*context, connection, packet),
    };
    packet.wrap_plain();
    let outer = tunnel::outer(context, ipip::number(F::FAMILY));
    if tunnel::write_outer(destination, route, outer, df, 1, &mut packet).is_none() {
        return tunnel::no_memory(*context, connection, packet.into_packet());
    }
    Verdict::Stolen(neighbour.send_outer(context.net, packet, outer_len as u16, passage))
}

/// [`take`] with a header of GRE or GUE, or with something left to offload.
#[inline(never)]
fn take_layered<'g, F: FastFamily>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    port: &'g Port,
    encapsulation: Encapsulation,
    mut packet: Packet,
) -> Verdict {
    packet.set_l4(context.header.l4);
    let passage = received(&packet);
    let layer = Layer::of(encapsulation, &packet);
    let outer_len = ipip::length(F::FAMILY);
    let headers = outer_len.saturating_add(layer.len()) as u32;
    let Some((route, neighbour)) = enter(context, connection, port, headers, &mut packet) else {
        return Verdict::Accept(packet);
    };
    let df = df(context);
    // There is room, and the packet is not encapsulated yet, so this does not fail.
    match tunnel::wrap(context, connection, layer, route, headers, df, packet) {
        Ok(packet) => {
            Verdict::Stolen(neighbour.send_outer(context.net, packet, outer_len as u16, passage))
        }
        Err(packet) => tunnel::no_memory(*context, connection, packet),
    }
}

/// Returns the passage of a request, for its counters.
#[inline(always)]
fn received(packet: &Packet) -> Passage {
    Passage {
        received: packet.len(),
        is_forwarded: false,
    }
}

/// Returns the DF flag of the outer header.
#[inline(always)]
fn df<F: FastFamily>(context: &Context<'_, F>) -> bool {
    context.ipvs.settings.pmtu_disc.load() != 0 && context.header.dont_fragment
}

/// Decides whether a request can be encapsulated with `headers` bytes. If so, counts it, follows
/// the connection's state, decrements the TTL and returns the way; otherwise changes nothing.
#[inline(always)]
fn enter<'g, F: FastFamily>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    port: &'g Port,
    headers: u32,
    packet: &mut Packet,
) -> Option<(&'g Route, Neighbour<'g>)> {
    let (destination, header) = (&connection.destination, &context.header);
    if !fit::is_fit(context, connection, port, packet) {
        return None;
    }
    let route = destination.route(context.rcu, context.net, RouteKind::WithSource)?;
    if route.is_local() || route.protocol() != F::PROTOCOL {
        return None;
    }
    if route.is_in_vrf() {
        // What the host sends itself passes the VRF's device.
        return None;
    }
    let mtu = route.mtu().saturating_sub(headers);
    if !tunnel::is_enough::<F>(mtu)
        || packet.is_lro()
        || !packet.fits(mtu)
        || !packet.ensure_room(headers, route)
    {
        return None;
    }
    let neighbour = F::neighbour(context.rcu, route, destination.addr::<F>(), packet)?;
    packet.writable(header.l4.into())?;
    if !state::follow_plain(context, connection, Direction::Input) {
        return None;
    }
    packet.trim(header.length);
    destination.counted.input(packet.len());
    if let Some(bytes) = packet.writable(header.l4.into()) {
        F::dec_ttl(bytes, header.l4);
    }
    Some((route, neighbour))
}
