// SPDX-License-Identifier: GPL-2.0

//! Replies on the fast path: packets of a real server behind NAT.

use super::{
    family::FastFamily,
    fit,
    nat,
    state, //
};
use crate::{
    director::{
        conn::{
            Connection,
            PacketRole,
            Stamp, //
        },
        netns::{
            Epoch,
            Port,
            Stamped, //
        },
        packet::Context, //
    },
    kapi::{
        ingress::{
            NewSource,
            Passage, //
        },
        netfilter::Verdict,
        route::Route,
        skbuff::Packet, //
    },
    logic::{
        config::ForwardMethod,
        direction::Direction,
        family::Side, //
    },
};

/// Takes a reply, or accepts it unchanged.
#[inline(always)]
pub(super) fn take<'g, F: FastFamily>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    port: &'g Port,
    mut packet: Packet,
) -> Verdict {
    let destination = &connection.destination;
    let client = connection.client.addr;
    let passage = Passage {
        received: packet.len(),
        is_forwarded: true,
    };
    let is_ours =
        connection.method == ForwardMethod::MASQ && context.net.is_forwarding(F::PROTOCOL);
    let way = match is_ours {
        true => way(context, connection, port, &mut packet),
        false => None,
    };
    let Some(route) = way else {
        return Verdict::Accept(packet);
    };
    if packet.is_lro() || !packet.fits(route.forward_mtu()) {
        return Verdict::Accept(packet);
    }
    let Some(neighbour) = F::neighbour(context.rcu, route, client, &mut packet) else {
        return Verdict::Accept(packet);
    };
    if packet.writable(context.headers()).is_none()
        || !state::follow_plain(context, connection, Direction::Output)
    {
        return Verdict::Accept(packet);
    }
    packet.trim(context.header.length);
    destination.counted.output(packet.len());
    nat::translate(context, Side::Source, &connection.vip, &mut packet);
    packet.set_priority(context.net, F::PROTOCOL);
    Verdict::Stolen(neighbour.send(context.net, packet, context.header.l4, passage))
}

/// Returns the route of the reply, if the flow is fit for the fast path now.
#[inline(always)]
fn way<'g, F: FastFamily>(
    context: &Context<'g, F>,
    connection: &Connection<F>,
    port: &'g Port,
    packet: &mut Packet,
) -> Option<&'g Route> {
    let epoch = fit::epoch(context, port)?;
    let stamp = connection.stamp(PacketRole::Reply)?;
    let way = match epoch.compare(stamp.load(), context.header.tos) {
        Stamped::Fit(way) => way,
        Stamped::Loose(way) if !packet.has_strict_source() => way,
        Stamped::No => examine(*context, connection, stamp, epoch, packet)?,
        _ => return None,
    };
    let route = epoch.way(context.rcu, way);
    if route.is_none() {
        // The route has changed for this client alone, by a path MTU.
        stamp.store(0);
    }
    route
}

/// Finds out whether the flow is fit and by which way it leaves, and stamps the connection.
#[cold]
#[inline(never)]
fn examine<F: FastFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    stamp: Stamp<'_>,
    epoch: &Epoch,
    packet: &mut Packet,
) -> Option<usize> {
    // Routing does not ask the policies of IPsec for what is forwarded; IP does, afterwards.
    let may_pass = context.net.policies_forward();
    let way = if connection.is_tracked() || !may_pass {
        None
    } else {
        packet.forwarded(context.net, F::PROTOCOL)
    };
    let way = way.and_then(|(route, source)| {
        let route = reroute(&context, connection, route, packet)?;
        Some((route, source))
    });
    let is_forwarded = way.is_some();
    let way = way.and_then(|(route, source)| Some((source, epoch.add_way(context.rcu, route)?)));
    if is_forwarded && way.is_none() && epoch.has_old_way(context.rcu) {
        // The places are used up, some by routes that a path MTU has replaced.
        context.ipvs.fast_path.changed();
    }
    stamp.store(epoch.stamp_way(way, context.header.tos));
    way.map(|(_, way)| way)
}

/// Returns the route of the reply, which is forwarded by `route` as the server sent it: another one
/// if its source matters, as it is routed again after that was rewritten. `None` if it has
/// none that the fast path can use.
fn reroute<F: FastFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    route: Route,
    packet: &Packet,
) -> Option<Route> {
    let is_rerouted = context.ipvs.settings.snat_reroute.load() != 0
        && Packet::source_matters(context.net, F::PROTOCOL);
    if !is_rerouted {
        return Some(route);
    }
    let source = NewSource {
        addr: connection.vip.addr,
        port: connection.vip.port,
        to_port: connection.client.port,
        protocol: context.header.protocol,
    };
    F::rerouted(context.net, &route, source, packet)
}
