// SPDX-License-Identifier: GPL-2.0

//! Entries of data connections that a control connection announces (F-6, F-7, F-9, C-24).
//!
//! The client's endpoint and the VIP's are the key of an entry, and two sessions may announce the
//! same one: those of two clients behind one address whose servers listen at the same port, or name
//! one port for themselves. The first one keeps it, as nothing in the packets that come to it tells
//! whose they are. The other gets another port of the VIP, which is what its client is told, or
//! called from.

use super::related;
use crate::{
    director::{
        conn::{
            conntrack,
            Connection,
            Connections,
            InetFamily, //
        },
        packet::Context, //
    },
    kapi::{
        skbuff::Packet,
        table::ControlRef, //
    },
    logic::{
        family::Endpoint,
        ftp,
        packet::TCP,
        tcp, //
    },
};

/// The ends of a data connection: the client's, whose port is 0 if nobody knows it, the VIP's and
/// the server's.
type Ends<F> = (Endpoint<F>, Endpoint<F>, Endpoint<F>);

/// Enters a data connection that `control` has announced, or has it wait anew. Returns the VIP's
/// endpoint that it got; `None` without room or memory, where the packet is not to go on: it comes
/// again.
///
/// An entry of another session stays as it is, unless nobody needs it any more.
pub(super) fn announce<F: InetFamily>(
    context: &Context<'_, F>,
    control: &Connection<F>,
    (client, virt, real): Ends<F>,
    packet: &Packet,
) -> Option<Endpoint<F>> {
    let rcu = context.rcu;
    let timeout = context.ipvs.timeouts.of(TCP, tcp::LISTEN);
    let connections = context.connections;
    if client.port == 0 {
        context.af.no_cport.expect(timeout);
    }
    let virt = match find_by_server(context, &(client, virt, real)) {
        Some(known) if known.is_of_control(rcu, control) => {
            known.listen(timeout);
            connections.table.rearm(known);
            known.virt
        }
        // A server that listens for another client at a port has ceased to listen there for the one
        // before.
        Some(known) if client.port == 0 || known.is_expected_no_more(rcu) => {
            let virt = known.virt;
            remove(context, known);
            enter(context, control, (client, virt, real), timeout)?
        }
        // Whoever has announced it, what the server begins finds this one, and the same client.
        Some(known) => return Some(known.virt),
        None => {
            let virt = free(context, (client, virt), &real)?;
            enter(context, control, (client, virt, real), timeout)?
        }
    };
    if let Some(ports) = control.expect(client.port, virt.port) {
        give_up(context, control, ports, packet);
    }
    Some(virt)
}

/// Finds a connection of the VIP by the ends that its server sees.
fn find_by_server<'g, F: InetFamily>(
    context: &Context<'g, F>,
    (client, virt, real): &Ends<F>,
) -> Option<&'g Connection<F>> {
    let connections = context.connections;
    let hash = F::hash(&connections.key, client, real, TCP);
    let found = connections
        .table
        .find(context.rcu, hash, |other, direction| {
            direction == 1
                && other.is_of(TCP, client, &other.virt)
                && other.real == *real
                && other.virt.addr == virt.addr
        });
    found.map(|(known, _)| known)
}

/// Finds a connection by its client and its VIP.
fn find<'g, F: InetFamily>(
    context: &Context<'g, F>,
    client: &Endpoint<F>,
    virt: &Endpoint<F>,
) -> Option<&'g Connection<F>> {
    let connections = context.connections;
    let hash = F::hash(&connections.key, client, virt, TCP);
    let found = connections
        .table
        .find(context.rcu, hash, |other, direction| {
            direction == 0 && other.is_of(TCP, client, virt)
        });
    found.map(|(known, _)| known)
}

/// Takes a connection out of the table, and its entry out of connection tracking (N-5).
fn remove<F: InetFamily>(context: &Context<'_, F>, connection: &Connection<F>) {
    let (rcu, connections) = (context.rcu, context.connections);
    conntrack::remove(Some(context.net), connections, rcu, connection);
}

/// Returns an endpoint of the VIP that no other connection of the client has: the one that was
/// announced if possible. `None` if all others with its low byte are taken too.
///
/// Servers begin at different ports, so that two of them seldom try the same; each begins at the
/// same one again, so that an answer that is sent again says the same again.
fn free<F: InetFamily>(
    context: &Context<'_, F>,
    (client, virt): (Endpoint<F>, Endpoint<F>),
    real: &Endpoint<F>,
) -> Option<Endpoint<F>> {
    match find(context, &client, &virt) {
        None => return Some(virt),
        Some(known) if known.is_expected_no_more(context.rcu) => {
            remove(context, known);
            return Some(virt);
        }
        Some(_) => {}
    }
    let hash = F::hash(&context.connections.key, real, &virt, TCP);
    let start = context.ipvs.outward.hash(hash) as u8;
    (0..=u8::MAX)
        .filter_map(|n| ftp::other_port(virt.port, start.wrapping_add(n), client.port == 0))
        .map(|port| Endpoint { port, ..virt })
        .find(|other| !is_service(context, other) && find(context, &client, other).is_none())
}

/// Returns whether a service has this port of the VIP.
fn is_service<F: InetFamily>(context: &Context<'_, F>, at: &Endpoint<F>) -> bool {
    let service = context.af.service(context.rcu, context.net, 0, TCP, at);
    service.is_some_and(|service| service.port() == at.port)
}

/// Puts a data connection in the table; `None` without room or memory, or if another CPU was
/// faster.
fn enter<F: InetFamily>(
    context: &Context<'_, F>,
    control: &Connection<F>,
    (client, virt, real): Ends<F>,
    timeout: u32,
) -> Option<Endpoint<F>> {
    if !context.has_room() {
        return None;
    }
    let control_ref = ControlRef::on(control)?;
    let destination = control.destination.clone();
    let data = context
        .af
        .slab
        .alloc(|| Connection::expected((client, virt, real), destination, control_ref, timeout))
        .ok()?;
    let Connections { table, key, .. } = context.connections;
    let hashes = (
        F::hash(key, &client, &virt, TCP),
        Some(F::hash(key, &client, &real, TCP)),
    );
    let is_same = |other: &Connection<F>| other.is_of(TCP, &client, &virt);
    let data = table.insert(context.rcu, data, hashes, is_same).ok()?;
    // Only now: one that did not get into the table must not make its destination overloaded.
    data.count();
    context.connections.came();
    Some(virt)
}

/// Ends a data connection that `control` announced and that nobody has begun, by the ports of its
/// client and VIP.
fn give_up<F: InetFamily>(
    context: &Context<'_, F>,
    control: &Connection<F>,
    (client, virt): (u16, u16),
    packet: &Packet,
) {
    let end = |at: &Endpoint<F>, port| Endpoint { port, ..*at };
    let (client, virt) = (end(&control.client, client), end(&control.virt, virt));
    let Some(known) = find(context, &client, &virt) else {
        return;
    };
    if known.is_of_control(context.rcu, control) && known.state() == tcp::LISTEN {
        remove(context, known);
        if client.port == 0 {
            related::expect_no_more(&client, &virt, packet);
        }
    }
}
