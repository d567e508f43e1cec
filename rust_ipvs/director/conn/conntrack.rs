// SPDX-License-Identifier: GPL-2.0

//! Conntrack entries of packets (behaviour.rst 10; C: `ip_vs_nfct.c`).
//!
//! A packet without an entry costs one test; a packet with one is handled out of line
//! (`xmit::send`, `reply::handle`). The connection decides: if it was created with `conntrack` 0,
//! its packets lose their entries (`IP_CT_UNTRACKED` in C). Otherwise they keep them: flowtables do
//! not take such an entry, with NAT its reply tuple is altered, and it is deleted with the
//! connection.

use super::{
    family::InetFamily,
    table::ConnTable,
    Connection, //
};
use crate::{
    kapi::{
        conntrack::{
            self,
            Conntrack,
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
            AnyEndpoint,
            EntryState, //
        },
    },
};

/// Finishes the conntrack entry of a packet that goes on in `direction` (N-1 to N-3).
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

/// [`finish_ct`] for a packet with a conntrack entry.
#[cold]
#[inline(never)]
pub(crate) fn finish_ct_slow<F: InetFamily>(
    connection: &Connection<F>,
    direction: Direction,
    packet: &mut Packet,
) {
    if !connection.is_tracked() || !prepare_ct(connection, direction, packet) {
        packet.untrack();
    }
}

/// Prepares the entry of a connection's first packet (N-3; C: `ip_vs_update_conntrack()`). Returns
/// `false` if an allocation failed, and the packet should give up the entry, which would be wrong
/// for all later packets.
///
/// A flowtable that takes an entry sends the packets of both directions from then on, and knows
/// nothing of the VIP, because no NAT status bit is set (N-4): the connection would stall. Neither
/// `flow add` of nftables nor `ct` of tc takes an entry with the helper extension (C:
/// `nft_flow_offload_eval()`, `tcf_ct_flow_table_process_conn()`). So each entry gets that
/// extension, whatever the forwarding method, and with no helper in it.
fn prepare_ct<F: InetFamily>(
    connection: &Connection<F>,
    direction: Direction,
    packet: &Packet,
) -> bool {
    let Some((entry, way)) = packet.entry() else {
        return true;
    };
    let known = EntryState {
        confirmed: entry.is_confirmed(),
        dying: entry.is_dying(),
        original: way.direction() == CtDirection::Original,
    };
    if !known.is_open() {
        return true;
    }
    // An application helper needs the seqadj extension, too.
    if !entry.has_relations() || connection.has_app() && !entry.adjusts_sequences() {
        return false;
    }
    if connection.method == ForwardMethod::MASQ && !connection.is_ops() {
        alter_reply(connection, direction, entry);
    }
    true
}

/// Alters the reply tuple of an unconfirmed entry to what replies look like (N-3).
fn alter_reply<F: InetFamily>(connection: &Connection<F>, direction: Direction, entry: &Conntrack) {
    let tuple = entry.tuple(CtDirection::Reply);
    let end = |end: conntrack::TupleEnd| AnyEndpoint {
        addr: end.addr,
        port: end.port,
    };
    let (src, dst) = tracking::reply(
        (end(tuple.src), end(tuple.dst)),
        tuple.transport,
        direction,
        AnyEndpoint::of(&connection.vip),
        AnyEndpoint::of(&connection.dest),
    );
    entry.expect_reply(&Tuple {
        src: tracked(src),
        dst: tracked(dst),
        ..tuple
    });
}

/// Converts an end of a connection to the type of [`kapi::conntrack`](conntrack).
fn tracked(end: AnyEndpoint) -> conntrack::TupleEnd {
    conntrack::TupleEnd {
        addr: end.addr,
        port: end.port,
    }
}

/// Converts an endpoint to the type of [`kapi::conntrack`](conntrack).
pub(crate) fn end<F: InetFamily>(end: &Endpoint<F>) -> conntrack::TupleEnd {
    tracked(AnyEndpoint::of(end))
}

/// Prepares a packet's entry and confirms it before encapsulation, as POST_ROUTING sees the outer
/// packet only (C: `ip_vs_confirm_conntrack()`). Returns `false` if the packet has to be dropped,
/// as another entry has the same tuple (N-2).
pub(crate) fn confirm_inner<F: InetFamily>(
    connection: &Connection<F>,
    packet: &mut Packet,
) -> bool {
    if !connection.is_tracked() {
        return true;
    }
    finish_ct(connection, Direction::Input, packet);
    packet.confirm()
}

/// Returns whether a packet has a confirmed entry, whose reply tuple cannot be altered any more
/// (N-6).
pub(crate) fn is_confirmed(packet: &Packet) -> bool {
    packet
        .entry()
        .is_some_and(|(entry, _)| entry.is_confirmed())
}

/// Returns whether the packet still has the addresses and ports of its entry's original tuple, so
/// that no rule has translated it.
pub(crate) fn is_untranslated<F: InetFamily>(
    packet: &Packet,
    src: &Endpoint<F>,
    dst: &Endpoint<F>,
) -> bool {
    packet.entry().is_some_and(|(entry, way)| {
        let tuple = entry.tuple(way.direction());
        tuple.src == end(src) && tuple.dst == end(dst)
    })
}

/// Removes a connection from the table and deletes its conntrack entry (N-5); the latter only if
/// `net` is given. Returns false if another CPU has removed it.
pub(crate) fn remove<F: InetFamily>(
    net: Option<&Net>,
    connections: &ConnTable<F>,
    rcu: Rcu<'_>,
    connection: &Connection<F>,
) -> bool {
    let removed = connections.remove(rcu, connection);
    if removed {
        forget(net, connection);
    }
    removed
}

/// Removes a connection from the table as [`remove`] does, so that another with the same addresses
/// can be inserted. A connection that controls others is unhashed instead; it expires after them
/// (C-16).
pub(crate) fn supersede<F: InetFamily>(
    net: Option<&Net>,
    connections: &ConnTable<F>,
    rcu: Rcu<'_>,
    connection: &Connection<F>,
) {
    // The last controlled connection may end between the two calls; the second round removes it.
    for _ in 0..2 {
        if remove(net, connections, rcu, connection) {
            return;
        }
        if connection.controls() {
            connection.give_up();
            connections.rearm(connection);
            return;
        }
    }
    // Another CPU has removed it.
}

/// Makes a connection that controls others one that no packet finds, and deletes its conntrack
/// entry (N-5). The entry of a new connection with the same addresses is left alone later.
pub(crate) fn hide<F: InetFamily>(net: &Net, connection: &Connection<F>) {
    if !connection.is_unhashed() {
        forget(Some(net), connection);
        connection.hide();
    }
}

/// Deletes the conntrack entry of a connection that was removed from the table (N-5).
#[inline(always)]
pub(crate) fn forget<F: InetFamily>(net: Option<&Net>, connection: &Connection<F>) {
    if connection.is_tracked() {
        kill(net, connection);
    }
}

#[cold]
#[inline(never)]
fn kill<F: InetFamily>(net: Option<&Net>, connection: &Connection<F>) {
    let (client, virt) = (&connection.client, &connection.vip);
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
