// SPDX-License-Identifier: GPL-2.0

//! The entry of a tunnel: who may enter, and the outer IP header.

use crate::{
    director::{
        conn::InetFamily,
        dest::Destination,
        packet::Context,
        xmit::common, //
    },
    kapi::{
        netfilter::{
            Point,
            Protocol, //
        },
        route::Route,
        skbuff::{
            tunnel::Roomy,
            Packet, //
        },
    },
    logic::{
        config::Ip,
        ipip::Outer, //
    },
};

/// Returns whether a packet may enter a tunnel whose headers have so many bytes, and if so, whether
/// the outer IPv4 header forbids to cut it. Its time to live is one less then; where not, its
/// sender has been told.
#[inline(always)]
pub(super) fn may_enter<F: InetFamily>(
    context: &Context<'_, F>,
    route: &Route,
    headers: u32,
    packet: &mut Packet,
) -> Option<bool> {
    let mtu = route.mtu().saturating_sub(headers);
    if !common::may_leave(context)
        || !common::dec_ttl(&context.header, packet, context.header.l4.into())
        || !common::is_enough::<F>(mtu)
    {
        return None;
    }
    if context.point == Point::LocalOut {
        packet.update_pmtu(mtu);
    }
    let discovers = context.ipvs.settings.pmtu_disc.load() != 0;
    let judged = discovers || F::PROTOCOL == Protocol::Ipv6;
    if judged && !common::fits(context, packet, || mtu) {
        return None;
    }
    Some(discovers && context.header.dont_fragment)
}

/// Returns what the outer header of a packet says, before what has the number `protocol`.
#[inline(always)]
pub(super) fn outer<F: InetFamily>(context: &Context<'_, F>, protocol: u8) -> Outer {
    Outer {
        protocol,
        tos: context.header.tos,
        // It was aged, so it was at least 2.
        ttl: context.header.ttl.wrapping_sub(1),
    }
}

/// Writes the outer header of a packet that is sent in so many segments; `None` where there is no
/// room.
#[inline(always)]
pub(super) fn write_outer(
    destination: &Destination,
    route: &Route,
    outer: Outer,
    df: bool,
    segments: u16,
    packet: &mut Roomy,
) -> Option<()> {
    match destination.id.addr {
        Ip::V4(to) => {
            // What may not be cut needs no identification (RFC 6864).
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
