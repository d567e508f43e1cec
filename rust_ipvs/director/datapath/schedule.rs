// SPDX-License-Identifier: GPL-2.0

//! A packet without a connection: which service is it for, and who gets it (behaviour.rst 5).

use super::{
    persistence::{
        self,
        Failure, //
    },
    state, //
};
use crate::{
    director::{
        conn::{
            Connection,
            InetFamily, //
        },
        dest::Destination,
        ftp,
        packet::Context,
        service::{
            Service,
            SvcOptions, //
        },
        sync,
        xmit, //
    },
    kapi::{
        netfilter::Verdict,
        shared::{
            RcuArc,
            RcuRef, //
        },
        skbuff::{
            Packet,
            Unreachable, //
        },
        table::ControlRef, //
    },
    logic::{
        config::ForwardMethod,
        direction::Direction,
        family::{
            Endpoint,
            Fragment, //
        },
        ftp::{
            FTP_DATA_PORT,
            FTP_PORT, //
        },
        packet::{
            SCTP,
            TCP, //
        },
        sched::Flow, //
    },
};

/// Handles a packet that no connection was found for. `hash` is that of its two endpoints.
#[inline(never)]
pub(crate) fn handle<F: InetFamily>(context: Context<'_, F>, hash: u32, packet: Packet) -> Verdict {
    decide(context, hash, packet, carry_out)
}

/// Begins the connection that a packet belongs to which an ICMP error quotes, or puts one that
/// nobody finds in `single` (S-12, S-28). Returns `Accept` unless the error ends here.
pub(super) fn begin_for_error<F: InetFamily>(
    context: Context<'_, F>,
    packet: Packet,
    ops: &mut Option<Connection<F>>,
) -> Verdict {
    let (src, dst) = (context.src(), context.dst());
    let hash = F::hash(
        &context.connections.key,
        &src,
        &dst,
        context.header.protocol,
    );
    decide(
        context,
        hash,
        packet,
        |context, hash, plan, is_ops, packet| {
            if !is_ops {
                return begin(context, hash, plan, packet);
            }
            if !context.has_room() {
                return Verdict::Drop(packet);
            }
            *ops = Some(ops_connection(context, plan));
            Verdict::Accept(packet)
        },
    )
}

