// SPDX-License-Identifier: GPL-2.0

//! Tunnel transmitter: encapsulates the packet unchanged.
//!
//! The common case is inlined: an outer header of the same family, and nothing for the device to
//! offload. [`layers`] handles the others.

mod entry;
mod layers;

pub(crate) use entry::{
    no_memory,
    outer,
    write_outer, //
};
pub(crate) use layers::{
    wrap,
    Layer, //
};

use super::common;
pub(crate) use super::common::is_enough;
use crate::{
    director::{
        conn::{
            conntrack,
            Connection,
            InetFamily, //
        },
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
        config::Encapsulation,
        ipip,
        reason::Reason, //
    },
};

/// Sends a request through a tunnel.
#[inline(always)]
pub(super) fn send<'g, F: InetFamily, const TRACKED: bool>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    mut packet: Packet,
) -> Verdict {
    let destination = &connection.destination;
    let Some(route) = common::route(context, destination, RouteKind::WithSource, &mut packet)
    else {
        return context.discard(Of::Connection(connection), Reason::NoRoute, packet);
    };
    let encapsulation = destination.tunnel().encapsulation();
    if route.is_local()
        || route.protocol() != F::PROTOCOL
        || encapsulation != Encapsulation::Ipip
        || !packet.is_plain()
    {
        return layers::send(*context, connection, encapsulation, route, packet);
    }
    let length = ipip::length(F::FAMILY) as u32;
    let df = match entry::may_enter(context, route, length, &mut packet) {
        Ok(df) => df,
        Err(reason) => return context.discard(Of::Connection(connection), reason, packet),
    };
    if TRACKED && !conntrack::confirm_inner(connection, &mut packet) {
        return context.discard(Of::Connection(connection), Reason::Conntrack, packet);
    }
    packet.forget_tracking();
    let mut packet = match packet.make_room(length, route) {
        Ok(packet) => packet,
        Err(packet) => return no_memory(*context, connection, packet),
    };
    packet.wrap_plain();
    packet.set_transport();
    let outer = entry::outer(context, ipip::number(F::FAMILY));
    if entry::write_outer(destination, route, outer, df, 1, &mut packet).is_none() {
        return no_memory(*context, connection, packet.into_packet());
    }
    Verdict::Stolen(packet.send_local(context.rcu, context.net, route, context.ipvs))
}
