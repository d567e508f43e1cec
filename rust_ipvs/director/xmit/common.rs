// SPDX-License-Identifier: GPL-2.0

//! Checks of all transmitters before a packet leaves: route, TTL, MTU.

use crate::{
    director::{
        conn::{
            conntrack,
            Connection,
            InetFamily, //
        },
        dest::Destination,
        packet::{
            Context,
            Of, //
        },
    },
    kapi::{
        netfilter::{
            Point,
            Protocol,
            Verdict, //
        },
        route::{
            Route,
            RouteKind, //
        },
        skbuff::{
            Packet,
            Unreachable, //
        },
    },
    logic::{
        config::Ip,
        direction::Direction,
        family::Header,
        reason::Reason, //
    },
};

/// Returns the route to the destination. Without one, calls `dst_link_failure()`, and the caller
/// drops the packet.
#[inline(always)]
pub(super) fn route<'g, F: InetFamily>(
    context: &Context<'g, F>,
    destination: &'g Destination,
    wanted: RouteKind,
    packet: &mut Packet,
) -> Option<&'g Route> {
    let route = destination.route(context.rcu, context.net, wanted);
    if route.is_none() {
        packet.link_failure();
    }
    route
}

/// Returns whether a packet may leave this host: not if its source is a loopback address.
#[inline(always)]
pub(super) fn may_leave<F: InetFamily>(context: &Context<'_, F>) -> bool {
    !F::is_loopback(context.header.src)
}

/// Prepares a packet, unchanged so far, to leave this host by a route: decrements its TTL.
///
/// # Errors
///
/// The reason for which it has to be dropped: its source, TTL or size. An ICMP
/// error has been sent if one is due.
#[inline(always)]
pub(super) fn prepare<F: InetFamily>(
    context: &Context<'_, F>,
    route: &Route,
    packet: &mut Packet,
) -> Result<(), Reason> {
    if !may_leave(context) {
        return Err(Reason::LoopbackSource);
    }
    dec_ttl(&context.header, packet, context.header.l4.into())?;
    fits(context, packet, || route.mtu())
}

/// Decrements the TTL.
///
/// Makes `len` bytes from the IP header on writable; `len` must cover the IP header.
///
/// # Errors
///
/// `NoMemory`; `TtlExceeded` after sending an ICMP error if none is left.
#[inline(always)]
pub(super) fn dec_ttl<F: InetFamily>(
    header: &Header<F>,
    packet: &mut Packet,
    len: usize,
) -> Result<(), Reason> {
    let Some(bytes) = packet.writable(len) else {
        return Err(Reason::NoMemory);
    };
    if F::dec_ttl(bytes, header.l4) {
        return Ok(());
    }
    Err(ttl_exceeded::<F>(packet))
}

/// Sends the ICMP error for an exceeded TTL, and returns the reason.
#[cold]
#[inline(never)]
pub(super) fn ttl_exceeded<F: InetFamily>(packet: &mut Packet) -> Reason {
    packet.send_error(F::PROTOCOL, Unreachable::TimeExceeded);
    Reason::TtlExceeded
}

/// Returns whether the packet certainly fits the route's MTU.
///
/// Calls `mtu` only if the packet is longer than the minimum MTU of its family: most packets of
/// clients are acknowledgments.
#[inline(always)]
pub(super) fn mtu_ok<F: InetFamily>(packet: &Packet, mtu: impl FnOnce() -> u32) -> bool {
    (packet.len() <= least::<F>() || packet.len() <= mtu())
        && (F::PROTOCOL == Protocol::Ipv4 || packet.largest_fragment(F::PROTOCOL) == 0)
}

/// Checks whether the packet fits the MTU of a route.
///
/// # Errors
///
/// `TooBig` if it does not, after sending an ICMP error.
#[inline(always)]
pub(super) fn fits<F: InetFamily>(
    context: &Context<'_, F>,
    packet: &mut Packet,
    mtu: impl Fn() -> u32,
) -> Result<(), Reason> {
    match mtu_ok::<F>(packet, &mtu) || mtu_ok_slow(&context.header, packet, mtu()) {
        true => Ok(()),
        false => Err(Reason::TooBig),
    }
}

#[cold]
#[inline(never)]
fn mtu_ok_slow<F: InetFamily>(header: &Header<F>, packet: &mut Packet, mtu: u32) -> bool {
    // An ICMP error is not answered with another; with IPv4 it may be fragmented.
    let is_error = header.protocol == F::NUMBER;
    let fits = match F::PROTOCOL {
        Protocol::Ipv4 => is_error || !header.dont_fragment || packet.fits(mtu),
        Protocol::Ipv6 => match packet.largest_fragment(F::PROTOCOL) {
            0 => packet.fits(mtu),
            largest => largest <= mtu,
        },
    };
    if !fits && !is_error {
        packet.send_error(F::PROTOCOL, Unreachable::TooBig(mtu));
    }
    fits
}

/// Returns the minimum MTU of a family, in bytes.
#[inline(always)]
const fn least<F: InetFamily>() -> u32 {
    F::FAMILY.least_mtu()
}

/// Returns whether a tunnel's MTU is at least the minimum MTU of the inner family.
#[inline(always)]
pub(crate) fn is_enough<F: InetFamily>(mtu: u32) -> bool {
    mtu >= least::<F>()
}

/// Sends a packet to its route (C: `ip_vs_send_or_cont()`). It has a conntrack entry only if
/// `TRACKED`.
#[inline(always)]
pub(super) fn forward<'g, F: InetFamily, const TRACKED: bool>(
    context: &Context<'g, F>,
    connection: &Connection<F>,
    mut packet: Packet,
    route: &'g Route,
) -> Verdict {
    if TRACKED {
        conntrack::finish_ct_slow(connection, Direction::Input, &mut packet);
    }
    Verdict::Stolen(packet.forward(context.rcu, context.net, route, context.ipvs))
}

/// Returns the verdict for an unchanged packet with a local destination: it is delivered if its own
/// route was local too.
#[cold]
#[inline(never)]
pub(super) fn stay_local<F: InetFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    mut packet: Packet,
) -> Verdict {
    if !packet.route_is_local(F::PROTOCOL) {
        return context.discard(Of::Connection(connection), Reason::LocalServer, packet);
    }
    conntrack::finish_ct(connection, Direction::Input, &mut packet);
    Verdict::Accept(packet)
}

/// Delivers a translated packet whose destination is this host.
#[inline(always)]
pub(super) fn deliver_local<F: InetFamily>(
    connection: &Connection<F>,
    mut packet: Packet,
) -> Verdict {
    conntrack::finish_ct(connection, Direction::Input, &mut packet);
    // Early demux may have set a socket of the VIP.
    if connection.vip != connection.dest {
        packet.orphan();
    }
    Verdict::Accept(packet)
}

/// Returns whether a packet from another host would reach a loopback address of this host.
#[inline(always)]
pub(super) fn loops<F: InetFamily>(context: &Context<'_, F>, destination: &Destination) -> bool {
    context.point == Point::LocalIn && is_loopback(destination.id.addr)
}

/// Returns whether the address is a loopback address.
fn is_loopback(addr: Ip) -> bool {
    match addr {
        Ip::V4([first, ..]) => first == 127,
        Ip::V6(addr) => addr == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    }
}