/// Decides about a packet as [`handle`] does, and has `begin` do what is decided if it gets a
/// destination: `begin` is told whether the service is one of one-packet scheduling (OPS).
#[inline(always)]
fn decide<'g, F: InetFamily>(
    context: Context<'g, F>,
    hash: u32,
    packet: Packet,
    begin: impl FnOnce(&Context<'g, F>, u32, Plan<F>, bool, Packet) -> Verdict,
) -> Verdict {
    if !context.is_inverse && !may_begin(&context) {
        return Verdict::Accept(packet);
    }
    let (src, dst) = (context.src(), context.dst());
    let found = context.af.service(
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
    // S-6
    if context.ipvs.defenses.drop_packet() {
        return Verdict::Drop(packet);
    }
    // S-7, S-8
    if src.port == FTP_DATA_PORT || is_local_reply(&context, hash, &packet) {
        return Verdict::Accept(packet);
    }
    let flow = Flow {
        protocol: context.header.protocol,
        client: src,
        // In the header that an error quotes, that is the client (D-13).
        addressee: if context.is_inverse {
            src.addr
        } else {
            dst.addr
        },
    };
    let options = service.options_at(context.rcu);
    if let Some(options) = options.filter(|t| t.is_persistent()) {
        return persist(context, hash, (service, options), &flow, packet, begin);
    }
    // S-10
    if !service.is_marked() && service.port() != dst.port {
        return leave(&context, hash, service, packet);
    }
    let chosen = service.choose(context.rcu, &flow);
    let Some(destination) = chosen.and_then(RcuRef::try_get) else {
        return leave(&context, hash, service, packet);
    };
    let plan = Plan {
        real: real::<F>(&destination, &dst),
        destination,
        control: ControlRef::none(),
    };
    let ops = options.is_some_and(|t| t.is_ops(flow.protocol));
    begin(&context, hash, plan, ops, packet)
}

/// Returns whether a packet of this host goes back to the client of a connection: a real server of
/// this very host answers, for which nothing needs to be done here (S-8).
#[inline(always)]
fn is_local_reply<F: InetFamily>(context: &Context<'_, F>, hash: u32, packet: &Packet) -> bool {
    packet.is_from_here() && has_reverse(context, hash)
}

#[cold]
#[inline(never)]
fn has_reverse<F: InetFamily>(context: &Context<'_, F>, hash: u32) -> bool {
    let (client, virt) = (context.dst(), context.src());
    let protocol = context.header.protocol;
    let found = context
        .connections
        .table
        .find(context.rcu, hash, |connection, direction| {
            direction == 0 && connection.is_of(protocol, &client, &virt)
        });
    found.is_some()
}

/// Begins a connection of a persistent service (S-9).
#[inline(never)]
fn persist<'g, F: InetFamily>(
    context: Context<'g, F>,
    hash: u32,
    (service, options): (&'g Service<F>, &SvcOptions),
    flow: &Flow<F>,
    mut packet: Packet,
    begin: impl FnOnce(&Context<'g, F>, u32, Plan<F>, bool, Packet) -> Verdict,
) -> Verdict {
    match persistence::template_for(&context, service, options, flow, &mut packet) {
        Ok(dest) => {
            let plan = Plan {
                real: Endpoint {
                    addr: dest.destination.addr::<F>(),
                    port: dest.port,
                },
                destination: dest.destination,
                control: dest.control,
            };
            let ops = options.is_ops(flow.protocol);
            begin(&context, hash, plan, ops, packet)
        }
        Err(Failure::NoDestination) => leave(&context, hash, service, packet),
        Err(Failure::NoRoom) => Verdict::Drop(packet),
    }
}

/// Decision about a new connection.
struct Plan<F: InetFamily> {
    destination: RcuArc<Destination>,
    /// Endpoint to which packets go.
    real: Endpoint<F>,
    /// The template that it belongs to.
    control: ControlRef<Connection<F>>,
}

/// Does what was decided: begins a connection, or one of a single packet (`ops`).
#[inline(always)]
fn carry_out<F: InetFamily>(
    context: &Context<'_, F>,
    hash: u32,
    plan: Plan<F>,
    ops: bool,
    packet: Packet,
) -> Verdict {
    if ops {
        return begin_and_end(context, plan, packet);
    }
    begin(context, hash, plan, packet)
}

/// Returns whether a packet may begin a connection (S-1 to S-3, H-14).
#[inline(always)]
fn may_begin<F: InetFamily>(context: &Context<'_, F>) -> bool {
    let flags = context.transport.flags;
    let settings = &context.ipvs.settings;
    let sloppy = match context.header.protocol {
        TCP => &settings.sloppy_tcp,
        SCTP => &settings.sloppy_sctp,
        // What has no transport header only follows others.
        _ => return context.header.fragment != Fragment::Later,
    };
    !flags.is_rst() && (flags.is_syn() || sloppy.load() != 0)
}

/// Returns where packets of a new connection go: the destination's port, or the client's where that
/// is 0 (S-11). With a method that leaves packets as they are, the address is only shown.
fn real<F: InetFamily>(destination: &Destination, dst: &Endpoint<F>) -> Endpoint<F> {
    Endpoint {
        addr: destination.addr::<F>(),
        port: match destination.id.port {
            0 => dst.port,
            port => port,
        },
    }
}

/// Begins a connection with its first packet.
fn begin<F: InetFamily>(
    context: &Context<'_, F>,
    hash: u32,
    plan: Plan<F>,
    mut packet: Packet,
) -> Verdict {
    if !context.has_room() {
        return Verdict::Drop(packet);
    }
    let made = |ends| {
        Connection::new(
            context.header.protocol,
            ends,
            plan.destination,
            plan.control,
        )
    };
    let ends = (context.src(), context.dst(), plan.real);
    let Some(connection) = enter(context, hash, ends, Direction::Input, made) else {
        return Verdict::Drop(packet);
    };
    if context.is_inverse {
        // Who found the error takes it from here.
        return Verdict::Accept(packet);
    }
    connection.destination.counted.input(packet.len());
    packet.set_handled();
    xmit::send(context, connection, packet)
}

/// Returns a connection that ends with its packet, and counts it (S-12).
#[inline(always)]
fn ops_connection<F: InetFamily>(context: &Context<'_, F>, plan: Plan<F>) -> Connection<F> {
    let ends = (context.src(), context.dst(), plan.real);
    let protocol = context.header.protocol;
    let connection = Connection::new(protocol, ends, plan.destination, plan.control)
        .ops()
        .tracked(context.ipvs.settings.is_tracked());
    connection.destination.counted.connection();
    connection
}

/// Sends a single packet by a connection that ends with it (S-12). Neither found nor counted by
/// anybody, the connection needs no place but this one (C-8, C-14).
#[inline(never)]
fn begin_and_end<F: InetFamily>(
    context: &Context<'_, F>,
    plan: Plan<F>,
    mut packet: Packet,
) -> Verdict {
    if !context.has_room() {
        return Verdict::Drop(packet);
    }
    let connection = ops_connection(context, plan);
    connection.destination.counted.input(packet.len());
    if let Some(template) = connection.control(context.rcu) {
        template.count_request();
        if context.ipvs.timeouts.is_sync_active() {
            sync::sync_template(context.ipvs, context.rcu, template);
        }
    }
    packet.set_handled();
    xmit::send(context, &connection, packet)
}

/// Puts a new connection, which `made` makes of its client, VIP and where its packets go, in the
/// table, in the state that its first packet brings; `None` without memory. `hash` is that of
/// client and VIP.
#[inline(always)]
pub(crate) fn enter<'g, F: InetFamily>(
    context: &Context<'g, F>,
    hash: u32,
    (client, virt, real): (Endpoint<F>, Endpoint<F>, Endpoint<F>),
    direction: Direction,
    made: impl FnOnce((Endpoint<F>, Endpoint<F>, Endpoint<F>)) -> Connection<F>,
) -> Option<&'g Connection<F>> {
    let (ipvs, connections) = (context.ipvs, context.connections);
    let protocol = context.header.protocol;
    let slab = &context.af.slab;
    let mut connection = slab.alloc(|| made((client, virt, real))).ok()?;
    connection.track(ipvs.settings.is_tracked());
    if Some(virt.port) == context.af.helper_port {
        ftp::bind(&mut connection);
    }
    // An error says nothing of the state, and what it begins ends soon.
    let is_watched = !context.is_inverse && {
        let packet = (protocol, &context.transport);
        let is_watched = state::follow(&connection, &ipvs.timeouts, direction, packet);
        is_watched && direction == Direction::Input
    };
    let reply_hash = (connection.method == ForwardMethod::MASQ)
        .then(|| F::hash(&connections.key, &client, &real, protocol));
    let inserted = connections
        .table
        .insert(context.rcu, connection, (hash, reply_hash), |other| {
            other.is_of(protocol, &client, &virt)
        });
    let connection = match inserted {
        Ok(connection) => {
            // Only now: one that did not get into the table must not make its destination
            // overloaded.
            connection.count();
            connection.destination.counted.connection();
            connection
        }
        Err(known) => {
            // Another CPU was faster with a packet of the same client, so this is a packet of that
            // connection. A template that was found or made for this one is that of the other too,
            // having the same key; if it was made anew since, its destination was of no use.
            if !context.is_inverse {
                state::follow_duplicate(*context, known, direction);
            }
            return Some(known);
        }
    };
    context.connections.came();
    if is_watched {
        sync::sync_conn(ipvs, context.rcu, connection);
    }
    Some(connection)
}

