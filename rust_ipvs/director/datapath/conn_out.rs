// SPDX-License-Identifier: GPL-2.0

//! Connections that a real server begins (C: `ip_vs_new_conn_out()`), for example a SIP server that
//! calls a client (H-21, P-30).

use super::{
    persistence,
    reply,
    schedule, //
};
use crate::{
    director::{
        conn::{
            ConnTuple,
            Connection,
            InetFamily, //
        },
        dest::Destination,
        packet::Context, //
    },
    kapi::{
        netfilter::{
            Point,
            Verdict, //
        },
        shared::RcuArc,
        skbuff::Packet,
        table::{
            ControlRef,
            Hashed, //
        },
    },
    logic::{
        config::ServiceKey,
        direction::Direction,
        family::Endpoint,
        packet::UDP, //
    },
};

/// Returns whether a packet without a connection may begin a connection from a real server.
#[inline(always)]
pub(super) fn may_be<F: InetFamily>(context: &Context<'_, F>) -> bool {
    context.af.has_engines() && context.header.protocol == UDP && context.point != Point::LocalIn
}

/// Connection that a real server begins.
struct OutConn<F: InetFamily> {
    tuple: ConnTuple<F>,
    destination: RcuArc<Destination>,
    /// The connection's template, if the service is persistent.
    control: ControlRef<Connection<F>>,
    /// True if the connection is for this packet only (OPS, S-12).
    is_ops: bool,
}

/// Handles the packet as a reply of a new connection if its source is a real server of a service
/// with a persistence engine. Otherwise handles it as a packet without a connection. `hashed` is
/// that of the packet's two endpoints; `takes_requests` is false for the reply-only hooks.
#[cold]
#[inline(never)]
pub(crate) fn handle<'g, F: InetFamily>(
    context: Context<'g, F>,
    hashed: Hashed,
    takes_requests: bool,
    mut packet: Packet,
) -> Verdict {
    match conn_out(&context, &mut packet) {
        Some(out) if out.is_ops => begin_and_end(&context, out, packet),
        Some(out) => match begin(&context, out) {
            Some(connection) => reply::handle(&context, connection, packet),
            None => handle_otherwise(context, hashed, takes_requests, packet),
        },
        None => handle_otherwise(context, hashed, takes_requests, packet),
    }
}

/// Handles a packet that begins no connection from a real server.
fn handle_otherwise<F: InetFamily>(
    context: Context<'_, F>,
    hashed: Hashed,
    takes_requests: bool,
    packet: Packet,
) -> Verdict {
    if reply::is_unexpected(&context) {
        return reply::refuse(context, packet);
    }
    match context.point {
        Point::LocalOut if takes_requests => schedule::handle(context, hashed, packet),
        _ => Verdict::Accept(packet),
    }
}

/// Returns the connection that a real server's packet begins, from the VIP to the packet's
/// destination address.
fn conn_out<F: InetFamily>(context: &Context<'_, F>, packet: &mut Packet) -> Option<OutConn<F>> {
    let (real, client) = (context.src(), context.dst());
    let (rcu, protocol) = (context.rcu, context.header.protocol);
    // The real server may also belong to services without an engine; those begin nothing.
    let has_engine = |destination: &Destination| {
        let service = context.af.by_id(rcu, &destination.service);
        let options = service.and_then(|service| service.get().options_at(rcu));
        options.is_some_and(|options| options.engine.is_some())
    };
    let rs_table = &context.ipvs.rs_table;
    let destination = rs_table.find_real_server(rcu, protocol, &real, has_engine)?;
    let destination = destination.try_get()?;
    let service = context.af.by_id(rcu, &destination.service)?.get();
    let options = service.options_at(rcu)?;
    options.engine?;
    let virt = match service.id.key {
        ServiceKey::Address { addr, port, .. } if port != 0 && real.port != 0 => Endpoint {
            addr: F::from_ip(addr)?,
            port,
        },
        _ => return None,
    };
    let control = if options.is_persistent() {
        persistence::template_for_out(context, (service, virt), options, &destination, packet)?
    } else {
        ControlRef::none()
    };
    context.has_room().then(|| OutConn {
        tuple: ConnTuple {
            client,
            vip: virt,
            dest: real,
        },
        destination: destination.clone(),
        control,
        is_ops: options.is_ops(protocol),
    })
}

/// Creates the connection and inserts it into the table.
fn begin<'g, F: InetFamily>(
    context: &Context<'g, F>,
    out: OutConn<F>,
) -> Option<&'g Connection<F>> {
    let protocol = context.header.protocol;
    let made = || Connection::new(protocol, out.tuple, out.destination, out.control);
    schedule::enter(context, Hashed::UNKNOWN, Direction::Output, made)
}

/// Handles a reply under OPS: with a connection that ends with the packet and is not inserted into
/// the table (S-12).
fn begin_and_end<F: InetFamily>(
    context: &Context<'_, F>,
    out: OutConn<F>,
    packet: Packet,
) -> Verdict {
    let protocol = context.header.protocol;
    let tracked = schedule::is_tracked(&context.ipvs.settings, &out.destination);
    let connection = Connection::new(protocol, out.tuple, out.destination, out.control)
        .ops()
        .tracked(tracked);
    connection.destination.counted.connection();
    reply::handle(context, &connection, packet)
}
