// SPDX-License-Identifier: GPL-2.0

//! Port reuse (`conn_reuse_mode`) and connections of unavailable destinations (behaviour.rst 5.5,
//! 5.6).

use super::schedule;
use crate::{
    director::{
        conn::{
            conntrack,
            Connection,
            InetFamily, //
        },
        netns::Settings,
        packet::Context, //
    },
    kapi::{
        netfilter::Verdict,
        skbuff::Packet, //
    },
    logic::{
        packet::SCTP,
        sctp,
        tcp, //
    },
};

/// Returns whether a connection that the client begins anew may go elsewhere (S-18).
#[cold]
pub(super) fn is_over<F: InetFamily>(
    settings: &Settings,
    connection: &Connection<F>,
    packet: &Packet,
) -> bool {
    /// The bit of `conn_reuse_mode` that lets go of connections that the client has closed.
    const AFTER_FIN: i32 = 2;
    if settings.expire_nodest_conn.load() != 0 && connection.destination.weight() == 0 {
        return true;
    }
    let mode = settings.conn_reuse_mode.load();
    let ended = match (connection.protocol(), connection.state()) {
        _ if mode == 0 || connection.is_controlled() => false,
        (SCTP, state) => state == sctp::CLOSED,
        (_, tcp::TIME_WAIT | tcp::CLOSE) => true,
        (_, tcp::FIN_WAIT) => mode & AFTER_FIN != 0 && connection.is_silent(),
        _ => false,
    };
    ended && !(connection.controls() && conntrack::is_confirmed(packet))
}

/// Ends a connection and handles a packet of it as one that no connection was found for (S-19,
/// S-22).
///
/// Where the packet carries the entry of the connection that ends, nothing can be said to that of
/// another server. (C IPVS drops the packet: with the client's next attempt, a second later, the
/// entry is gone.) It is taken off the packet, which passes all hooks once more: to rules it is the
/// first one of a connection, as that attempt would be. One whose addresses rules have changed
/// already would not be to them what it was, so it is dropped here too.
#[cold]
#[inline(never)]
pub(super) fn begin_anew<'g, F: InetFamily>(
    context: Context<'g, F>,
    connection: &'g Connection<F>,
    hash: u32,
    packet: Packet,
) -> Verdict {
    let confirmed = conntrack::is_confirmed(&packet);
    if !confirmed {
        // What tracking knows by the client's port is not this connection any more.
        connection.leave_to_others();
    }
    conntrack::supersede(
        Some(context.net),
        context.connections,
        context.rcu,
        connection,
    );
    if !confirmed {
        return schedule::handle(context, hash, packet);
    }
    let is_as_it_came = conntrack::is_as_it_came(&packet, &context.src(), &context.dst());
    if let Some((entry, _)) = packet.entry() {
        entry.kill();
    }
    if !is_as_it_came {
        return Verdict::Drop(packet);
    }
    packet.pass_again(context.net, context.point, F::PROTOCOL);
    Verdict::Stolen
}
