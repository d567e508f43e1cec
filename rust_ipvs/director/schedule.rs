// SPDX-License-Identifier: GPL-2.0

//! A packet without a connection: which service is it for, and who gets it (SPEC section 5).

use super::{
    clock,
    connection::Connection,
    context::Context,
    destination::Destination,
    plane::{
        FTP_DATA_PORT,
        FTP_PORT, //
    },
    service::Service,
    stack::Stack,
    state,
    xmit, //
};
use crate::{
    kapi::{
        netfilter::Verdict,
        shared::Seen,
        skbuff::{
            Packet,
            Unreachable, //
        },
    },
    logic::{
        config::ForwardMethod,
        family::Endpoint,
        packet::TCP,
        sched::Flow,
        tcp::Direction, //
    },
};

/// Handles a packet that no connection was found for. `hash` is that of its two endpoints.
#[inline(never)]
pub(super) fn handle<'g, F: Stack>(context: Context<'g, F>, hash: u32, packet: Packet) -> Verdict {
    let flags = context.transport.flags;
    if context.header.protocol == TCP {
        let sloppy = context.director.settings.sloppy_tcp.load() != 0;
        // S-1
        if flags.is_rst() || !(flags.is_syn() || sloppy) {
            return Verdict::Accept(packet);
        }
    }
    let (src, dst) = (context.src(), context.dst());
    let found = context.plane.service(
        context.rcu,
        context.net,
        packet.mark(),
        context.header.protocol,
        &dst,
    );
    let Some(service) = found else {
        // S-5
        return Verdict::Accept(packet);
    };
    // S-7
    if src.port == FTP_DATA_PORT {
        return Verdict::Accept(packet);
    }
    // S-10
    if !service.is_marked() && service.port() != dst.port {
        return leave(&context, service, packet);
    }
    let flow = Flow {
        protocol: context.header.protocol,
        client: src,
        addressee: dst.addr,
    };
    match service.choose(context.rcu, &flow) {
        Some(destination) => begin(&context, hash, destination, packet),
        None => leave(&context, service, packet),
    }
}

/// Where packets of a new connection go: the destination's port, or the client's where that is 0
/// (S-11). With a method that leaves packets as they are, the address is only shown.
fn real<F: Stack>(destination: &Destination, dst: &Endpoint<F>) -> Endpoint<F> {
    Endpoint {
        addr: F::from_ip(destination.id.addr).unwrap_or(F::UNSPECIFIED),
        port: match destination.id.port {
            0 => dst.port,
            port => port,
        },
    }
}

/// Begins a connection with its first packet.
fn begin<F: Stack>(
    context: &Context<'_, F>,
    hash: u32,
    destination: Seen<'_, Destination>,
    mut packet: Packet,
) -> Verdict {
    let (src, dst) = (context.src(), context.dst());
    let protocol = context.header.protocol;
    let director = context.director;
    let connections = context.connections;
    // C-23, S-13
    let limit = usize::try_from(director.settings.conn_max.load()).unwrap_or(0);
    if director.connection_count() >= limit {
        return Verdict::Drop(packet);
    }
    let to = real::<F>(&destination, &dst);
    let Some(owned) = destination.keep() else {
        return Verdict::Drop(packet);
    };
    let connection = Connection::new(protocol, (src, dst, to), owned);
    state::follow(
        &connection,
        &director.timeouts,
        Direction::Input,
        &context.transport,
        false,
    );
    let reply_hash = (connection.method == ForwardMethod::MASQ)
        .then(|| F::hash(&connections.key, &src, &to, protocol));
    let (slot, active) = (clock::slot(connection.left()), connection.is_active());
    let Ok(connection) = context.plane.slab.alloc(connection) else {
        return Verdict::Drop(packet);
    };
    destination.bind(active);
    let inserted =
        connections
            .table
            .insert(context.rcu, connection, (hash, reply_hash), slot, |other| {
                other.protocol == protocol && other.client == src && other.virt == dst
            });
    let connection = match inserted {
        Ok(connection) => {
            destination.counted.connection();
            connection
        }
        Err(twin) => {
            // Another CPU was faster with a packet of the same client.
            destination.unbind(active);
            twin
        }
    };
    // Once is enough: waking the ticker is dearer than all the rest.
    if connections.table.len() > connections.upper.load() && connections.grows.load() == 0 {
        connections.grows.store(1);
        if let Some(kicker) = director.kicker.as_ref() {
            kicker.kick();
        }
    }
    connection.destination.counted.input(packet.len());
    packet.set_handled();
    xmit::send(context, connection, packet)
}

/// No destination may have the packet (S-15 to S-17).
fn leave<F: Stack>(context: &Context<'_, F>, service: &Service<F>, mut packet: Packet) -> Verdict {
    if service.port() == FTP_PORT && context.transport.dst_port != FTP_PORT {
        return Verdict::Accept(packet);
    }
    packet.send_error(F::PROTOCOL, Unreachable::Port);
    Verdict::Drop(packet)
}
