// SPDX-License-Identifier: GPL-2.0

//! NAT: rewrites the packet's destination to the real server.

use super::common;
use crate::{
    director::{
        conn::{
            Connection,
            InetFamily, //
        },
        packet::{
            sctp,
            Context,
            Of, //
        },
    },
    kapi::{
        netfilter::Verdict,
        route::{
            Route,
            RouteKind, //
        },
        skbuff::Packet, //
    },
    logic::{
        checksum::SumState,
        family::Side,
        reason::Reason, //
    },
};

/// Sends a request by NAT.
#[inline(always)]
pub(super) fn send<'g, F: InetFamily, const TRACKED: bool>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    mut packet: Packet,
) -> Verdict {
    let destination = &connection.destination;
    let Some(route) = common::route(context, destination, RouteKind::Any, &mut packet) else {
        return context.discard(Of::Connection(connection), Reason::NoRoute, packet);
    };
    let local = route.is_local();
    if local {
        if common::loops(context, destination) {
            return context.discard(Of::Connection(connection), Reason::LoopbackServer, packet);
        }
    } else if !common::may_leave(context) {
        return context.discard(Of::Connection(connection), Reason::LoopbackSource, packet);
    }
    let leaves_on = (!local).then_some(route);
    if let Err(reason) = translate(context, connection, &mut packet, leaves_on) {
        return context.discard(Of::Connection(connection), reason, packet);
    }
    if local {
        return common::deliver_local(connection, packet);
    }
    common::forward::<F, TRACKED>(context, connection, packet, route)
}

/// Rewrites the destination. If the packet leaves this host, also decrements the TTL and checks the
/// MTU.
///
/// # Errors
///
/// The reason for which the packet has to be dropped.
#[inline(always)]
fn translate<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    packet: &mut Packet,
    leaves_on: Option<&Route>,
) -> Result<(), Reason> {
    let sum = SumState::of(packet.sum_is_partial());
    let mut ages = leaves_on.is_some();
    if let Some(route) = leaves_on {
        if !common::mtu_ok::<F>(packet, || route.mtu()) {
            // The TTL is checked first: if both checks fail, the sender gets the TTL error.
            common::dec_ttl(&context.header, packet, context.headers())?;
            common::fits(context, packet, || route.mtu())?;
            ages = false;
        }
    }
    let Some(bytes) = packet.writable(context.headers()) else {
        return Err(Reason::NoMemory);
    };
    if ages && !F::dec_ttl(bytes, context.header.l4) {
        return Err(common::ttl_exceeded::<F>(packet));
    }
    let dest = &connection.dest;
    let side = Side::Destination;
    if F::rewrite(bytes, &context.header, side, dest, sum).is_err()
        && !sctp::rewrite(context.header, packet, side, dest, sum)
    {
        return Err(Reason::BadHeader);
    }
    packet.sum_changed();
    Ok(())
}
