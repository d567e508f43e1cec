// SPDX-License-Identifier: GPL-2.0

//! Netfilter hooks: one each at LOCAL_IN, LOCAL_OUT and FORWARD (H-1).
//!
//! C IPVS looks a packet up twice, first as a reply and then as a request. Here both directions of
//! a connection have the same hash, so one look-up gives the connection and the direction.

use super::{
    conn_out,
    no_cport,
    reply,
    reset,
    reuse,
    schedule,
    state, //
};
use crate::{
    director::{
        conn::{
            Connection,
            InetFamily,
            PacketRole, //
        },
        icmp,
        netns::{
            defrag,
            NetnsIpvs, //
        },
        packet::{
            Context,
            HookCall,
            Of, //
        },
        service::HasAfState,
        xmit, //
    },
    kapi::{
        netfilter::{
            Hook,
            Point,
            Protocol,
            State,
            Verdict, //
        },
        rcu::Rcu,
        skbuff::Packet,
        table::Hashed, //
    },
    logic::{
        direction::Direction,
        packet::{
            as_key_exchange,
            Fragment,
            Header,
            ParseError,
            Transport,
            AH,
            ESP,
            SCTP,
            TCP,
            UDP, //
        },
        reason::Reason,
    },
};
use core::marker::PhantomData;

/// Hook point, as a type.
pub(crate) trait HookPoint: 'static {
    /// The point.
    const POINT: Point;
}

/// LOCAL_IN.
pub(crate) struct LocalIn;
/// LOCAL_OUT.
pub(crate) struct LocalOut;
/// FORWARD.
pub(crate) struct Forward;

impl HookPoint for LocalIn {
    const POINT: Point = Point::LocalIn;
}

impl HookPoint for LocalOut {
    const POINT: Point = Point::LocalOut;
}

impl HookPoint for Forward {
    const POINT: Point = Point::Forward;
}

/// Hook at the point `P`. Without `TAKES_REQUESTS` it handles replies only and accepts any other
/// packet unchanged; such hooks are registered for a backup with `backup_only` set (H-8).
pub(crate) struct PacketHook<F, P, const TAKES_REQUESTS: bool>(PhantomData<(F, P)>);

impl<F: HasAfState, P: HookPoint, const TAKES_REQUESTS: bool> Hook
    for PacketHook<F, P, TAKES_REQUESTS>
{
    type Owner = NetnsIpvs;

    fn run<'g>(owner: &'g NetnsIpvs, rcu: Rcu<'g>, state: &State<'g>, packet: Packet) -> Verdict {
        if is_ignored::<F>(P::POINT, &packet) {
            return Verdict::Accept(packet);
        }
        match HookCall::<F>::new(owner, rcu, state.net(), P::POINT) {
            Some(call) if TAKES_REQUESTS => pass::<F, true>(call, packet),
            Some(call) => pass_replies(call, packet),
            None => Verdict::Accept(packet),
        }
    }
}

/// Returns whether a packet is not looked at: IPVS has handled it already, it has no route, or it
/// comes from a raw IPv4 socket (H-4 to H-6).
#[inline(always)]
fn is_ignored<F: InetFamily>(point: Point, packet: &Packet) -> bool {
    let may_be_raw = point == Point::LocalOut && F::PROTOCOL == Protocol::Ipv4;
    packet.is_handled() || !packet.has_route() || (may_be_raw && packet.is_raw())
}

/// Returns whether a forwarded TCP or UDP packet has a source of no reply. Most packets of a router
/// concern no service, so this comes before all that costs more.
#[inline(always)]
fn is_foreign<F: InetFamily>(call: &HookCall<'_, F>, packet: &Packet) -> bool {
    let filter = &call.af.reply_filter;
    call.point == Point::Forward
        && F::whole_addresses(packet.bytes()).is_some_and(|(src, _)| !filter.may_contain::<F>(src))
}

/// Parses the headers of an unfragmented TCP or UDP packet if they are in the linear part.
#[inline(always)]
fn read<F: InetFamily>(packet: &Packet) -> Option<(Header<F>, Transport)> {
    let bytes = packet.bytes();
    let header = F::parse(bytes).ok()?;
    if !is_balanced(header.protocol) || header.fragment != Fragment::Whole {
        return None;
    }
    let transport = Transport::parse(header.protocol, bytes, header.l4).ok()?;
    Some((header, transport))
}

/// Returns whether the protocol is TCP or UDP, which [`read`] handles (H-11).
#[inline(always)]
fn is_balanced(protocol: u8) -> bool {
    protocol == TCP || protocol == UDP
}

