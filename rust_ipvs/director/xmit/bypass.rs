// SPDX-License-Identifier: GPL-2.0

//! Bypass transmitter: sends the packet unchanged to its own destination address.

use super::common;
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
        direction::Direction,
        reason::Reason, //
    },
};

/// Sends a packet to its own destination address. The route is looked up for each packet.
#[cold]
#[inline(never)]
pub(crate) fn send<F: InetFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    mut packet: Packet,
) -> Verdict {
    let Some(route) = F::route(context.net, context.header.dst, RouteKind::Any) else {
        packet.link_failure();
        return context.discard(Of::Nothing, Reason::NoRoute, packet);
    };
    // never back to this host.
    if route.is_local() {
        return context.discard(Of::Nothing, Reason::LocalServer, packet);
    }
    if let Err(reason) = common::prepare(&context, &route, &mut packet) {
        return context.discard(Of::Nothing, reason, packet);
    }
    conntrack::finish_ct(connection, Direction::Input, &mut packet);
    Verdict::Stolen(packet.forward_owned(context.net, route, context.ipvs))
}
