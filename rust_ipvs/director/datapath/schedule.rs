// SPDX-License-Identifier: GPL-2.0

//! Scheduling: finds the service of a packet without a connection, chooses a destination and
//! creates the connection (behaviour.rst 5; C: `ip_vs_schedule()`).

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
        netns::Settings,
        packet::{
            Context,
            Of, //
        },
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
        table::{
            ControlRef,
            Hashed, //
        },
    },
    logic::{
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
        reason::Reason,
        sched::Flow, //
    },
};

/// Handles a packet without a connection. `hashed` is that of its two endpoints.
#[inline(never)]
pub(crate) fn handle<F: InetFamily>(
    context: Context<'_, F>,
    hashed: Hashed,
    packet: Packet,
) -> Verdict {
    decide(context, hashed, packet, OfPacket)
}

/// Creates the connection for a packet that an ICMP error quotes (`schedule_icmp`, S-28). Under OPS
/// the connection is stored in `ops` and not inserted (S-12). Returns `Accept` if the caller goes
/// on with the error.
pub(super) fn begin_for_error<F: InetFamily>(
    context: Context<'_, F>,
    packet: Packet,
    ops: &mut Option<Connection<F>>,
) -> Verdict {
    decide(context, Hashed::UNKNOWN, packet, OfQuoted(ops))
}

/// Execution of a scheduling decision. A trait, as a closure may be called out of line.
trait CarryOut<F: InetFamily> {
    /// Creates the connection of `plan`; `is_ops` is true under one-packet scheduling (OPS).
    fn carry_out(
        self,
        context: &Context<'_, F>,
        hashed: Hashed,
        plan: Plan<F>,
        is_ops: bool,
        packet: Packet,
    ) -> Verdict;
}

/// Creates the connection of a packet, and sends it; under OPS without insertion into the table.
struct OfPacket;

impl<F: InetFamily> CarryOut<F> for OfPacket {
    #[inline(always)]
    fn carry_out(
        self,
        context: &Context<'_, F>,
        hashed: Hashed,
        plan: Plan<F>,
        is_ops: bool,
        packet: Packet,
    ) -> Verdict {
        if is_ops {
            return begin_and_end(context, plan, packet);
        }
        begin(context, hashed, plan, packet)
    }
}

/// Creates the connection for a packet that an ICMP error quotes; under OPS only stores it.
struct OfQuoted<'a, F: InetFamily>(&'a mut Option<Connection<F>>);

impl<F: InetFamily> CarryOut<F> for OfQuoted<'_, F> {
    #[inline(never)]
    fn carry_out(
        self,
        context: &Context<'_, F>,
        hashed: Hashed,
        plan: Plan<F>,
        is_ops: bool,
        packet: Packet,
    ) -> Verdict {
        if !is_ops {
            return begin(context, hashed, plan, packet);
        }
        if !context.has_room() {
            return no_room(context, Reason::ConnLimit, packet);
        }
        *self.0 = Some(ops_connection(context, plan));
        Verdict::Accept(packet)
    }
}