/// Returns the verdict for a packet with a truncated transport header (S-4).
fn truncated<F: InetFamily>(call: &HookCall<'_, F>, packet: Packet) -> Verdict {
    if call.point == Point::Forward {
        Verdict::Accept(packet)
    } else {
        call.drop(Reason::BadHeader, packet)
    }
}

/// Parses the headers of a packet that [`read`] does not handle, unless it is an ICMP error, which
/// this function handles. Returns the verdict if there is nothing to look up.
#[cold]
#[inline(never)]
fn read_slow<F: InetFamily>(
    call: HookCall<'_, F>,
    takes_requests: bool,
    packet: Packet,
) -> Result<(Packet, Header<F>, Transport), Verdict> {
    match icmp::handle(call, takes_requests, schedule::begin_for_error, packet) {
        Ok(verdict) => Err(verdict),
        Err(other) => {
            let (packet, header, transport) = read_otherwise(call, takes_requests, other)?;
            if call.point == Point::Forward && !call.af.reply_filter.may_contain::<F>(header.src) {
                return Err(Verdict::Accept(packet));
            }
            Ok((packet, header, transport))
        }
    }
}

/// Parses the headers of fragments, SCTP, AH, ESP and packets with headers outside the linear part.
/// Returns the verdict if there is nothing to look up.
fn read_otherwise<F: InetFamily>(
    call: HookCall<'_, F>,
    takes_requests: bool,
    mut packet: Packet,
) -> Result<(Packet, Header<F>, Transport), Verdict> {
    let point = call.point;
    let mut gathered = false;
    // Each round has more bytes in the linear part, or the reassembled packet.
    for _ in 0..Packet::READS {
        let bytes = packet.bytes();
        let (needed, for_transport) = match F::parse(bytes) {
            Ok(header) if matches!(header.protocol, AH | ESP) => {
                let header = as_key_exchange(&header).unwrap_or(header);
                return Ok((packet, header, Transport::KEY_EXCHANGE));
            }
            Ok(header) if !is_balanced(header.protocol) && header.protocol != SCTP => break,
            Ok(header) if header.fragment != Fragment::Whole => {
                // A fragment that is not reassembled passes unchanged (H-14).
                if gathered || !defrag::may_be_ours(call.af, point, &header) {
                    return Err(Verdict::Accept(packet));
                }
                let whole = call.ipvs.gather_frags::<F>(call.net, point, packet);
                packet = whole.map_err(Verdict::Stolen)?;
                gathered = true;
                continue;
            }
            Ok(header) if header.protocol == SCTP => {
                // Copied, not pulled: a GSO packet with a frag_list must not be linearised.
                let at = usize::from(header.l4);
                return match Transport::of_sctp(|offset| packet.copy(at.saturating_add(offset))) {
                    Some(transport) => Ok((packet, header, transport)),
                    None => Err(truncated(&call, packet)),
                };
            }
            Ok(header) => match Transport::parse(header.protocol, bytes, header.l4) {
                Ok(transport) => return Ok((packet, header, transport)),
                Err(ParseError::Short(needed)) => (needed, true),
                Err(ParseError::Malformed) => break,
            },
            Err(ParseError::Short(needed)) => (needed, false),
            Err(ParseError::Malformed) => break,
        };
        if !packet.pull_more(needed) {
            // A packet with a truncated IP header is not dropped here (H-9).
            return Err(if for_transport {
                truncated(&call, packet)
            } else {
                Verdict::Accept(packet)
            });
        }
    }
    let ignored = takes_requests && call.ipvs.settings.ignore_tunneled.load() != 0;
    if ignored && point != Point::Forward {
        packet.set_handled();
    }
    Err(Verdict::Accept(packet))
}

/// Handles a packet at a hook. Without `TAKES_REQUESTS` only replies are handled (H-8).
#[inline(always)]
fn pass<'g, F: InetFamily, const TAKES_REQUESTS: bool>(
    call: HookCall<'g, F>,
    mut packet: Packet,
) -> Verdict {
    if is_foreign(&call, &packet) {
        return Verdict::Accept(packet);
    }
    let (header, transport) = match read::<F>(&packet) {
        Some(headers) => headers,
        None => match read_slow(call, TAKES_REQUESTS, packet) {
            Ok((whole, header, transport)) => {
                packet = whole;
                (header, transport)
            }
            Err(verdict) => return verdict,
        },
    };
    let context = Context::new(call, header, transport);
    let found = match find::<F, TAKES_REQUESTS>(&context) {
        Err(hashed) if TAKES_REQUESTS && may_fill_cport(&context, &packet) => {
            match no_cport::find(context, hashed) {
                no_cport::NoCportMatch::Begun(connection) => Ok((connection, PacketRole::Request)),
                no_cport::NoCportMatch::Late(reason) => {
                    return context.drop(Of::Nothing, reason, packet);
                }
                no_cport::NoCportMatch::Nothing => Err(hashed),
            }
        }
        found => found,
    };
    match found {
        Ok((connection, PacketRole::Reply)) => reply::handle(&context, connection, packet),
        Ok((connection, _)) if TAKES_REQUESTS && is_for_host(context.point, &packet) => {
            handle(&context, connection, packet)
        }
        Ok((connection, _)) => {
            let reason = match TAKES_REQUESTS {
                true => Reason::NotToHost,
                false => Reason::BackupOnly,
            };
            context.leave_untouched(Of::Connection(connection), reason, packet)
        }
        Err(hashed) => handle_unknown::<F, TAKES_REQUESTS>(&context, hashed, packet),
    }
}

