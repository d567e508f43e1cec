// SPDX-License-Identifier: GPL-2.0

//! First packets of connections with an unknown client port (`IP_VS_CONN_F_NO_CPORT`; C-9, C-24,
//! F-9).

use crate::{
    director::{
        conn::{
            conntrack,
            Connection,
            InetFamily, //
        },
        packet::Context, //
    },
    kapi::table::Hashed,
    logic::{
        family::Endpoint,
        packet::TCP,
        reason::Reason, //
    },
};

/// Result of [`find`].
pub(crate) enum NoCportMatch<'g, F: InetFamily> {
    /// The packet is the first one of this connection.
    Begun(&'g Connection<F>),
    /// The connection has already begun with another packet, another client port has taken it, or
    /// there is no memory for it.
    Late(Reason),
    /// No such connection exists.
    Nothing,
}

/// Returns the match of a packet that came after another one.
fn lost<'g, F: InetFamily>() -> NoCportMatch<'g, F> {
    NoCportMatch::Late(Reason::LostRace)
}

/// Looks for a connection with an unknown client port that the packet begins, and fills in the
/// port. `hashed` is that of the packet's two endpoints.
///
/// Of two simultaneous packets with different client ports one wins; the client has to retransmit
/// the other. Only a packet that opens a connection may fill in the port: a late packet of an
/// earlier data connection has another client port.
#[cold]
#[inline(never)]
pub(crate) fn find<F: InetFamily>(context: Context<'_, F>, hashed: Hashed) -> NoCportMatch<'_, F> {
    if context.header.protocol != TCP || !context.transport.flags.is_syn() {
        return NoCportMatch::Nothing;
    }
    let (rcu, connections) = (context.rcu, context.connections);
    context.af.no_cport.forget();
    let (client, virt) = (context.src(), context.dst());
    let anybody = Endpoint {
        addr: client.addr,
        port: 0,
    };
    let no_cport = connections.find(rcu, TCP, &anybody, &virt);
    let Some(no_cport) = no_cport.filter(|known| known.is_no_cport()) else {
        // Another CPU was first. It inserted the filled connection before it removed this one.
        let begun = connections.find(rcu, TCP, &client, &virt);
        return begun.map_or(NoCportMatch::Nothing, |_| lost());
    };
    let slab = &context.af.slab;
    let Ok(filled) = slab.alloc(|| no_cport.fill_cport(rcu, client)) else {
        return NoCportMatch::Late(Reason::NoMemory);
    };
    if !no_cport.release_count() {
        return lost();
    }
    let entered = connections.insert(rcu, filled, hashed);
    // After the insertion, so that a look-up finds one of the two at any time.
    conntrack::remove(Some(context.net), connections, rcu, no_cport);
    match entered {
        Ok(begun) => NoCportMatch::Begun(begun),
        Err(_) => lost(),
    }
}
