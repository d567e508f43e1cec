// SPDX-License-Identifier: GPL-2.0

//! State transitions of a connection: the next state and its timeout (behaviour.rst 7.1 to 7.3).

use crate::{
    director::{
        conn::{
            Connection,
            InetFamily,
            NextState,
            Timeout,
            Timeouts, //
        },
        netns::NetnsIpvs,
        packet::Context,
        sync, //
    },
    logic::{
        direction::Direction,
        packet::{
            Transport,
            TCP,
            UDP, //
        },
        sctp,
        tcp::{
            self,
            TcpFlags, //
        },
        udp, //
    },
};
use kernel::sync::atomic::Relaxed;

/// Sets state and timeout of a new connection by its first packet. Called before the destination
/// counts the connection. Returns whether a sync master runs.
#[inline(always)]
pub(super) fn follow<F: InetFamily>(
    connection: &Connection<F>,
    timeouts: &Timeouts,
    direction: Direction,
    packet: (u8, &Transport),
) -> bool {
    let (protocol, transport) = packet;
    let timeout = match protocol {
        UDP => {
            // A connection is created in the state that a client's datagram leads to.
            const _: () = assert!(udp::NORMAL == tcp::NONE && !udp::active(udp::NORMAL));
            if direction == Direction::Output {
                follow_udp(connection, direction);
            }
            timeouts.udp()
        }
        TCP => follow_tcp(connection, timeouts, direction, transport.flags),
        _ => follow_sctp(connection, timeouts, direction, transport.event),
    };
    connection.timeout.store(timeout.jiffies(), Relaxed);
    timeout.is_sync_active()
}

/// Returns the connection's timeout after a packet, and changes its state. Returns `None`, and
/// changes nothing, for a segment of a special connection: bound to an application helper, or
/// reset.
#[inline(always)]
fn timeout_after<F: InetFamily>(
    connection: &Connection<F>,
    timeouts: &Timeouts,
    direction: Direction,
    (protocol, transport): (u8, &Transport),
) -> Option<Timeout> {
    Some(match protocol {
        UDP => {
            if !connection.count_only(direction, udp::NORMAL) {
                follow_udp(connection, direction);
            }
            timeouts.udp()
        }
        // No state table leaves ESTABLISHED for such a segment (T-4, T-5).
        TCP if transport.flags == TcpFlags::PLAIN
            && connection.count_only(direction, tcp::ESTABLISHED) =>
        {
            timeouts.established()
        }
        TCP if connection.is_special() => return None,
        TCP => follow_tcp(connection, timeouts, direction, transport.flags),
        _ => follow_sctp(connection, timeouts, direction, transport.event),
    })
}

/// Updates `last_seen` and the timeout after a packet.
#[inline(always)]
fn restart_timer<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    direction: Direction,
    timeout: Timeout,
) {
    connection.touch();
    // The only test on the fast path: it fails if the state has changed, a sync master runs, or the
    // service has timeouts of its own.
    if !timeout.is_settled(connection.timeout.load(Relaxed))
        && !is_settled_by_service(connection, context.header.protocol, timeout)
    {
        let is_request = direction == Direction::Input;
        change(*context, connection, is_request, timeout);
    }
}

/// Returns whether a packet only has to touch its connection, as that has a timeout of its service
/// for the present state.
#[inline(always)]
fn is_settled_by_service<F: InetFamily>(
    connection: &Connection<F>,
    protocol: u8,
    timeout: Timeout,
) -> bool {
    let own = &connection.destination.own;
    own.is_timed()
        && !timeout.is_sync_active()
        && own.timeout(protocol, connection.state()).is_some()
        && connection.has_own_timeout(protocol)
}

/// Returns whether the connection's destination is there, and has no timeout for the connection's
/// state that the connection does not have.
#[inline(always)]
pub(super) fn is_plain<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
) -> bool {
    let own = &connection.destination.own;
    own.is_plain() || own.is_available() && connection.has_own_timeout(context.header.protocol)
}

/// Gives a connection the timeout that its service has for the present state, which is not the one
/// that it has: the service got it after the connection's last packet. The connection may have the
/// namespace's, which [`restart_timer`] would take for right.
#[cold]
#[inline(never)]
pub(super) fn take_own_timeout<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
) {
    // First, as a shorter timeout may be over already.
    connection.touch();
    settle(context, connection, None);
}

/// Gives a new connection, whose destination is not a plain one, what its service has in place of
/// the namespace's: conntrack, and its timeout if the first packet `changes` that. FTP's control
/// connections use conntrack always (F-4).
#[cold]
#[inline(never)]
pub(super) fn begin_own<F: InetFamily>(
    ipvs: &NetnsIpvs,
    connection: &mut Connection<F>,
    protocol: u8,
    changes: bool,
) {
    if !connection.has_app() {
        let is_tracked = ipvs.settings.is_tracked();
        let is_tracked = connection.destination.own.conntrack(is_tracked);
        connection.retrack(is_tracked);
    }
    if changes {
        let timeout = connection.timeout_of(&ipvs.timeouts, protocol, connection.state());
        connection.timeout.store(timeout, Relaxed);
    }
}