/// No destination may have the packet (S-15 to S-17).
#[cold]
#[inline(never)]
fn leave<F: InetFamily>(
    context: &Context<'_, F>,
    hash: u32,
    service: &Service<F>,
    mut packet: Packet,
) -> Verdict {
    let bypasses = !context.is_inverse
        && service.is_marked()
        && context.ipvs.settings.cache_bypass.load() != 0
        && F::is_elsewhere(context.net, context.header.dst);
    if let (true, Some(bypass_dest)) = (bypasses, context.af.bypass_dest.as_ref()) {
        return bypass(context, hash, service, bypass_dest.clone(), packet);
    }
    if service.port() == FTP_PORT && context.transport.dst_port != FTP_PORT {
        return Verdict::Accept(packet);
    }
    if !context.is_inverse {
        packet.send_error(F::PROTOCOL, Unreachable::Port);
    }
    Verdict::Drop(packet)
}

/// Begins a connection to wherever its packets are addressed, which nobody counts (S-15).
fn bypass<F: InetFamily>(
    context: &Context<'_, F>,
    hash: u32,
    service: &Service<F>,
    bypass_dest: RcuArc<Destination>,
    mut packet: Packet,
) -> Verdict {
    if !context.has_room() {
        return Verdict::Drop(packet);
    }
    let protocol = context.header.protocol;
    let real = Endpoint {
        addr: F::UNSPECIFIED,
        port: 0,
    };
    let ends = (context.src(), context.dst(), real);
    packet.set_handled();
    let options = service.options_at(context.rcu);
    if options.is_some_and(|t| t.is_ops(protocol)) {
        let tracked = context.ipvs.settings.is_tracked();
        let connection = Connection::bypass(protocol, ends, bypass_dest)
            .ops()
            .tracked(tracked);
        return xmit::bypass::send(*context, &connection, packet);
    }
    let made = |ends| Connection::bypass(protocol, ends, bypass_dest);
    match enter(context, hash, ends, Direction::Input, made) {
        Some(connection) => xmit::bypass::send(*context, connection, packet),
        None => Verdict::Drop(packet),
    }
}
