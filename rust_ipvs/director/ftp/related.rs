// SPDX-License-Identifier: GPL-2.0

//! Data connections that connection tracking is told of, so that rules know them as related (N-8).

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

/// Tells connection tracking of a data connection that a client is to begin, so that rules know it
/// as related (N-8).
pub(super) fn expect<F: InetFamily>(
    context: &Context<'_, F>,
    (client, virt): (Endpoint<F>, Endpoint<F>),
    packet: &Packet,
) {
    if let Some((entry, _)) = packet.entry() {
        let first = first_packet(&client, &virt);
        // Where there are too many, it is not known as related; nothing else depends on that.
        let _ = entry.expect(&first, context.ipvs.timeouts.of(TCP, tcp::LISTEN) / HZ);
    }
}

/// Tells connection tracking that a client is not to begin a data connection any more.
pub(super) fn expect_no_more<F: InetFamily>(
    client: &Endpoint<F>,
    virt: &Endpoint<F>,
    packet: &Packet,
) {
    if let Some((entry, _)) = packet.entry() {
        entry.expect_no_more(&first_packet(client, virt));
    }
}

/// Returns the tuple of a client's first packet to the VIP, in the words of connection tracking.
fn first_packet<F: InetFamily>(client: &Endpoint<F>, virt: &Endpoint<F>) -> conntrack::Tuple {
    conntrack::Tuple {
        network: F::PROTOCOL,
        transport: TCP,
        src: conn_conntrack::end(client),
        dst: conn_conntrack::end(virt),
    }
}
