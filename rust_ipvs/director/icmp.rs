// SPDX-License-Identifier: GPL-2.0

//! ICMP errors about packets of connections, in both directions (I-1 to I-4; C: `ip_vs_out_icmp()`
//! and `ip_vs_in_icmp()`).
//!
//! [`handle`] looks up the connection of the quoted packet in the inverse direction, as the error
//! goes to the sender of that packet. An error about a request goes out to the client, one about a
//! reply goes in to the destination. [`tunnel`] handles errors about tunnels to destinations. Other
//! ICMP packets are not handled. This folder may use `conn`, `netns`, `packet`, `service` and
//! `xmit` of the director's folders.

mod quote;
mod tunnel;

use self::quote::{
    find,
    read, //
};
use crate::{
    director::{
        conn::{
            conntrack,
            Connection,
            InetFamily,
            PacketRole, //
        },
        netns::defrag,
        packet::{
            Context,
            HookCall,
            Of, //
        },
        xmit, //
    },
    kapi::{
        netfilter::{
            Point,
            Verdict, //
        },
        skbuff::Packet, //
    },
    logic::{
        config::ForwardMethod,
        direction::Direction,
        family::Side,
        icmp::{
            self,
            Message,
            Quoted, //
        },
        packet::{
            Fragment,
            Header,
            Transport, //
        },
        reason::Reason,
    },
};

/// Function that schedules the packet that an error quotes, in the inverse direction, if there is a
/// service for it (S-28). Under one-packet scheduling (OPS) the connection is stored in the last
/// argument (S-12). Returns `Accept` if the caller goes on with the error.
pub(crate) trait Begin<'g, F: InetFamily>:
    FnOnce(Context<'g, F>, Packet, &mut Option<Connection<F>>) -> Verdict
{
}

impl<'g, F: InetFamily, B> Begin<'g, F> for B where
    B: FnOnce(Context<'g, F>, Packet, &mut Option<Connection<F>>) -> Verdict
{
}

/// Handles an ICMP error; returns any other packet as `Err`. `begin` schedules the quoted packet.
///
/// Without `takes_requests` only errors about requests are handled, as they are replies (H-8).
#[cold]
#[inline(never)]
pub(crate) fn handle<'g, F: InetFamily, B: Begin<'g, F>>(
    call: HookCall<'g, F>,
    takes_requests: bool,
    begin: B,
    mut packet: Packet,
) -> Result<Verdict, Packet> {
    let Some(mut header) = read(&mut packet, F::parse) else {
        return Err(packet);
    };
    if header.protocol != F::NUMBER {
        return Err(packet);
    }
    if header.fragment != Fragment::Whole {
        if !defrag::may_be_ours(call.af, call.point, &header) {
            return Err(packet);
        }
        packet = match call.ipvs.gather_frags::<F>(call.net, call.point, packet) {
            Ok(whole) => whole,
            Err(taken) => return Ok(Verdict::Stolen(taken)),
        };
        header = match read(&mut packet, F::parse) {
            Some(header) => header,
            None => return Ok(Verdict::Accept(packet)),
        };
    }
    let context = Context::new(call, header, Transport::NONE);
    message(&context, takes_requests, begin, packet)
}

/// Handles a whole ICMP packet, or an IPv6 fragment that cannot be reassembled.
fn message<'g, F: InetFamily, B: Begin<'g, F>>(
    context: &Context<'g, F>,
    takes_requests: bool,
    begin: B,
    mut packet: Packet,
) -> Result<Verdict, Packet> {
    let at = usize::from(context.header.l4);
    if context.header.fragment == Fragment::Later {
        return Err(packet);
    }
    let Some(message) = read(&mut packet, |bytes| Message::parse(bytes, at)) else {
        return Ok(context.drop(Of::Nothing, Reason::BadIcmp, packet));
    };
    if !F::is_error(message.kind) {
        return Err(packet);
    }
    if context.header.fragment != Fragment::Whole {
        // An ICMPv6 error fits the minimum MTU (RFC 4443, section 2.4 (c)), so it is never
        // fragmented.
        return Ok(context.drop(Of::Nothing, Reason::BadIcmp, packet));
    }
    let quote_at = at.saturating_add(icmp::HEADER);
    if takes_requests {
        packet = match tunnel::handle(context, &message, quote_at, packet) {
            Ok(verdict) => return Ok(verdict),
            Err(other) => other,
        };
    }
    let Some(quoted) = read(&mut packet, |bytes| Quoted::<F>::parse(bytes, quote_at)) else {
        return Ok(Verdict::Accept(packet));
    };
    // Inverse direction: the role of the error is that of a packet from the quoted destination to
    // the quoted source.
    let (protocol, src, dst) = (quoted.header.protocol, quoted.dst, quoted.src);
    let mut found = find(context, protocol, &src, &dst);
    let schedules = context.ipvs.settings.schedule_icmp.load() != 0;
    let comes_in = takes_requests && may_come_in(context, &packet);
    if found.is_none() && schedules && comes_in {
        let mut ops = None;
        packet = match begin(inverse(context, &quoted), packet, &mut ops) {
            Verdict::Accept(packet) => packet,
            other => return Ok(other),
        };
        if let Some(connection) = &ops {
            return Ok(incoming(context, connection, &quoted, packet));
        }
        found = find(context, protocol, &src, &dst);
    }
    Ok(match found {
        Some((connection, PacketRole::Reply)) => outgoing(context, connection, &quoted, packet),
        Some((connection, PacketRole::Request)) if comes_in => {
            incoming(context, connection, &quoted, packet)
        }
        _ => Verdict::Accept(packet),
    })
}

/// Returns the context of the quoted packet in the inverse direction, as in a packet of the client.
fn inverse<'g, F: InetFamily>(context: &Context<'g, F>, quoted: &Quoted<F>) -> Context<'g, F> {
    let (src, dst) = (quoted.dst, quoted.src);
    let header = Header {
        src: src.addr,
        dst: dst.addr,
        // Offset within the quote, for persistence engines.
        l4: quoted.header.l4.saturating_add(quoted.at as u16),
        ..quoted.header
    };
    let transport = Transport {
        src_port: src.port,
        dst_port: dst.port,
        ..Transport::NONE
    };
    context.inverse(header, transport)
}