/// Stores the timeout `own` of the state that a packet found or led to, in jiffies; without it that
/// of the present state.
fn settle<F: InetFamily>(context: &Context<'_, F>, connection: &Connection<F>, own: Option<u32>) {
    let (timeouts, protocol) = (&context.ipvs.timeouts, context.header.protocol);
    let of = |state| connection.timeout_of(timeouts, protocol, state);
    let own = own.unwrap_or_else(|| of(connection.state()));
    if own != connection.timeout.load(Relaxed) && connection.settle_timeout(own, of) {
        context.connections.rearm(connection);
    }
}

/// Stores a changed timeout, and queues the connection for sending if a sync master runs.
#[inline(never)]
fn change<F: InetFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    is_request: bool,
    timeout: Timeout,
) {
    let is_own = connection.destination.own.is_timed();
    settle(&context, connection, (!is_own).then_some(timeout.jiffies()));
    if timeout.is_sync_active() && is_request {
        sync::sync_conn(context.ipvs, context.rcu, connection);
    }
}

/// Applies a datagram to a UDP connection.
fn follow_udp<F: InetFamily>(connection: &Connection<F>, direction: Direction) {
    connection.advance(direction, |direction, state| {
        let state = udp::next(state);
        NextState {
            state,
            active: udp::active(state),
            assures: direction == Direction::Output,
        }
    });
}

/// Applies a segment to a TCP connection; returns the timeout of the new state.
#[inline]
fn follow_tcp<F: InetFamily>(
    connection: &Connection<F>,
    timeouts: &Timeouts,
    direction: Direction,
    flags: TcpFlags,
) -> Timeout {
    let event = flags.event();
    let state = connection.advance(direction, |direction, state| {
        let state = tcp::next(timeouts.secure.load() != 0, direction, event, state);
        NextState {
            state,
            active: tcp::active(state),
            assures: state == tcp::ESTABLISHED,
        }
    });
    timeouts.tcp(state)
}

/// Applies a packet to an SCTP association; returns the timeout of the new state.
#[cold]
#[inline(never)]
fn follow_sctp<F: InetFamily>(
    connection: &Connection<F>,
    timeouts: &Timeouts,
    direction: Direction,
    event: sctp::SctpEvent,
) -> Timeout {
    let state = connection.advance(direction, |direction, state| {
        let state = sctp::next(direction, event, state);
        NextState {
            state,
            active: sctp::active(state),
            assures: state == sctp::ESTABLISHED,
        }
    });
    timeouts.sctp(state)
}

/// [`follow`] for a connection in the table: also re-arms it and queues it for sending.
/// Returns whether the connection is special, so that more is to be done.
#[inline(always)]
pub(super) fn follow_linked<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    direction: Direction,
) -> bool {
    let packet = (context.header.protocol, &context.transport);
    let timeouts = &context.ipvs.timeouts;
    let Some(timeout) = timeout_after(connection, timeouts, direction, packet) else {
        return follow_special(*context, connection, direction);
    };
    restart_timer(context, connection, direction, timeout);
    false
}

/// [`follow_linked`] for a packet on the fast path: a datagram, or a segment without SYN, FIN and
/// RST. Returns `false`, and changes nothing, if it may change more than the time of the last
/// packet.
#[inline(always)]
pub(super) fn follow_plain<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    direction: Direction,
) -> bool {
    let timeouts = &context.ipvs.timeouts;
    let (state, timeout) = match context.header.protocol {
        TCP => (tcp::ESTABLISHED, timeouts.established()),
        _ => (udp::NORMAL, timeouts.udp()),
    };
    let counts_only = connection.count_only(direction, state);
    if counts_only {
        restart_timer(context, connection, direction, timeout);
    }
    counts_only
}

/// [`follow_linked`] for the first packet of a connection that another CPU has inserted with
/// another packet of the same client.
#[cold]
#[inline(never)]
pub(super) fn follow_duplicate<F: InetFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    direction: Direction,
) {
    // A packet that opens a connection has no payload for the helper.
    follow_linked(&context, connection, direction);
}

/// [`follow_linked`] for a TCP connection that is bound to an application helper, or was reset. The
/// latter stays as it is.
#[cold]
#[inline(never)]
fn follow_special<F: InetFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    direction: Direction,
) -> bool {
    if connection.is_reset() {
        return true;
    }
    let (timeouts, flags) = (&context.ipvs.timeouts, context.transport.flags);
    let timeout = follow_tcp(connection, timeouts, direction, flags);
    restart_timer(&context, connection, direction, timeout);
    true
}
