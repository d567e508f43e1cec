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
        packet::Context, //
    },
    kapi::{
        netfilter::Verdict,
        route::RouteKind,
        skbuff::Packet, //
    },
    logic::direction::Direction, //
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
        return Verdict::Stolen;
    };
    // never back to this host.
    if route.is_local() || !common::prepare(&context, &route, &mut packet) {
        return Verdict::Stolen;
    }
    conntrack::finish_ct(connection, Direction::Input, &mut packet);
    packet.forward_owned(context.net, route, context.ipvs);
    Verdict::Stolen
}
