// SPDX-License-Identifier: GPL-2.0

//! Checks before encapsulation, and the outer IP header.

use crate::{
    director::{
        conn::{
            Connection,
            InetFamily, //
        },
        dest::Destination,
        packet::{
            Context,
            Of, //
        },
        xmit::common, //
    },
    kapi::{
        netfilter::{
            Point,
            Protocol,
            Verdict, //
        },
        route::Route,
        skbuff::{
            tunnel::Roomy,
            Packet, //
        },
    },
    logic::{
        config::Ip,
        ipip::Outer,
        reason::Reason, //
    },
};

/// Checks whether a packet may be encapsulated with `headers` bytes, and decrements its TTL.
/// Returns the DF flag of the outer IPv4 header.
///
/// # Errors
///
/// The reason for which the packet has to be dropped; an ICMP error has been sent if one is due.
#[inline(always)]
pub(super) fn may_enter<F: InetFamily>(
    context: &Context<'_, F>,
    route: &Route,
    headers: u32,
    packet: &mut Packet,
) -> Result<bool, Reason> {
    let mtu = route.mtu().saturating_sub(headers);
    if !common::may_leave(context) {
        return Err(Reason::LoopbackSource);
    }
    common::dec_ttl(&context.header, packet, context.header.l4.into())?;
    if !common::is_enough::<F>(mtu) {
        return Err(Reason::TunnelMtu);
    }
    if context.point == Point::LocalOut {
        packet.update_pmtu(mtu);
    }
    let discovers = context.ipvs.settings.pmtu_disc.load() != 0;
    let judged = discovers || F::PROTOCOL == Protocol::Ipv6;
    if judged {
        common::fits(context, packet, || mtu)?;
    }
    Ok(discovers && context.header.dont_fragment)
}

/// Returns the outer header's fields; `protocol` is the number of the protocol that it contains.
#[inline(always)]
pub(crate) fn outer<F: InetFamily>(context: &Context<'_, F>, protocol: u8) -> Outer {
    Outer {
        protocol,
        tos: context.header.tos,
        // The TTL was decremented before, so it was at least 2.
        ttl: context.header.ttl.wrapping_sub(1),
    }
}

/// Writes the outer header of a packet with so many GSO segments. Returns `None` if there is no
/// headroom.
#[inline(always)]
pub(crate) fn write_outer(
    destination: &Destination,
    route: &Route,
    outer: Outer,
    df: bool,
    segments: u16,
    packet: &mut Roomy,
) -> Option<()> {
    match destination.id.addr {
        Ip::V4(to) => {
            // With DF the identification may have any value (RFC 6864).
            let id = match (df, segments) {
                (true, _) => 0,
                (false, 0 | 1) => destination.ids.one(&destination.counted),
                (false, several) => destination.ids.several(several),
            };
            outer.write_v4(packet.push_outer()?, route.source_v4(), to, id, df);
        }
        Ip::V6(to) => outer.write_v6(packet.push_outer()?, route.source_v6(), to),
    }
    Some(())
}

/// Drops a packet for whose headers there is no memory.
#[cold]
#[inline(never)]
pub(crate) fn no_memory<F: InetFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    packet: Packet,
) -> Verdict {
    context.discard(Of::Connection(connection), Reason::NoMemory, packet)
}
