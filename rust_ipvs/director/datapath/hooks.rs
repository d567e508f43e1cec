// SPDX-License-Identifier: GPL-2.0

//! Netfilter hooks: one each at LOCAL_IN, LOCAL_OUT and FORWARD (H-1).
//!
//! C IPVS looks a packet up twice, first as a reply and then as a request. Here both directions of
//! a connection have the same hash, so one look-up gives the connection and the direction.

use super::{
    conn_out,
    no_cport,
    reply,
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
        ftp,
        icmp,
        netns::{
            defrag,
            NetnsIpvs, //
        },
        packet::Context,
        service::HasAfState,
        xmit, //
    },
    kapi::{
        net::Net,
        netfilter::{
            Hook,
            Point,
            Protocol,
            State,
            Verdict, //
        },
        rcu::Rcu,
        skbuff::Packet, //
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
    },
};
use core::marker::PhantomData;

/// Hook at LOCAL_IN.
pub(crate) struct LocalIn<F>(PhantomData<F>);
/// Hook at LOCAL_OUT.
pub(crate) struct LocalOut<F>(PhantomData<F>);
/// Hook at FORWARD.
pub(crate) struct Forward<F>(PhantomData<F>);

impl<F: HasAfState> Hook for LocalIn<F> {
    type Owner = NetnsIpvs;

    fn run<'g>(owner: &'g NetnsIpvs, rcu: Rcu<'g>, state: &State<'g>, packet: Packet) -> Verdict {
        pass::<F, true>(owner, rcu, state.net(), Point::LocalIn, packet)
    }
}

impl<F: HasAfState> Hook for LocalOut<F> {
    type Owner = NetnsIpvs;

    fn run<'g>(owner: &'g NetnsIpvs, rcu: Rcu<'g>, state: &State<'g>, packet: Packet) -> Verdict {
        pass::<F, true>(owner, rcu, state.net(), Point::LocalOut, packet)
    }
}

impl<F: HasAfState> Hook for Forward<F> {
    type Owner = NetnsIpvs;

    fn run<'g>(owner: &'g NetnsIpvs, rcu: Rcu<'g>, state: &State<'g>, packet: Packet) -> Verdict {
        pass::<F, true>(owner, rcu, state.net(), Point::Forward, packet)
    }
}

/// Hook that handles replies only, at the point with number `AT`; registered for a backup
/// with `backup_only` set (H-8).
pub(crate) struct ReplyOnly<F, const AT: u8>(PhantomData<F>);

impl<F: HasAfState, const AT: u8> Hook for ReplyOnly<F, AT> {
    type Owner = NetnsIpvs;

    fn run<'g>(owner: &'g NetnsIpvs, rcu: Rcu<'g>, state: &State<'g>, packet: Packet) -> Verdict {
        let point = match AT {
            0 => Point::LocalIn,
            1 => Point::LocalOut,
            _ => Point::Forward,
        };
        pass_replies::<F>(owner, rcu, state.net(), point, packet)
    }
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
fn truncated(point: Point, packet: Packet) -> Verdict {
    if point == Point::Forward {
        Verdict::Accept(packet)
    } else {
        Verdict::Drop(packet)
    }
}

/// Parses the headers of a packet that [`read`] does not handle: fragments, SCTP, AH, ESP and
/// packets with headers outside the linear part. Returns the verdict if there is nothing to look
/// up.
#[cold]
#[inline(never)]
fn read_otherwise<F: HasAfState>(
    ipvs: &NetnsIpvs,
    net: &Net,
    point: Point,
    takes_requests: bool,
    mut packet: Packet,
) -> Result<(Packet, Header<F>, Transport), Verdict> {
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
                if gathered || !defrag::may_be_ours(ipvs.af_state::<F>(), point, &header) {
                    return Err(Verdict::Accept(packet));
                }
                let whole = ipvs.gather_frags::<F>(net, point, packet);
                packet = whole.ok_or(Verdict::Stolen)?;
                gathered = true;
                continue;
            }
            Ok(header) if header.protocol == SCTP => {
                // Copied, not pulled: a GSO packet with a frag_list must not be linearised.
                let at = usize::from(header.l4);
                return match Transport::of_sctp(|offset| packet.copy(at.saturating_add(offset))) {
                    Some(transport) => Ok((packet, header, transport)),
                    None => Err(truncated(point, packet)),
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
                truncated(point, packet)
            } else {
                Verdict::Accept(packet)
            });
        }
    }
    let ignored = takes_requests && ipvs.settings.ignore_tunneled.load() != 0;
    if ignored && point != Point::Forward {
        packet.set_handled();
    }
    Err(Verdict::Accept(packet))
}

