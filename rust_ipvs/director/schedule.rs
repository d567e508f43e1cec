// SPDX-License-Identifier: GPL-2.0

//! A packet without a connection: which service is it for, and who gets it (SPEC section 5).

use super::{
    clock,
    connection::Connection,
    context::Context,
    destination::Destination,
    persistence::{
        self,
        Failure, //
    },
    plane::FTP_DATA_PORT,
    service::{
        Service,
        Terms, //
    },
    stack::Stack,
    state,
    xmit, //
};
use crate::{
    kapi::{
        netfilter::Verdict,
        shared::{
            RcuArc,
            Seen, //
        },
        skbuff::{
            Packet,
            Unreachable, //
        },
        table::Hold,
    },
    logic::{
        config::ForwardMethod,
        family::Endpoint,
        packet::TCP,
        persistence::FTP_PORT,
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
    let flow = Flow {
        protocol: context.header.protocol,
        client: src,
        addressee: dst.addr,
    };
    if let Some(terms) = service
        .terms_seen(context.rcu)
        .filter(|t| t.is_persistent())
    {
        return persist(context, hash, (service, terms), &flow, packet);
    }
    // S-10
    if !service.is_marked() && service.port() != dst.port {
        return leave(&context, service, packet);
    }
    let chosen = service.choose(context.rcu, &flow);
    let Some(destination) = chosen.and_then(Seen::keep) else {
        return leave(&context, service, packet);
    };
    let plan = Plan {
        real: real::<F>(&destination, &dst),
        destination,
        control: Hold::none(),
    };
    begin(&context, hash, plan, packet)
}

/// Begins a connection of a persistent service (S-9).
#[inline(never)]
fn persist<'g, F: Stack>(
    context: Context<'g, F>,
    hash: u32,
    (service, terms): (&'g Service<F>, &Terms),
    flow: &Flow<F>,
    mut packet: Packet,
) -> Verdict {
    match persistence::way(&context, service, terms, flow, &mut packet) {
        Ok(way) => {
            let addr = F::from_ip(way.destination.id.addr).unwrap_or(F::UNSPECIFIED);
            let plan = Plan {
                real: Endpoint {
                    addr,
                    port: way.port,
                },
                destination: way.destination,
                control: way.control,
            };
            begin(&context, hash, plan, packet)
        }
        Err(Failure::NoDestination) => leave(&context, service, packet),
        Err(Failure::NoRoom) => Verdict::Drop(packet),
    }
}

/// What was decided of a new connection.
pub(super) struct Plan<F: Stack> {
    pub(super) destination: RcuArc<Destination>,
    /// Where packets go.
    pub(super) real: Endpoint<F>,
    /// The template that it belongs to.
    pub(super) control: Hold<Connection<F>>,
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
pub(super) fn begin<F: Stack>(
    context: &Context<'_, F>,
    hash: u32,
    plan: Plan<F>,
    mut packet: Packet,
) -> Verdict {
    if !context.has_room() {
        return Verdict::Drop(packet);
    }
    let Some(connection) = enter(context, hash, plan) else {
        return Verdict::Drop(packet);
    };
    connection.destination.counted.input(packet.len());
    packet.set_handled();
    xmit::send(context, connection, packet)
}

/// Puts a new connection in the table, in the state that its first packet brings; `None` without memory.
#[inline(always)]
fn enter<'g, F: Stack>(
    context: &Context<'g, F>,
    hash: u32,
    plan: Plan<F>,
) -> Option<&'g Connection<F>> {
    let (director, connections) = (context.director, context.connections);
    let (client, virt, real) = (context.src(), context.dst(), plan.real);
    let protocol = context.header.protocol;
    let connection = context
        .plane
        .slab
        .alloc(|| {
            let ends = (client, virt, real);
            Connection::new(protocol, ends, plan.destination, plan.control)
        })
        .ok()?;
    state::follow(
        &connection,
        &director.timeouts,
        Direction::Input,
        &context.transport,
        false,
    );
    connection.destination.bind(connection.is_active());
    let reply_hash = (connection.method == ForwardMethod::MASQ)
        .then(|| F::hash(&connections.key, &client, &real, protocol));
    let slot = clock::slot(connection.left());
    let inserted =
        connections
            .table
            .insert(context.rcu, connection, (hash, reply_hash), slot, |other| {
                other.is_of(protocol, &client, &virt)
            });
    let connection = match inserted {
        Ok(connection) => {
            connection.destination.counted.connection();
            connection
        }
        // Another CPU was faster with a packet of the same client.
        Err(twin) => twin,
    };
    context.grow();
    Some(connection)
}

/// No destination may have the packet (S-15 to S-17).
fn leave<F: Stack>(context: &Context<'_, F>, service: &Service<F>, mut packet: Packet) -> Verdict {
    if service.port() == FTP_PORT && context.transport.dst_port != FTP_PORT {
        return Verdict::Accept(packet);
    }
    packet.send_error(F::PROTOCOL, Unreachable::Port);
    Verdict::Drop(packet)
}