/// Makes the scheduling decision about a packet, and carries it out if there is a destination.
#[inline(always)]
fn decide<'g, F: InetFamily>(
    context: Context<'g, F>,
    hashed: Hashed,
    packet: Packet,
    how: impl CarryOut<F>,
) -> Verdict {
    if !context.is_inverse && !may_begin(&context) {
        return pass_by(&context, packet);
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
        // S-5: no service.
        return Verdict::Accept(packet);
    };
    // S-6: `drop_packet`.
    if context.ipvs.defenses.drop_packet() {
        return context.drop(Of::Service(service), Reason::DropPacket, packet);
    }
    // S-7, S-8: FTP data from port 20, and replies of a local real server.
    if src.port == FTP_DATA_PORT || is_local_reply(&context, &packet) {
        let reason = match src.port {
            FTP_DATA_PORT => Reason::FtpData,
            _ => Reason::LocalReply,
        };
        return context.leave_untouched(Of::Service(service), reason, packet);
    }
    let flow = Flow {
        protocol: context.header.protocol,
        client: src,
        // The quoted header is inverse: its source address is the VIP (D-13).
        addressee: if context.is_inverse {
            src.addr
        } else {
            dst.addr
        },
    };
    let options = service.options_at(context.rcu);
    if let Some(options) = options.filter(|t| t.is_persistent()) {
        return persist(context, hashed, (service, options), &flow, packet, how);
    }
    // S-10: a service of port 0 needs persistence to take other ports.
    if !service.is_marked() && service.port() != dst.port {
        let reason = Some(Reason::NeedsPersistence);
        return leave(&context, hashed, service, reason, packet);
    }
    let chosen = service.choose(context.rcu, &flow);
    let Some(destination) = chosen.and_then(RcuRef::try_get) else {
        return leave(&context, hashed, service, None, packet);
    };
    let plan = Plan {
        port: port_at(&destination, dst.port),
        destination,
        control: ControlRef::none(),
    };
    let ops = options.is_some_and(|t| t.is_ops(flow.protocol));
    how.carry_out(&context, hashed, plan, ops, packet)
}

/// Accepts a packet that cannot begin a connection. Counts it if it is of a service, and not the
/// end of a connection: another one has been forgotten, or was another director's.
///
/// Most such packets are of this host's own connections, so the filter comes first.
#[inline(always)]
fn pass_by<F: InetFamily>(context: &Context<'_, F>, packet: Packet) -> Verdict {
    if context.af.vip_filter.may_contain::<F>(context.header.dst) {
        return pass_by_service(*context, packet);
    }
    Verdict::Accept(packet)
}

#[cold]
#[inline(never)]
fn pass_by_service<F: InetFamily>(context: Context<'_, F>, packet: Packet) -> Verdict {
    let (protocol, dst) = (context.header.protocol, context.dst());
    let (af, mark) = (context.af, packet.mark());
    match af.service(context.rcu, context.net, mark, protocol, &dst) {
        Some(service) if !context.transport.flags.is_rst() => {
            context.leave_untouched(Of::Service(service), Reason::NoConnection, packet)
        }
        _ => Verdict::Accept(packet),
    }
}

/// Drops a packet for whose connection there is no room. Looks its service up again, so that no
/// caller has to keep it.
#[cold]
#[inline(never)]
fn no_room<F: InetFamily>(context: &Context<'_, F>, reason: Reason, packet: Packet) -> Verdict {
    let (protocol, dst, mark) = (context.header.protocol, context.dst(), packet.mark());
    let service = context
        .af
        .service(context.rcu, context.net, mark, protocol, &dst);
    context.drop(service.map_or(Of::Nothing, Of::Service), reason, packet)
}

/// Returns whether a packet of this host is a reply of a local real server to the client of a
/// connection (S-8).
#[inline(always)]
fn is_local_reply<F: InetFamily>(context: &Context<'_, F>, packet: &Packet) -> bool {
    packet.is_from_here() && has_reverse(context)
}

#[cold]
#[inline(never)]
fn has_reverse<F: InetFamily>(context: &Context<'_, F>) -> bool {
    let (client, virt) = (context.dst(), context.src());
    let protocol = context.header.protocol;
    let connections = context.connections;
    let found = connections.find(context.rcu, protocol, &client, &virt);
    found.is_some()
}

/// Schedules a packet of a persistent service (S-9).
#[inline(never)]
fn persist<'g, F: InetFamily>(
    context: Context<'g, F>,
    hashed: Hashed,
    (service, options): (&'g Service<F>, &SvcOptions),
    flow: &Flow<F>,
    mut packet: Packet,
    how: impl CarryOut<F>,
) -> Verdict {
    match persistence::template_for(&context, service, options, flow, &mut packet) {
        Ok(dest) => {
            let plan = Plan {
                port: dest.port,
                destination: dest.destination,
                control: dest.control,
            };
            let ops = options.is_ops(flow.protocol);
            how.carry_out(&context, hashed, plan, ops, packet)
        }
        Err(Failure::NoDestination) => leave(&context, hashed, service, None, packet),
        Err(Failure::NoRoom(reason)) => context.drop(Of::Service(service), reason, packet),
    }
}

