// SPDX-License-Identifier: GPL-2.0

//! Tunnels beyond plain IP in IP of one family: GRE, GUE, other outer family, and packets with
//! checksum or segmentation offload.

use super::entry::{
    self,
    no_memory, //
};
use crate::{
    director::{
        conn::{
            conntrack,
            Connection,
            InetFamily, //
        },
        packet::{
            Context,
            Of, //
        },
        xmit::common, //
    },
    kapi::{
        netfilter::{
            Protocol,
            Verdict, //
        },
        route::Route,
        skbuff::{
            tunnel::{
                self,
                Roomy,
                Wrapping, //
            },
            Packet, //
        },
    },
    logic::{
        config::{
            AddressFamily,
            Encapsulation,
            Ip, //
        },
        gre,
        gue,
        ipip,
        packet::UDP,
        reason::Reason, //
    },
};

/// Header between the outer IP header and the packet.
#[derive(Clone, Copy)]
pub(crate) enum Layer {
    /// None (IPIP).
    None,
    /// GRE header, with a checksum if `sum`.
    Gre { sum: bool },
    /// UDP and GUE headers. With remote checksum offload, the offsets of the checksum that the
    /// receiver completes.
    Gue {
        port: u16,
        sum: bool,
        remote: Option<(u16, u16)>,
    },
}

impl Layer {
    /// Returns the layer for a packet; called before the packet is changed.
    pub(crate) fn of(encapsulation: Encapsulation, packet: &Packet) -> Self {
        match encapsulation {
            Encapsulation::Ipip => Self::None,
            Encapsulation::Gre { sum } => Self::Gre { sum },
            Encapsulation::Gue { port, sum, remote } => {
                let remote = if remote { packet.partial_sum() } else { None };
                Self::Gue { port, sum, remote }
            }
        }
    }

    /// Returns the length in bytes.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Gre { sum: false } => gre::LEN,
            Self::Gre { sum: true } => gre::SUM_LEN,
            Self::Gue { remote: None, .. } => gue::UDP_LEN + gue::LEN,
            Self::Gue {
                remote: Some(_), ..
            } => gue::UDP_LEN + gue::REMOTE_LEN,
        }
    }

    /// Returns the offload type for the packet (`SKB_GSO_*`).
    fn wrapping(self) -> Wrapping {
        match self {
            Self::None => Wrapping::Ip,
            Self::Gre { sum } => Wrapping::Gre { sum },
            Self::Gue { sum, remote, .. } => Wrapping::Udp {
                sum,
                remote: remote.is_some(),
            },
        }
    }
}

/// Sends a packet through a tunnel of any kind.
#[cold]
#[inline(never)]
pub(super) fn send<'g, F: InetFamily>(
    context: Context<'g, F>,
    connection: &'g Connection<F>,
    encapsulation: Encapsulation,
    route: &'g Route,
    mut packet: Packet,
) -> Verdict {
    if route.is_local() {
        return common::stay_local(context, connection, packet);
    }
    let layer = Layer::of(encapsulation, &packet);
    let outer = match route.protocol() {
        Protocol::Ipv4 => ipip::V4_LEN,
        Protocol::Ipv6 => ipip::V6_LEN,
    };
    let headers = outer.saturating_add(layer.len()) as u32;
    let df = match entry::may_enter(&context, route, headers, &mut packet) {
        Ok(df) => df,
        Err(reason) => return context.discard(Of::Connection(connection), reason, packet),
    };
    if !conntrack::confirm_inner(connection, &mut packet) {
        return context.discard(Of::Connection(connection), Reason::Conntrack, packet);
    }
    packet.forget_tracking();
    match wrap(&context, connection, layer, route, headers, df, packet) {
        Ok(packet) => {
            Verdict::Stolen(packet.send_local(context.rcu, context.net, route, context.ipvs))
        }
        Err(packet) => no_memory(context, connection, packet),
    }
}

/// Pushes all headers. Returns the packet as an error, with some of them, if memory is exhausted.
pub(crate) fn wrap<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    layer: Layer,
    route: &Route,
    headers: u32,
    df: bool,
    packet: Packet,
) -> Result<Roomy, Packet> {
    let mut packet = packet.make_room(headers, route)?;
    match push(context, connection, layer, route, df, &mut packet) {
        Some(()) => Ok(packet),
        None => Err(packet.into_packet()),
    }
}

/// Pushes all headers into the room that was made. Returns `None` if memory is exhausted.
fn push<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    layer: Layer,
    route: &Route,
    df: bool,
    packet: &mut Roomy,
) -> Option<()> {
    let destination = &connection.destination;
    let inner = ipip::number(F::FAMILY);
    if !packet.wrap(layer.wrapping(), route.protocol(), inner) {
        return None;
    }
    if route.protocol() != F::PROTOCOL {
        packet.clear_cb();
    }
    let segments = packet.segments();
    packet.set_transport();
    let protocol = match layer {
        Layer::None => inner,
        Layer::Gre { sum } => {
            let kind = match F::FAMILY {
                AddressFamily::V4 => gre::IPV4,
                AddressFamily::V6 => gre::IPV6,
            };
            packet.push_gre(kind, sum)?;
            gre::PROTOCOL
        }
        Layer::Gue { port, sum, remote } => {
            match remote {
                None => packet.push(&gue::header(inner))?,
                Some((start, field)) => {
                    packet.push(&gue::header_with_remote_checksum(inner, start, field))?;
                    packet.remote_checksum();
                }
            }
            // The source port depends on the flow, so that routers can spread flows.
            let hash = connection.wheel.outward_hash(&context.ipvs.outward);
            let own = tunnel::flow_port(context.net, hash);
            push_udp(route, destination.id.addr, (own, port), sum, packet)?;
            UDP
        }
    };
    let outer = entry::outer(context, protocol);
    entry::write_outer(destination, route, outer, df, segments, packet)
}

/// Pushes a UDP header for a packet to `to`.
fn push_udp(route: &Route, to: Ip, ports: (u16, u16), sum: bool, packet: &mut Roomy) -> Option<()> {
    match to {
        Ip::V4(to) => packet.push_udp(ports, sum, &route.source_v4(), &to),
        Ip::V6(to) => packet.push_udp(ports, sum, &route.source_v6(), &to),
    }
}