/// [`pass`] for replies only; out of line, so that there is one copy for the three points.
#[cold]
#[inline(never)]
fn pass_replies<F: InetFamily>(call: HookCall<'_, F>, packet: Packet) -> Verdict {
    pass::<F, false>(call, packet)
}

/// Looks up the connection of a packet, and the packet's role in it. Returns the hash of the
/// packet's endpoints if there is none.
///
/// A forwarded packet can only be a reply (H-18 to H-22).
#[inline(always)]
fn find<'g, F: InetFamily, const TAKES_REQUESTS: bool>(
    context: &Context<'g, F>,
) -> Result<(&'g Connection<F>, PacketRole), Hashed> {
    let takes_requests = TAKES_REQUESTS && context.point != Point::Forward;
    let (protocol, ends) = (context.header.protocol, (context.src(), context.dst()));
    let connections = context.connections;
    connections.look_up(context.rcu, protocol, ends, takes_requests)
}

/// Handles a packet without a connection (H-21, H-22).
#[inline(always)]
fn handle_unknown<F: InetFamily, const TAKES_REQUESTS: bool>(
    context: &Context<'_, F>,
    hashed: Hashed,
    packet: Packet,
) -> Verdict {
    if conn_out::may_be(context) {
        return conn_out::handle(*context, hashed, TAKES_REQUESTS, packet);
    }
    if reply::is_unexpected(context) {
        return reply::refuse(*context, packet);
    }
    if TAKES_REQUESTS && may_begin(context.point, &packet) {
        return schedule::handle(*context, hashed, packet);
    }
    Verdict::Accept(packet)
}

/// Returns whether a packet without a connection may begin one with an unknown client port.
#[inline(always)]
fn may_fill_cport<F: InetFamily>(context: &Context<'_, F>, packet: &Packet) -> bool {
    context.af.no_cport.is_any() && may_begin(context.point, packet)
}

/// Returns whether a packet may be a request: sent by this host, or received as `PACKET_HOST`
/// (H-7).
fn is_for_host(point: Point, packet: &Packet) -> bool {
    point == Point::LocalOut || packet.is_to_host()
}

/// Returns whether a packet without a connection may begin one.
#[inline(always)]
fn may_begin(point: Point, packet: &Packet) -> bool {
    point != Point::Forward && is_for_host(point, packet)
}

/// Handles a request of a known connection.
#[inline(always)]
fn handle<'g, F: InetFamily>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    mut packet: Packet,
) -> Verdict {
    let destination = &connection.destination;
    let settings = &context.ipvs.settings;
    if context.transport.flags.is_syn() && reuse::is_over(settings, connection, &packet) {
        return reuse::begin_anew(*context, connection, packet);
    }
    if !state::is_plain(context, connection) {
        packet = match handle_special(*context, connection, packet) {
            Ok(packet) => packet,
            Err(verdict) => return verdict,
        };
    }
    destination.counted.input(packet.len());
    let is_special = state::follow_linked(context, connection, Direction::Input);
    if is_special {
        if let Err(reason) = reset::request(*context, connection, &mut packet) {
            return context.drop(Of::Connection(connection), reason, packet);
        }
    }
    packet.set_handled();
    xmit::send(context, connection, packet)
}

/// Handles what is special about a request's destination, if anything: it was deleted (S-22), or
/// its service has got timeouts of its own. Returns the packet if it goes the way of all others.
#[cold]
#[inline(never)]
fn handle_special<'g, F: InetFamily>(
    context: Context<'g, F>,
    connection: &'g Connection<F>,
    packet: Packet,
) -> Result<Packet, Verdict> {
    let own = &connection.destination.own;
    let expires = context.ipvs.settings.expire_nodest_conn.load();
    if own.is_available() {
        state::take_own_timeout(&context, connection);
        Ok(packet)
    } else if own.expire_nodest(expires) {
        Err(reuse::begin_anew(context, connection, packet))
    } else {
        Err(context.drop(Of::Connection(connection), Reason::ServerGone, packet))
    }
}