/// Scheduling decision.
struct Plan<F: InetFamily> {
    destination: RcuArc<Destination>,
    /// Port of the packets at the destination.
    port: u16,
    /// The connection's template, if the service is persistent.
    control: ControlRef<Connection<F>>,
}

impl<F: InetFamily> Plan<F> {
    /// Creates the connection that `context` begins.
    #[inline(always)]
    fn connection(self, context: &Context<'_, F>) -> Connection<F> {
        let tuple = context.tuple(Endpoint {
            addr: self.destination.addr::<F>(),
            port: self.port,
        });
        let protocol = context.header.protocol;
        Connection::new(protocol, tuple, self.destination, self.control)
    }
}

/// Returns whether a packet may begin a connection (S-1 to S-3, H-14).
#[inline(always)]
fn may_begin<F: InetFamily>(context: &Context<'_, F>) -> bool {
    let flags = context.transport.flags;
    let settings = &context.ipvs.settings;
    let sloppy = match context.header.protocol {
        TCP => &settings.sloppy_tcp,
        SCTP => &settings.sloppy_sctp,
        // A later fragment has no transport header.
        _ => return context.header.fragment != Fragment::Later,
    };
    !flags.is_rst() && (flags.is_syn() || sloppy.load() != 0)
}

/// Returns the port of packets to `port` at the destination, whose own port may be 0 for any
/// (S-11).
fn port_at(destination: &Destination, port: u16) -> u16 {
    match destination.id.port {
        0 => port,
        own => own,
    }
}

/// Creates a connection and sends its first packet.
#[inline(always)]
fn begin<F: InetFamily>(
    context: &Context<'_, F>,
    hashed: Hashed,
    plan: Plan<F>,
    mut packet: Packet,
) -> Verdict {
    if !context.has_room() {
        return no_room(context, Reason::ConnLimit, packet);
    }
    // `move`: what is captured stays in registers.
    let made = move || plan.connection(context);
    let Some(connection) = enter(context, hashed, Direction::Input, made) else {
        return no_room(context, Reason::NoMemory, packet);
    };
    if context.is_inverse {
        // The caller goes on with the ICMP error.
        return Verdict::Accept(packet);
    }
    connection.destination.counted.input(packet.len());
    packet.set_handled();
    xmit::send(context, connection, packet)
}

/// Returns whether new connections to a destination use conntrack (N-1).
#[inline(always)]
pub(super) fn is_tracked(settings: &Settings, destination: &Destination) -> bool {
    let own = &destination.own;
    let of_namespace = settings.is_tracked();
    match own.is_plain() {
        true => of_namespace,
        false => own.conntrack(of_namespace),
    }
}

/// Creates the connection for an OPS packet, and counts it (S-12).
#[inline(always)]
fn ops_connection<F: InetFamily>(context: &Context<'_, F>, plan: Plan<F>) -> Connection<F> {
    let tracked = is_tracked(&context.ipvs.settings, &plan.destination);
    let connection = plan.connection(context).ops().tracked(tracked);
    connection.destination.counted.connection();
    connection
}

