// SPDX-License-Identifier: GPL-2.0

//! [`Context`]: a packet while it is handled, with its headers and the state of its namespace;
//! [`HookCall`]: the part of it that is known before the headers are parsed.
//!
//! This folder may use `conn`, `netns` and `service` of the director's folders.

mod ends;
pub(crate) mod sctp;

pub(crate) use ends::Of;

use crate::{
    director::{
        conn::{
            ConnTable,
            ConnTuple,
            InetFamily, //
        },
        netns::NetnsIpvs,
        service::{
            AfState,
            HasAfState, //
        },
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

/// Call of a hook: namespace, address family and hook point of a packet.
#[derive(Clone, Copy)]
pub(crate) struct HookCall<'g, F: InetFamily> {
    pub(crate) ipvs: &'g NetnsIpvs,
    pub(crate) af: &'g AfState<F>,
    pub(crate) connections: &'g ConnTable<F>,
    pub(crate) rcu: Rcu<'g>,
    pub(crate) net: &'g Net,
    pub(crate) point: Point,
}

impl<'g, F: HasAfState> HookCall<'g, F> {
    /// Creates the value for a packet at `point`. Returns `None` if the family has no connection
    /// table, as it never had a service or a received connection.
    #[inline(always)]
    pub(crate) fn new(
        ipvs: &'g NetnsIpvs,
        rcu: Rcu<'g>,
        net: &'g Net,
        point: Point,
    ) -> Option<Self> {
        let af = ipvs.af_state::<F>();
        Some(Self {
            ipvs,
            af,
            connections: af.connections.as_ref()?,
            rcu,
            net,
            point,
        })
    }
}

/// Packet while it is handled.
///
/// Inlined functions borrow it, so that the compiler keeps its fields in registers. Functions out
/// of line take a copy, so that only their callers pay for one in memory.
#[derive(Clone, Copy)]
pub(crate) struct Context<'g, F: InetFamily> {
    pub(crate) ipvs: &'g NetnsIpvs,
    pub(crate) af: &'g AfState<F>,
    pub(crate) rcu: Rcu<'g>,
    pub(crate) net: &'g Net,
    pub(crate) point: Point,
    pub(crate) header: Header<F>,
    pub(crate) transport: Transport,
    pub(crate) connections: &'g ConnTable<F>,
    /// True if the packet is an ICMP error; `header` and `transport` are then those of the quoted
    /// packet with source and destination exchanged, as in a packet of the client (S-28).
    pub(crate) is_inverse: bool,
}

impl<'g, F: InetFamily> Context<'g, F> {
    /// Creates the context of a packet with its own headers.
    #[inline(always)]
    pub(crate) fn new(call: HookCall<'g, F>, header: Header<F>, transport: Transport) -> Self {
        Self {
            ipvs: call.ipvs,
            af: call.af,
            rcu: call.rcu,
            net: call.net,
            point: call.point,
            header,
            transport,
            connections: call.connections,
            is_inverse: false,
        }
    }

    /// Returns the context of the packet that this one, an ICMP error, quotes. The given headers
    /// are those of the quoted packet with source and destination exchanged.
    pub(crate) fn inverse(&self, header: Header<F>, transport: Transport) -> Self {
        Self {
            header,
            transport,
            is_inverse: true,
            ..*self
        }
    }

    /// Returns the source address and port.
    #[inline(always)]
    pub(crate) fn src(&self) -> Endpoint<F> {
        Endpoint {
            addr: self.header.src,
            port: self.transport.src_port,
        }
    }

    /// Returns the destination address and port.
    #[inline(always)]
    pub(crate) fn dst(&self) -> Endpoint<F> {
        Endpoint {
            addr: self.header.dst,
            port: self.transport.dst_port,
        }
    }

    /// Returns the endpoints of a connection to `dest` that the packet begins as a request.
    #[inline(always)]
    pub(crate) fn tuple(&self, dest: Endpoint<F>) -> ConnTuple<F> {
        ConnTuple {
            client: self.src(),
            vip: self.dst(),
            dest,
        }
    }

    /// Returns whether the namespace may have one more connection (C-23, S-13).
    pub(crate) fn has_room(&self) -> bool {
        self.ipvs.has_room()
    }

    /// Returns the number of bytes from the IP header on that are read or written: up to the end of
    /// the fixed transport header.
    #[inline(always)]
    pub(crate) fn headers(&self) -> usize {
        let transport = if self.header.protocol == TCP { 20 } else { 8 };
        usize::from(self.header.l4).saturating_add(transport)
    }

    /// Routes a packet again after the rewrite of its source (C: `ip_vs_route_me_harder()`).
    /// Returns `false` if the packet has to be dropped.
    ///
    /// The present route was chosen by the real server's address; policy rules may demand another
    /// one for the VIP. A forwarded packet keeps its route if no rule depends on the source.
    #[inline(always)]
    pub(crate) fn reroute(&self, packet: &mut Packet) -> bool {
        self.point == Point::LocalIn
            || self.ipvs.settings.snat_reroute.load() == 0
            || (self.point == Point::Forward && !Packet::source_matters(self.net, F::PROTOCOL))
            || packet.route_is_local(F::PROTOCOL)
            || packet.reroute(self.net, F::PROTOCOL)
    }
}
