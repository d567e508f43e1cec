// SPDX-License-Identifier: GPL-2.0

//! The iptables match `ipvs`, the part of [`NetnsIpvs`] that looks up a packet's connection for it
//! (N-7).

use crate::{
    director::{
        conn::Connection,
        netns::NetnsIpvs,
        service::HasAfState, //
    },
    kapi::{
        conntrack::CtDirection,
        netfilter::Protocol,
        rcu::Rcu,
        skbuff::Packet, //
    },
    logic::{
        family::{
            Endpoint,
            Header,
            V4,
            V6, //
        },
        packet::{
            as_key_exchange,
            Transport,
            SCTP, //
        },
        tracking::AnyEndpoint,
        xt_match::Known, //
    },
};

impl NetnsIpvs {
    /// Returns the properties of the connection of a packet on its way to a destination; `None`
    /// without a connection.
    ///
    /// Looks up the connection of a reply to the packet, as `ipvs_mt()` does.
    pub(crate) fn known(&self, rcu: Rcu<'_>, protocol: Protocol, packet: &Packet) -> Option<Known> {
        match protocol {
            Protocol::Ipv4 => known::<V4>(self, rcu, packet),
            Protocol::Ipv6 => known::<V6>(self, rcu, packet),
        }
    }
}

fn known<F: HasAfState>(ipvs: &NetnsIpvs, rcu: Rcu<'_>, packet: &Packet) -> Option<Known> {
    let connections = ipvs.af_state::<F>().connections.as_ref()?;
    let (header, transport) = read::<F>(packet)?;
    let (src, dst) = (
        Endpoint {
            addr: header.src,
            port: transport.src_port,
        },
        Endpoint {
            addr: header.dst,
            port: transport.dst_port,
        },
    );
    let protocol = header.protocol;
    // The reply goes from the packet's destination to its source.
    let (connection, _) = connections.look_up(rcu, protocol, (dst, src), false).ok()?;
    let tracked = packet.entry();
    Some(Known {
        is_reply: tracked.map(|(_, way)| way.direction() == CtDirection::Reply),
        ..of_connection(rcu, connection)
    })
}

/// Parses the headers, which are in the linear part after a hook has handled the packet.
fn read<F: HasAfState>(packet: &Packet) -> Option<(Header<F>, Transport)> {
    let header = F::parse(packet.bytes()).ok()?;
    if let Some(header) = as_key_exchange(&header) {
        return Some((header, Transport::KEY_EXCHANGE));
    }
    let transport = if header.protocol == SCTP {
        let at = usize::from(header.l4);
        Transport::of_sctp(|offset| packet.copy(at.saturating_add(offset)))?
    } else {
        Transport::parse(header.protocol, packet.bytes(), header.l4).ok()?
    };
    Some((header, transport))
}

fn of_connection<F: HasAfState>(rcu: Rcu<'_>, connection: &Connection<F>) -> Known {
    Known {
        protocol: connection.protocol(),
        vip: AnyEndpoint::of(&connection.vip).addr,
        port: connection.vip.port,
        method: connection.method.0,
        control_port: connection.control(rcu).map(|control| control.vip.port),
        is_reply: None,
    }
}
