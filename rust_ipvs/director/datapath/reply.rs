// SPDX-License-Identifier: GPL-2.0

//! Replies: packets from a destination to a client that pass this host.

use super::{
    reset,
    state, //
};
use crate::{
    director::{
        conn::{
            conntrack,
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
        skbuff::{
            Packet,
            Unreachable, //
        },
    },
    logic::{
        checksum::SumState,
        config::ForwardMethod,
        direction::Direction,
        family::{
            Fragment,
            Side, //
        },
        reason::Reason,
    },
};

/// Handles a reply of a known connection.
#[inline(always)]
pub(crate) fn handle<'g, F: InetFamily>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    packet: Packet,
) -> Verdict {
    if packet.is_tracked() {
        handle_tracked(*context, connection, packet)
    } else {
        handle_as::<F, false>(context, connection, packet)
    }
}

/// Handles a reply with a conntrack entry.
#[cold]
#[inline(never)]
fn handle_tracked<'g, F: InetFamily>(
    context: Context<'g, F>,
    connection: &'g Connection<F>,
    packet: Packet,
) -> Verdict {
    handle_as::<F, true>(&context, connection, packet)
}

/// Handles a reply; it has a conntrack entry only if `TRACKED`.
#[inline(always)]
fn handle_as<'g, F: InetFamily, const TRACKED: bool>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    mut packet: Packet,
) -> Verdict {
    if connection.method == ForwardMethod::MASQ {
        if let Err(reason) = translate(context, connection, &mut packet) {
            return context.discard(Of::Connection(connection), reason, packet);
        }
    }
    let destination = &connection.destination;
    if state::is_plain(context, connection) || is_counted(*context, connection) {
        destination.counted.output(packet.len());
    }
    let is_special = state::follow_linked(context, connection, Direction::Output);
    if is_special {
        if let Err(reason) = reset::reply(*context, connection, &mut packet) {
            return context.drop(Of::Connection(connection), reason, packet);
        }
    }
    packet.set_handled();
    if TRACKED {
        conntrack::finish_ct_slow(connection, Direction::Output, &mut packet);
    }
    Verdict::Accept(packet)
}

/// Returns whether a reply counts at the destination, which was deleted, or whose service has got
/// timeouts of its own; the connection takes those.
#[cold]
#[inline(never)]
fn is_counted<F: InetFamily>(context: Context<'_, F>, connection: &Connection<F>) -> bool {
    if connection.destination.own.is_timed() {
        state::take_own_timeout(&context, connection);
    }
    connection.destination.is_available()
}

/// Rewrites the source to the VIP.
///
/// # Errors
///
/// The reason for which the packet has to be dropped.
#[inline(always)]
fn translate<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    packet: &mut Packet,
) -> Result<(), Reason> {
    let sum = SumState::of(packet.sum_is_partial());
    let Some(bytes) = packet.writable(context.headers()) else {
        return Err(Reason::NoMemory);
    };
    let vip = &connection.vip;
    let side = Side::Source;
    if F::rewrite(bytes, &context.header, side, vip, sum).is_err()
        && !sctp::rewrite(context.header, packet, side, vip, sum)
    {
        return Err(Reason::BadHeader);
    }
    packet.sum_changed();
    match context.reroute(packet) {
        true => Ok(()),
        false => Err(Reason::NoRouteForReply),
    }
}

/// Returns whether to answer a packet without a connection with an ICMP error: it comes from a real
/// server behind NAT and `nat_icmp_send` is set (H-22).
#[inline(always)]
pub(super) fn is_unexpected<F: InetFamily>(context: &Context<'_, F>) -> bool {
    context.ipvs.settings.nat_icmp_send.load() != 0 && is_from_server(*context)
}

/// Returns whether a packet comes from a real server behind NAT and is not an RST.
#[cold]
#[inline(never)]
fn is_from_server<F: InetFamily>(context: Context<'_, F>) -> bool {
    let rs_table = &context.ipvs.rs_table;
    let protocol = context.header.protocol;
    // AH and ESP have no ports and are parsed as later fragments.
    context.header.fragment != Fragment::Later
        && !context.transport.flags.is_rst()
        && rs_table.has_real_server(context.rcu, protocol, &context.src())
}

/// Sends a port unreachable error and drops the packet.
#[cold]
#[inline(never)]
pub(crate) fn refuse<F: InetFamily>(context: Context<'_, F>, mut packet: Packet) -> Verdict {
    packet.send_error(F::PROTOCOL, Unreachable::Port);
    context.drop(Of::Nothing, Reason::UnexpectedReply, packet)
}