/// Returns whether the packet may be an error for a destination: at LOCAL_IN only if it is
/// `PACKET_HOST` (H-7, H-24).
fn may_come_in<F: InetFamily>(context: &Context<'_, F>, packet: &Packet) -> bool {
    context.point != Point::LocalIn || packet.is_to_host()
}

/// Handles an error about a request: sends it to the client.
fn outgoing<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    quoted: &Quoted<F>,
    mut packet: Packet,
) -> Verdict {
    if connection.method == ForwardMethod::MASQ {
        if let Err(reason) = translate(context, connection, quoted, &mut packet) {
            return context.drop(Of::Connection(connection), reason, packet);
        }
    }
    let destination = &connection.destination;
    if destination.is_available() {
        destination.counted.output(packet.len());
    }
    packet.set_handled();
    conntrack::finish_ct(connection, Direction::Output, &mut packet);
    Verdict::Accept(packet)
}

/// Translates an error about a request for the client.
///
/// # Errors
///
/// The reason for which it has to be dropped.
fn translate<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    quoted: &Quoted<F>,
    packet: &mut Packet,
) -> Result<(), Reason> {
    if !packet.message_sum_is_right(F::PROTOCOL, context.header.l4) {
        return Err(Reason::IcmpChecksum);
    }
    xmit::translate_error(context, quoted, Side::Source, &connection.vip, packet)?;
    match context.reroute(packet) {
        true => Ok(()),
        false => Err(Reason::NoRouteForReply),
    }
}

/// Handles an error about a reply: sends it to the destination.
fn incoming<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    quoted: &Quoted<F>,
    mut packet: Packet,
) -> Verdict {
    let translated = connection.method == ForwardMethod::MASQ;
    if translated && !packet.message_sum_is_right(F::PROTOCOL, context.header.l4) {
        return context.drop(Of::Connection(connection), Reason::IcmpChecksum, packet);
    }
    let destination = &connection.destination;
    if destination.is_available() {
        destination.counted.input(packet.len());
    }
    packet.set_handled();
    if translated {
        xmit::send_error(context, connection, quoted, packet)
    } else {
        xmit::send(context, connection, packet)
    }
}
