// SPDX-License-Identifier: GPL-2.0

//! Entries of expected data connections (F-6, F-7, F-9, C-24).
//!
//! The client's endpoint and the VIP's are the key of an entry, and two sessions may need the same
//! one: those of two clients behind one address whose servers listen on the same port, or which
//! give the same port. The first one keeps it, as the packets of both look alike. The other gets
//! another port of the VIP, which is the one that its client connects to, or is called from.

use super::related;
use crate::{
    director::{
        conn::{
            conntrack,
            ConnTuple,
            Connection,
            InetFamily, //
        },
        packet::Context, //
    },
    kapi::{
        skbuff::Packet,
        table::{
            ControlRef,
            Hashed, //
        },
    },
    logic::{
        family::Endpoint,
        ftp,
        packet::TCP,
        reason::Reason,
        tcp, //
    },
};

/// Inserts an expected data connection of `control`, or restarts the timer of its entry. Returns
/// the VIP's endpoint that it uses.
///
/// An entry of another session stays, unless it is not needed any more.
///
/// # Errors
///
/// The reason for which there is none, for example the connection limit; the packet is then
/// dropped, and retransmitted.
pub(super) fn insert<F: InetFamily>(
    context: &Context<'_, F>,
    control: &Connection<F>,
    tuple: ConnTuple<F>,
    packet: &Packet,
) -> Result<Endpoint<F>, Reason> {
    let rcu = context.rcu;
    let timeout = context.ipvs.timeouts.of(TCP, tcp::LISTEN);
    let (connections, client) = (context.connections, tuple.client);
    if client.port == 0 {
        context.af.no_cport.record(timeout);
    }
    let vip = match connections.find_by_dest(rcu, TCP, &tuple) {
        Some(known) if known.is_of_control(rcu, control) => {
            known.listen(timeout);
            connections.rearm(known);
            known.vip
        }
        // If the server listens on this port for a new client, it does not for the former one.
        Some(known) if client.port == 0 || known.is_expected_no_more(rcu) => {
            let vip = known.vip;
            remove(context, known);
            enter(context, control, ConnTuple { vip, ..tuple }, timeout)?
        }
        // The server's packets match this entry whichever session has created it, and the client is
        // the same.
        Some(known) => return Ok(known.vip),
        None => {
            let vip = free(context, &tuple).ok_or(Reason::FtpNoPort)?;
            enter(context, control, ConnTuple { vip, ..tuple }, timeout)?
        }
    };
    if let Some(ports) = control.expect(client.port, vip.port) {
        give_up(context, control, ports, packet);
    }
    Ok(vip)
}

/// Removes a connection from the table and deletes its conntrack entry (N-5).
fn remove<F: InetFamily>(context: &Context<'_, F>, connection: &Connection<F>) {
    let (rcu, connections) = (context.rcu, context.connections);
    conntrack::remove(Some(context.net), connections, rcu, connection);
}

/// Returns an endpoint of the VIP that no other connection of the client uses: that of `tuple` if
/// possible. Returns `None` if all other ports with its low byte are in use.
///
/// The search starts at a port that depends on the server's endpoint: servers seldom compete for a
/// port, and a retransmitted reply gets the same one.
fn free<F: InetFamily>(context: &Context<'_, F>, tuple: &ConnTuple<F>) -> Option<Endpoint<F>> {
    let ConnTuple { client, vip, dest } = tuple;
    let find = |vip: &Endpoint<F>| context.connections.find(context.rcu, TCP, client, vip);
    match find(vip) {
        None => return Some(*vip),
        Some(known) if known.is_expected_no_more(context.rcu) => {
            remove(context, known);
            return Some(*vip);
        }
        Some(_) => {}
    }
    let hash = F::hash(&context.ipvs.outward_ports, dest, vip, TCP);
    let start = context.ipvs.outward.hash(hash) as u8;
    (0..=u8::MAX)
        .filter_map(|n| ftp::other_port(vip.port, start.wrapping_add(n), client.port == 0))
        .map(|port| Endpoint { port, ..*vip })
        .find(|other| !is_service(context, other) && find(other).is_none())
}

/// Returns whether a service has this port of the VIP.
fn is_service<F: InetFamily>(context: &Context<'_, F>, at: &Endpoint<F>) -> bool {
    let service = context.af.service(context.rcu, context.net, 0, TCP, at);
    service.is_some_and(|service| service.port() == at.port)
}

/// Inserts a data connection and returns its VIP's endpoint.
///
/// # Errors
///
/// The reason for which there is none: the connection limit, no memory, or another CPU that has
/// inserted it first.
fn enter<F: InetFamily>(
    context: &Context<'_, F>,
    control: &Connection<F>,
    tuple: ConnTuple<F>,
    timeout: u32,
) -> Result<Endpoint<F>, Reason> {
    if !context.has_room() {
        return Err(Reason::ConnLimit);
    }
    let control_ref = ControlRef::on(control).ok_or(Reason::FtpNoPort)?;
    let destination = control.destination.clone();
    let made = || Connection::expected(tuple, destination, control_ref, timeout);
    let data = context.af.slab.alloc(made);
    let data = data.map_err(|_| Reason::NoMemory)?;
    let inserted = context
        .connections
        .insert(context.rcu, data, Hashed::UNKNOWN);
    let data = inserted.map_err(|_| Reason::FtpNoPort)?;
    // After the insertion: a duplicate must not set the destination's OVERLOAD flag.
    data.count();
    Ok(tuple.vip)
}

/// Removes an expected data connection of `control` that has not begun, by the ports of client and
/// VIP.
fn give_up<F: InetFamily>(
    context: &Context<'_, F>,
    control: &Connection<F>,
    (client, virt): (u16, u16),
    packet: &Packet,
) {
    let end = |at: &Endpoint<F>, port| Endpoint { port, ..*at };
    let (client, virt) = (end(&control.client, client), end(&control.vip, virt));
    let Some(known) = context.connections.find(context.rcu, TCP, &client, &virt) else {
        return;
    };
    if known.is_of_control(context.rcu, control) && known.state() == tcp::LISTEN {
        remove(context, known);
        if client.port == 0 {
            related::expect_no_more(&client, &virt, packet);
        }
    }
}
