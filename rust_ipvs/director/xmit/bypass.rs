// SPDX-License-Identifier: GPL-2.0

//! Bypass: the packet as it is, by its own address.

use super::{
    super::{
        connection::Connection,
        context::Context,
        stack::InetFamily,
        tracking, //
    },
    outlet,
};
use crate::{
    kapi::{
        netfilter::Verdict,
        route::RouteKind,
        skbuff::Packet, //
    },
    logic::tcp::Direction,
};

/// Sends a packet by its own address. The route is looked up for each.
#[cold]
#[inline(never)]
pub(in super::super) fn send<F: InetFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    mut packet: Packet,
) -> Verdict {
    let Some(route) = F::route(context.net, context.header.dst, RouteKind::Any) else {
        packet.link_failure();
        return Verdict::Stolen;
    };
    // never back to this host.
    if route.is_local()
        || !outlet::may_leave(&context)
        || !outlet::dec_ttl(&context.header, &mut packet, context.header.l4.into())
        || !outlet::fits(&context, &mut packet, || route.mtu())
    {
        return Verdict::Stolen;
    }
    tracking::finish_ct(connection, Direction::Input, &mut packet);
    packet.forward_owned(context.net, route, context.ipvs);
    Verdict::Stolen
}
