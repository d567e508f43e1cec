// SPDX-License-Identifier: GPL-2.0

//! Client port reuse (`conn_reuse_mode`) and connections of unavailable destinations
//! (behaviour.rst 5.5, 5.6).

use super::schedule;
use crate::{
    director::{
        conn::{
            conntrack,
            Connection,
            InetFamily, //
        },
        netns::Settings,
        packet::{
            Context,
            Of, //
        },
    },
    kapi::{
        netfilter::Verdict,
        skbuff::Packet,
        table::Hashed, //
    },
    logic::{
        packet::SCTP,
        reason::Reason,
        sctp,
        tcp, //
    },
};

/// Returns whether a packet that opens a connection anew is to be scheduled anew, though an entry
/// exists (S-18; C: `is_new_conn_expected()` and `expire_nodest_conn`).
#[cold]
pub(super) fn is_over<F: InetFamily>(
    settings: &Settings,
    connection: &Connection<F>,
    packet: &Packet,
) -> bool {
    /// Bit of `conn_reuse_mode` that also includes connections in FIN_WAIT.
    const AFTER_FIN: i32 = 2;
    let (destination, of_namespace) = (&connection.destination, settings.expire_nodest_conn.load());
    if destination.share() == 0 && destination.own.expire_nodest(of_namespace) {
        return true;
    }
    // A drained destination takes no connection by a port that is used again either; one by a
    // template only while that is kept.
    let drain = destination.drain_word();
    let is_left = drain.is_drained() && !(connection.is_controlled() && drain.keeps_templates());
    let mode = settings.conn_reuse_mode.load();
    let ended = match (connection.protocol(), connection.state()) {
        _ if connection.is_reset() => true,
        _ if !is_left && (mode == 0 || connection.is_controlled()) => false,
        (SCTP, state) => state == sctp::CLOSED,
        (_, tcp::TIME_WAIT | tcp::CLOSE) => true,
        (_, tcp::FIN_WAIT) => mode & AFTER_FIN != 0 && connection.is_silent(),
        _ => false,
    };
    ended && !(connection.controls() && conntrack::is_confirmed(packet))
}

/// Ends a connection and schedules its packet anew (S-19, S-22).
///
/// The reply tuple of a confirmed conntrack entry cannot be altered for another destination. C IPVS
/// drops a packet with such an entry; the entry is gone when the client retransmits a second later.
/// Here the packet loses its entry and re-enters at PRE_ROUTING: rules see a new connection, as
/// they do with the retransmission in C. A packet that rules have translated before (DNAT) cannot
/// be re-injected with its original addresses, so it is dropped as in C.
#[cold]
#[inline(never)]
pub(super) fn begin_anew<'g, F: InetFamily>(
    context: Context<'g, F>,
    connection: &'g Connection<F>,
    packet: Packet,
) -> Verdict {
    let confirmed = conntrack::is_confirmed(&packet);
    if !confirmed {
        // The conntrack entry is now that of the new connection.
        connection.leave_to_others();
    }
    conntrack::supersede(
        Some(context.net),
        context.connections,
        context.rcu,
        connection,
    );
    if !confirmed {
        return schedule::handle(context, Hashed::UNKNOWN, packet);
    }
    let is_untranslated = conntrack::is_untranslated(&packet, &context.src(), &context.dst());
    if let Some((entry, _)) = packet.entry() {
        entry.kill();
    }
    if !is_untranslated {
        return context.drop(Of::Connection(connection), Reason::PortReuse, packet);
    }
    Verdict::Stolen(packet.pass_again(context.net, context.point, F::PROTOCOL))
}