/// Sends an OPS packet. Its connection lives on the stack: no look-up finds it, and the destination
/// does not count it as active or inactive (S-12, C-8, C-14).
#[inline(never)]
fn begin_and_end<F: InetFamily>(
    context: &Context<'_, F>,
    plan: Plan<F>,
    mut packet: Packet,
) -> Verdict {
    if !context.has_room() {
        return no_room(context, Reason::ConnLimit, packet);
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

/// Creates a connection with `made` and inserts it into the table, in the state that its first
/// packet leads to. `hashed` is the hash of client and VIP if a look-up has computed it. Returns
/// the connection of another CPU if that was inserted first, and `None` if memory is exhausted.
#[inline(always)]
pub(crate) fn enter<'g, F: InetFamily>(
    context: &Context<'g, F>,
    hashed: Hashed,
    direction: Direction,
    made: impl FnOnce() -> Connection<F>,
) -> Option<&'g Connection<F>> {
    let (ipvs, connections) = (context.ipvs, context.connections);
    let protocol = context.header.protocol;
    let slab = &context.af.slab;
    let mut connection = slab.alloc(made).ok()?;
    connection.track(ipvs.settings.is_tracked());
    if Some(connection.vip.port) == context.af.helper_port {
        ftp::bind(&mut connection);
    }
    // A quoted packet does not change the state (S-28), and its connection keeps the first timeout.
    let is_watched = !context.is_inverse && {
        let packet = (protocol, &context.transport);
        let is_watched = state::follow(&connection, &ipvs.timeouts, direction, packet);
        is_watched && direction == Direction::Input
    };
    if !connection.destination.own.is_plain() {
        state::begin_own(ipvs, &mut connection, protocol, !context.is_inverse);
    }
    let connection = match connections.insert(context.rcu, connection, hashed) {
        Ok(connection) => {
            // After the insertion: a duplicate must not set the destination's OVERLOAD flag.
            connection.count();
            connection.destination.counted.connection();
            connection
        }
        Err(known) => {
            // Another CPU has inserted the connection with a packet of the same client: the packet
            // belongs to that one. Its template is the same one, as it has the same key; a newer
            // template replaces one with an unavailable destination.
            if !context.is_inverse {
                state::follow_duplicate(*context, known, direction);
            }
            return Some(known);
        }
    };
    if is_watched {
        sync::sync_conn(ipvs, context.rcu, connection);
    }
    Some(connection)
}

/// Handles a packet of a service without an available destination (S-15 to S-17; C:
/// `ip_vs_leave()`). Without a `reason` it is that of the scheduler.
#[cold]
#[inline(never)]
fn leave<F: InetFamily>(
    context: &Context<'_, F>,
    hashed: Hashed,
    service: &Service<F>,
    reason: Option<Reason>,
    mut packet: Packet,
) -> Verdict {
    let bypasses = !context.is_inverse
        && service.is_marked()
        && context.ipvs.settings.cache_bypass.load() != 0
        && F::is_elsewhere(context.net, context.header.dst);
    if let (true, Some(bypass_dest)) = (bypasses, context.af.bypass_dest.as_ref()) {
        return bypass(context, hashed, service, bypass_dest.clone(), packet);
    }
    if service.port() == FTP_PORT && context.transport.dst_port != FTP_PORT {
        return context.leave_untouched(Of::Service(service), Reason::FtpData, packet);
    }
    if !context.is_inverse {
        packet.send_error(F::PROTOCOL, Unreachable::Port);
    }
    let reason = reason.unwrap_or_else(|| service.no_choice_reason(context.rcu));
    context.drop(Of::Service(service), reason, packet)
}

/// Creates a `cache_bypass` connection to the packet's own destination address (S-15). It is not
/// counted at a destination.
fn bypass<F: InetFamily>(
    context: &Context<'_, F>,
    hashed: Hashed,
    service: &Service<F>,
    bypass_dest: RcuArc<Destination>,
    mut packet: Packet,
) -> Verdict {
    if !context.has_room() {
        return context.drop(Of::Service(service), Reason::ConnLimit, packet);
    }
    let protocol = context.header.protocol;
    let real = Endpoint {
        addr: F::UNSPECIFIED,
        port: 0,
    };
    let tuple = context.tuple(real);
    packet.set_handled();
    let options = service.options_at(context.rcu);
    if options.is_some_and(|t| t.is_ops(protocol)) {
        let tracked = context.ipvs.settings.is_tracked();
        let connection = Connection::bypass(protocol, tuple, bypass_dest)
            .ops()
            .tracked(tracked);
        return xmit::bypass::send(*context, &connection, packet);
    }
    let made = || Connection::bypass(protocol, tuple, bypass_dest);
    match enter(context, hashed, Direction::Input, made) {
        Some(connection) => xmit::bypass::send(*context, connection, packet),
        None => context.drop(Of::Service(service), Reason::NoMemory, packet),
    }
}
