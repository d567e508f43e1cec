// SPDX-License-Identifier: GPL-2.0

//! Connections that a destination begins: SIP servers call their clients, too (H-21, P-30).

use super::{
    connection::Connection,
    context::Context,
    persistence,
    reply,
    schedule,
    stack::Stack, //
};
use crate::{
    kapi::{
        netfilter::{
            Point,
            Verdict, //
        },
        skbuff::Packet,
        table::Hold, //
    },
    logic::{
        config::ServiceKey,
        family::Endpoint,
        packet::UDP,
        tcp::Direction, //
    },
};

/// Whether a packet that belongs to no connection may be the first one of such a connection.
#[inline(always)]
pub(super) fn may_be<F: Stack>(context: &Context<'_, F>) -> bool {
    context.plane.has_engines() && context.header.protocol == UDP && context.point != Point::LocalIn
}

/// Handles such a packet as a reply, where it comes from a server of a service that has an engine; else as
/// if no service had one. `hash` is that of its two endpoints.
#[cold]
#[inline(never)]
pub(super) fn handle<'g, F: Stack>(
    context: Context<'g, F>,
    hash: u32,
    mut packet: Packet,
) -> Verdict {
    match begin(&context, &mut packet) {
        Some(connection) => reply::handle(&context, connection, packet),
        None if reply::is_unexpected(&context) => reply::refuse::<F>(packet),
        None if context.point == Point::LocalOut => schedule::handle(context, hash, packet),
        None => Verdict::Accept(packet),
    }
}

/// Makes the connection that a server's packet begins, from the VIP to whom it is for.
fn begin<'g, F: Stack>(context: &Context<'g, F>, packet: &mut Packet) -> Option<&'g Connection<F>> {
    let (real, client) = (context.src(), context.dst());
    let (rcu, protocol) = (context.rcu, context.header.protocol);
    let destination = context.director.servers.real_server(rcu, protocol, &real)?;
    let service = context.plane.by_id(rcu, &destination.service)?;
    let terms = service.terms_seen(rcu)?;
    terms.engine?;
    let virt = match service.id.key {
        ServiceKey::Address { addr, port, .. } if port != 0 && real.port != 0 => Endpoint {
            addr: F::from_ip(addr)?,
            port,
        },
        _ => return None,
    };
    let control = if terms.is_persistent() {
        persistence::way_out(context, (service, virt), terms, destination, packet)?
    } else {
        Hold::none()
    };
    if !context.has_room() {
        return None;
    }
    let hash = F::hash(&context.connections.key, &client, &virt, protocol);
    let made = |ends| Connection::new(protocol, ends, destination.clone(), control);
    let ends = (client, virt, real);
    schedule::enter(context, hash, ends, Direction::Output, made)
}