/// Handles a packet at a hook. Without `TAKES_REQUESTS` only replies are handled (H-8, H-18 to
/// H-22).
#[inline(always)]
fn pass<'g, F: HasAfState, const TAKES_REQUESTS: bool>(
    ipvs: &'g NetnsIpvs,
    rcu: Rcu<'g>,
    net: &'g Net,
    point: Point,
    mut packet: Packet,
) -> Verdict {
    if packet.is_handled() || !packet.has_route() {
        return Verdict::Accept(packet);
    }
    if point == Point::LocalOut && F::PROTOCOL == Protocol::Ipv4 && packet.is_raw() {
        return Verdict::Accept(packet);
    }
    let af = ipvs.af_state::<F>();
    let Some(connections) = af.connections.as_ref() else {
        return Verdict::Accept(packet);
    };
    let (header, transport) = match read::<F>(&packet) {
        Some(headers) => headers,
        None => {
            let at = icmp::At {
                point,
                takes_requests: TAKES_REQUESTS,
                begin: schedule::begin_for_error,
            };
            let read = icmp::handle::<F, _>(ipvs, af, connections, rcu, net, at, packet)
                .map_or_else(
                    |other| read_otherwise::<F>(ipvs, net, point, TAKES_REQUESTS, other),
                    Err,
                );
            match read {
                Ok((whole, header, transport)) => {
                    packet = whole;
                    (header, transport)
                }
                Err(verdict) => return verdict,
            }
        }
    };
    if point == Point::Forward && !af.reply_filter.may_contain::<F>(header.src) {
        return Verdict::Accept(packet);
    }
    let context = Context {
        ipvs,
        af,
        rcu,
        net,
        point,
        header,
        transport,
        connections,
        is_inverse: false,
    };
    let (src, dst) = (context.src(), context.dst());
    let hash = F::hash(&connections.key, &src, &dst, header.protocol);
    let mut role = PacketRole::Reply;
    let found = connections.table.find(rcu, hash, |connection, direction| {
        match connection.role(direction, header.protocol, &src, &dst) {
            Some(PacketRole::Request) if point == Point::Forward || !TAKES_REQUESTS => false,
            Some(found) => {
                role = found;
                true
            }
            None => false,
        }
    });
    let found = match found {
        None if TAKES_REQUESTS && af.no_cport.is_any() && may_begin(point, &packet) => {
            match no_cport::find(context, hash) {
                no_cport::Found::Begun(connection) => {
                    role = PacketRole::Request;
                    Some((connection, 0))
                }
                no_cport::Found::Late => return Verdict::Drop(packet),
                no_cport::Found::Nothing => None,
            }
        }
        found => found,
    };
    match found {
        Some((connection, _)) if role == PacketRole::Reply => {
            reply::handle(&context, connection, packet)
        }
        Some((connection, _)) if TAKES_REQUESTS && is_for_host(point, &packet) => {
            handle(&context, connection, hash, packet)
        }
        None if conn_out::may_be(&context) => {
            conn_out::handle(context, hash, TAKES_REQUESTS, packet)
        }
        None if reply::is_unexpected(&context) => reply::refuse::<F>(packet),
        None if TAKES_REQUESTS && may_begin(point, &packet) => {
            schedule::handle(context, hash, packet)
        }
        _ => Verdict::Accept(packet),
    }
}

/// Handles a reply and accepts any other packet unchanged (H-8).
///
/// Out of line, so that there is one copy for the three points.
#[cold]
#[inline(never)]
fn pass_replies<'g, F: HasAfState>(
    ipvs: &'g NetnsIpvs,
    rcu: Rcu<'g>,
    net: &'g Net,
    point: Point,
    packet: Packet,
) -> Verdict {
    pass::<F, false>(ipvs, rcu, net, point, packet)
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
    hash: u32,
    mut packet: Packet,
) -> Verdict {
    let destination = &connection.destination;
    let settings = &context.ipvs.settings;
    if context.transport.flags.is_syn() && reuse::is_over(settings, connection, &packet) {
        return reuse::begin_anew(*context, connection, hash, packet);
    }
    if !destination.is_available() {
        if settings.expire_nodest_conn.load() == 0 {
            return Verdict::Drop(packet);
        }
        return reuse::begin_anew(*context, connection, hash, packet);
    }
    destination.counted.input(packet.len());
    let has_app = state::follow_linked(context, connection, Direction::Input);
    if has_app && !ftp::request(*context, connection, &mut packet) {
        return Verdict::Drop(packet);
    }
    packet.set_handled();
    xmit::send(context, connection, packet)
}
