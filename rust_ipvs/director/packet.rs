// SPDX-License-Identifier: GPL-2.0

//! [`Context`]: what is known of a packet while it is handled.

pub(crate) mod sctp;

use crate::{
    director::{
        conn::{
            Connections,
            InetFamily, //
        },
        netns::NetnsIpvs,
        service::AfState, //
    },
    kapi::{
        net::Net,
        netfilter::Point,
        rcu::Rcu,
        skbuff::Packet, //
    },
    logic::{
        family::Endpoint,
        packet::{
            Header,
            Transport,
            TCP, //
        },
    },
};

/// A packet while it is handled.
///
/// Functions that are inlined where packets pass borrow it, so that the compiler keeps what they
/// need in registers; others take a copy, so that only who calls them pays for one.
#[derive(Clone, Copy)]
pub(crate) struct Context<'g, F: InetFamily> {
    pub(crate) ipvs: &'g NetnsIpvs,
    pub(crate) af: &'g AfState<F>,
    pub(crate) rcu: Rcu<'g>,
    pub(crate) net: &'g Net,
    pub(crate) point: Point,
    pub(crate) header: Header<F>,
    pub(crate) transport: Transport,
    pub(crate) connections: &'g Connections<F>,
    /// True if the packet is an ICMP error, and header and ports those of what it quotes, in the
    /// inverse direction: what the client would have sent (S-28).
    pub(crate) is_inverse: bool,
}

impl<F: InetFamily> Context<'_, F> {
    /// The sender.
    #[inline(always)]
    pub(crate) fn src(&self) -> Endpoint<F> {
        Endpoint {
            addr: self.header.src,
            port: self.transport.src_port,
        }
    }

    /// The addressee.
    #[inline(always)]
    pub(crate) fn dst(&self) -> Endpoint<F> {
        Endpoint {
            addr: self.header.dst,
            port: self.transport.dst_port,
        }
    }

    /// Returns whether the namespace may have one more entry (C-23, S-13).
    pub(crate) fn has_room(&self) -> bool {
        self.ipvs.has_room()
    }

    /// Returns how many bytes from the IP header on are read or written: the fixed transport
    /// header.
    #[inline(always)]
    pub(crate) fn headers(&self) -> usize {
        let transport = if self.header.protocol == TCP { 20 } else { 8 };
        usize::from(self.header.l4).saturating_add(transport)
    }

    /// Routes a packet again whose sender is another now; `false` where it cannot go on.
    ///
    /// It was routed by an address that it does not have any more: rules may say otherwise of the
    /// VIP. Where there are none that ask for the source, the answer would be the same, and
    /// a packet that is being forwarded keeps the route that it has.
    #[inline(always)]
    pub(crate) fn reroute(&self, packet: &mut Packet) -> bool {
        self.point == Point::LocalIn
            || self.ipvs.settings.snat_reroute.load() == 0
            || (self.point == Point::Forward && !Packet::source_matters(self.net, F::PROTOCOL))
            || packet.route_is_local(F::PROTOCOL)
            || packet.reroute(self.net, F::PROTOCOL)
    }
}
