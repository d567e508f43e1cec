// SPDX-License-Identifier: GPL-2.0

//! NAT: the destination becomes the addressee.

use super::{
    super::{
        connection::Connection,
        hooks::Context,
        plane::Stack, //
    },
    outlet,
};
use crate::{
    kapi::{
        netfilter::{
            Point,
            Verdict, //
        },
        route::Wanted,
        skbuff::Packet, //
    },
    logic::{
        checksum::SumState,
        family::Side, //
    },
};

/// Sends a request by NAT.
#[inline(always)]
pub(super) fn send<'g, F: Stack>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    mut packet: Packet,
) -> Verdict {
    let destination = &connection.destination;
    let Some(route) = outlet::route(context, destination, Wanted::Any, &mut packet) else {
        return Verdict::Stolen;
    };
    let local = route.is_local();
    if local {
        // A packet from another host must not reach what listens on loopback only.
        if context.point == Point::LocalIn && outlet::is_loopback(destination.id.addr) {
            return Verdict::Stolen;
        }
    } else if !outlet::may_leave(context)
        || !outlet::age::<F>(&mut packet, context.headers())
        || !outlet::fits(context, &mut packet, route.mtu())
    {
        return Verdict::Stolen;
    }
    if !translate(context, connection, &mut packet) {
        return Verdict::Stolen;
    }
    if local {
        packet.untrack();
        if connection.virt != connection.real {
            packet.disown();
        }
        return Verdict::Accept(packet);
    }
    outlet::forward(context, packet, route)
}

/// Makes the destination the addressee; `false` where the packet cannot be changed.
#[inline(always)]
fn translate<F: Stack>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    packet: &mut Packet,
) -> bool {
    let sum = if packet.sum_is_partial() {
        SumState::Partial
    } else {
        SumState::Full
    };
    let Some(bytes) = packet.writable(context.headers()) else {
        return false;
    };
    let real = &connection.real;
    if F::rewrite(bytes, &context.header, Side::Destination, real, sum).is_err() {
        return false;
    }
    packet.sum_changed();
    true
}
