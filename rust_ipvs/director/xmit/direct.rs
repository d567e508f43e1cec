// SPDX-License-Identifier: GPL-2.0

//! Direct routing: sends the packet unchanged to the destination's link-layer address.

use super::common;
use crate::{
    director::{
        conn::{
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
    logic::reason::Reason,
};

/// Sends a request by direct routing.
#[inline(always)]
pub(super) fn send<'g, F: InetFamily, const TRACKED: bool>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    mut packet: Packet,
) -> Verdict {
    let destination = &connection.destination;
    let Some(route) = common::route(context, destination, RouteKind::Direct, &mut packet) else {
        return context.discard(Of::Connection(connection), Reason::NoRoute, packet);
    };
    if route.is_local() {
        return common::stay_local(*context, connection, packet);
    }
    if let Err(reason) = common::prepare(context, route, &mut packet) {
        return context.discard(Of::Connection(connection), reason, packet);
    }
    common::forward::<F, TRACKED>(context, connection, packet, route)
}
