// SPDX-License-Identifier: GPL-2.0

//! ICMP errors to a destination by NAT (I-3, I-4).

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
        netfilter::{
            Point,
            Verdict, //
        },
        route::RouteKind,
        skbuff::Packet, //
    },
    logic::{
        checksum::SumState,
        family::{
            Endpoint,
            Side, //
        },
        icmp::{
            self,
            Quoted, //
        },
        reason::Reason,
    },
};

/// Sends an ICMP error about a reply to the destination that sent the reply.
#[cold]
#[inline(never)]
pub(crate) fn send<'g, F: InetFamily>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    quoted: &Quoted<F>,
    mut packet: Packet,
) -> Verdict {
    let destination = &connection.destination;
    let Some(route) = common::route(context, destination, RouteKind::Any, &mut packet) else {
        return context.discard(Of::Connection(connection), Reason::NoRoute, packet);
    };
    let local = route.is_local();
    if local {
        // A forwarded error can no longer be delivered locally.
        if context.point == Point::Forward || common::loops(context, destination) {
            let of = Of::Connection(connection);
            return context.discard(of, Reason::IcmpUndeliverable, packet);
        }
    } else if let Err(reason) = common::prepare(context, route, &mut packet) {
        return context.discard(Of::Connection(connection), reason, packet);
    }
    let dest = &connection.dest;
    if let Err(reason) = translate(context, quoted, Side::Destination, dest, &mut packet) {
        return context.discard(Of::Connection(connection), reason, packet);
    }
    if local {
        return common::deliver_local(connection, packet);
    }
    common::forward::<F, true>(context, connection, packet, route)
}

/// Translates the addresses and ports of an ICMP error and of the packet that it quotes.
///
/// # Errors
///
/// The reason for which the packet has to be dropped.
pub(crate) fn translate<F: InetFamily>(
    context: &Context<'_, F>,
    quoted: &Quoted<F>,
    side: Side,
    to: &Endpoint<F>,
    packet: &mut Packet,
) -> Result<(), Reason> {
    let sum = SumState::of(packet.sum_is_partial());
    let length = usize::try_from(packet.len()).unwrap_or(usize::MAX);
    let Some(bytes) = packet.writable(quoted.reach().min(length)) else {
        return Err(Reason::NoMemory);
    };
    if icmp::translate(bytes, &context.header, quoted, side, to, sum).is_err() {
        return Err(Reason::BadIcmp);
    }
    packet.sum_changed();
    Ok(())
}
