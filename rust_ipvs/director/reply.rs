// SPDX-License-Identifier: GPL-2.0

//! Replies: packets from a destination to a client that pass the director.

use super::{
    connection::Connection,
    context::Context,
    stack::Stack,
    state, //
};
use crate::{
    kapi::{
        netfilter::{
            Point,
            Verdict, //
        },
        skbuff::Packet,
    },
    logic::{
        checksum::SumState,
        config::ForwardMethod,
        family::Side,
        tcp::Direction, //
    },
};

/// Handles a reply of a known connection.
#[inline(always)]
pub(super) fn handle<'g, F: Stack>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    mut packet: Packet,
) -> Verdict {
    if connection.method == ForwardMethod::MASQ && !translate(context, connection, &mut packet) {
        return Verdict::Stolen;
    }
    let destination = &connection.destination;
    if destination.is_available() {
        destination.counted.output(packet.len());
    }
    state::follow_linked(
        context.connections,
        connection,
        &context.director.timeouts,
        Direction::Output,
        &context.transport,
    );
    packet.set_handled();
    packet.untrack();
    Verdict::Accept(packet)
}

/// Makes the VIP the sender; `false` where the packet cannot go on.
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
    let virt = &connection.virt;
    if F::rewrite(bytes, &context.header, Side::Source, virt, sum).is_err() {
        return false;
    }
    packet.sum_changed();
    // The packet was routed by an address that it does not have any more: rules may say otherwise
    // of the VIP.
    context.point == Point::LocalIn
        || context.director.settings.snat_reroute.load() == 0
        || packet.route_is_local(F::PROTOCOL)
        || packet.reroute(context.net, F::PROTOCOL)
}
