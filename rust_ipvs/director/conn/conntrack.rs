// SPDX-License-Identifier: GPL-2.0

//! Connection tracking: finishes the conntrack entries of packets (behaviour.rst 10).
//!
//! A packet without an entry, which is any where no rules track, costs a test. Others are handled
//! out of line, in code of their own (`xmit::send`, `reply::handle`). What is to be decided of them
//! is decided by the connection: one that was begun while `conntrack` was 0 is not tracked, and its
//! packets lose their entries; the packets of another keep theirs, which NAT tells what replies
//! look like, and which goes when the connection does.

use super::{
    family::InetFamily,
    table::Connections,
    Connection, //
};
use crate::{
    kapi::{
        conntrack::{
            self,
            CtDirection,
            Tuple, //
        },
        net::Net,
        rcu::Rcu,
        skbuff::Packet, //
    },
    logic::{
        config::ForwardMethod,
        direction::Direction,
        family::Endpoint,
        tracking::{
            self,
            End,
            EntryState, //
        },
    },
};

/// Finishes the conntrack entry of a packet that was handled and goes on: it goes in `direction`
/// (N-1 to N-3).
#[inline(always)]
pub(crate) fn finish_ct<F: InetFamily>(
    connection: &Connection<F>,
    direction: Direction,
    packet: &mut Packet,
) {
    if packet.is_tracked() {
        finish_ct_slow(connection, direction, packet);
    }
}

/// As [`finish_ct`], for a packet that carries an entry.
#[cold]
#[inline(never)]
pub(crate) fn finish_ct_slow<F: InetFamily>(
    connection: &Connection<F>,
    direction: Direction,
    packet: &mut Packet,
) {
    if !connection.is_tracked() {
        packet.untrack();
    } else if connection.method == ForwardMethod::MASQ && !connection.is_ops() {
        alter_reply(connection, direction, packet);
    }
}

/// Alters the reply tuple of the entry of a connection's first packet (N-3).
fn alter_reply<F: InetFamily>(connection: &Connection<F>, direction: Direction, packet: &Packet) {
    let Some((entry, way)) = packet.entry() else {
        return;
    };
    let known = EntryState {
        confirmed: entry.is_confirmed(),
        dying: entry.is_dying(),
        original: way.direction() == CtDirection::Original,
    };
    if !known.is_open() {
        return;
    }
    if connection.has_app() && !(entry.adjusts_sequences() && entry.has_relations()) {
        // The helper could not do its work.
        return;
    }
    let tuple = entry.tuple(CtDirection::Reply);
    let end = |end: conntrack::End| End {
        addr: end.addr,
        port: end.port,
    };
    let (src, dst) = tracking::reply(
        (end(tuple.src), end(tuple.dst)),
        tuple.transport,
        direction,
        End::of(&connection.virt),
        End::of(&connection.real),
    );
    entry.expect_reply(&Tuple {
        src: tracked(src),
        dst: tracked(dst),
        ..tuple
    });
}

/// An end in the words of connection tracking.
fn tracked(end: End) -> conntrack::End {
    conntrack::End {
        addr: end.addr,
        port: end.port,
    }
}

/// An end of a connection in the words of connection tracking.
pub(crate) fn end<F: InetFamily>(end: &Endpoint<F>) -> conntrack::End {
    tracked(End::of(end))
}

/// Confirms a packet's entry before the packet goes into another, where only that is seen; `false`
/// where the packet may not go on, as somebody else has a connection of the same kind (N-2).
pub(crate) fn confirm_inner<F: InetFamily>(
    connection: &Connection<F>,
    packet: &mut Packet,
) -> bool {
    !connection.is_tracked() || packet.confirm()
}

/// Returns whether a packet carries an entry that cannot be told of another server any more (N-6).
pub(crate) fn is_confirmed(packet: &Packet) -> bool {
    packet
        .entry()
        .is_some_and(|(entry, _)| entry.is_confirmed())
}

/// Returns whether rules have left the addresses and ports of a packet as they were, by what its
/// entry says.
pub(crate) fn is_as_it_came<F: InetFamily>(
    packet: &Packet,
    src: &Endpoint<F>,
    dst: &Endpoint<F>,
) -> bool {
    packet.entry().is_some_and(|(entry, way)| {
        let came = entry.tuple(way.direction());
        came.src == end(src) && came.dst == end(dst)
    })
}

/// Takes a connection out of the table, and its entry out of connection tracking (N-5), which knows
/// none where `net` does not say in which namespace to look. Returns whether it was this call that
/// did so.
pub(crate) fn remove<F: InetFamily>(
    net: Option<&Net>,
    connections: &Connections<F>,
    rcu: Rcu<'_>,
    connection: &Connection<F>,
) -> bool {
    let removed = connections.table.remove(rcu, connection);
    if removed {
        forget(net, connection);
    }
    removed
}

/// Takes a connection out of the table as [`remove`] does, for another with the same ends. If it
/// controls others it is given up instead: no packet finds it, and it ends when they have (C-16).
pub(crate) fn supersede<F: InetFamily>(
    net: Option<&Net>,
    connections: &Connections<F>,
    rcu: Rcu<'_>,
    connection: &Connection<F>,
) {
    // The last that held it may let go between the two looks. Then the second attempt takes it out.
    for _ in 0..2 {
        if remove(net, connections, rcu, connection) {
            return;
        }
        if connection.controls() {
            connection.give_up();
            connections.table.rearm(connection);
            return;
        }
    }
    // Another CPU has taken it out.
}

/// A connection has left the table: its entry goes too (N-5).
#[inline(always)]
pub(crate) fn forget<F: InetFamily>(net: Option<&Net>, connection: &Connection<F>) {
    if connection.is_tracked() {
        kill(net, connection);
    }
}

#[cold]
#[inline(never)]
fn kill<F: InetFamily>(net: Option<&Net>, connection: &Connection<F>) {
    let (client, virt) = (&connection.client, &connection.virt);
    if client.port == 0 {
        return;
    }
    let tuple = Tuple {
        network: F::PROTOCOL,
        transport: connection.protocol(),
        src: end(client),
        dst: end(virt),
    };
    if let Some(entry) = net.and_then(|net| conntrack::find(net, &tuple)) {
        entry.kill();
    }
}
