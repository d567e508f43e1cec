// SPDX-License-Identifier: GPL-2.0

//! Conntrack expectations of data connections, so that rules see them as RELATED (N-8).

use crate::{
    director::{
        conn::{
            conntrack as conn_conntrack,
            InetFamily, //
        },
        packet::Context, //
    },
    kapi::{
        conntrack,
        skbuff::Packet,
        time::HZ, //
    },
    logic::{
        family::Endpoint,
        packet::TCP,
        tcp, //
    },
};

/// Registers a conntrack expectation for a data connection that the client begins (N-8).
pub(super) fn expect<F: InetFamily>(
    context: &Context<'_, F>,
    (client, virt): (Endpoint<F>, Endpoint<F>),
    packet: &Packet,
) {
    if let Some((entry, _)) = packet.entry() {
        let first = first_packet(&client, &virt);
        // At the limit of expectations the connection is not RELATED; nothing else depends on it.
        let _ = entry.expect(&first, context.ipvs.timeouts.of(TCP, tcp::LISTEN) / HZ);
    }
}

/// Removes the conntrack expectation of a data connection.
pub(super) fn expect_no_more<F: InetFamily>(
    client: &Endpoint<F>,
    virt: &Endpoint<F>,
    packet: &Packet,
) {
    if let Some((entry, _)) = packet.entry() {
        entry.expect_no_more(&first_packet(client, virt));
    }
}

/// Returns the tuple of a client's first packet to the VIP.
fn first_packet<F: InetFamily>(client: &Endpoint<F>, virt: &Endpoint<F>) -> conntrack::Tuple {
    conntrack::Tuple {
        network: F::PROTOCOL,
        transport: TCP,
        src: conn_conntrack::end(client),
        dst: conn_conntrack::end(virt),
    }
}
