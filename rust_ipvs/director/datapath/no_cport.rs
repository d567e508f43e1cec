// SPDX-License-Identifier: GPL-2.0

//! First packets of connections whose client's port was not known (`IP_VS_CONN_F_NO_CPORT`; C-9,
//! C-24, F-9).

use crate::{
    director::{
        conn::{
            conntrack,
            Connection,
            InetFamily, //
        },
        packet::Context, //
    },
    logic::{
        family::Endpoint,
        packet::TCP, //
    },
};

/// Result of the look-up of a connection without the client's port.
pub(crate) enum Found<'g, F: InetFamily> {
    /// The first packet of this one.
    Begun(&'g Connection<F>),
    /// A packet of one that began with another packet just now, or that another port of the client
    /// has taken.
    Late,
    /// Nothing.
    Nothing,
}

/// Looks for the connection that a packet is the first one of. `hash` is that of its two endpoints.
///
/// Of two packets with different ports at once, one wins, and the client has to send the other
/// again. Only what opens a connection may: what is left of an earlier one to the same port comes
/// from another port of the client.
#[cold]
#[inline(never)]
pub(crate) fn find<F: InetFamily>(context: Context<'_, F>, hash: u32) -> Found<'_, F> {
    if context.header.protocol != TCP || !context.transport.flags.is_syn() {
        return Found::Nothing;
    }
    let (rcu, connections) = (context.rcu, context.connections);
    context.af.no_cport.forget();
    let (client, virt) = (context.src(), context.dst());
    let anybody = Endpoint {
        addr: client.addr,
        port: 0,
    };
    let at = F::hash(&connections.key, &anybody, &virt, TCP);
    let no_cport = connections.table.find(rcu, at, |connection, direction| {
        direction == 0 && connection.is_of(TCP, &anybody, &virt) && connection.is_no_cport()
    });
    let Some((no_cport, _)) = no_cport else {
        // It was there before: what took its place was put in the table before it left.
        let begun = connections.table.find(rcu, hash, |connection, direction| {
            direction == 0 && connection.is_of(TCP, &client, &virt)
        });
        return begun.map_or(Found::Nothing, |_| Found::Late);
    };
    let slab = &context.af.slab;
    let Ok(filled) = slab.alloc(|| no_cport.fill_cport(rcu, client)) else {
        return Found::Late;
    };
    if !no_cport.release_count() {
        return Found::Late;
    }
    let reply_hash = F::hash(&connections.key, &client, &no_cport.real, TCP);
    let hashes = (hash, Some(reply_hash));
    let entered = connections.table.insert(rcu, filled, hashes, |other| {
        other.is_of(TCP, &client, &virt)
    });
    connections.came();
    // Last, so that one of both is there at any time.
    conntrack::remove(Some(context.net), connections, rcu, no_cport);
    match entered {
        Ok(begun) => Found::Begun(begun),
        Err(_) => Found::Late,
    }
}
