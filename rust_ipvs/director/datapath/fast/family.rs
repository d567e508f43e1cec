// SPDX-License-Identifier: GPL-2.0

//! [`FastFamily`]: the two address families on the fast path.

use crate::{
    director::service::HasAfState,
    kapi::{
        ingress::{
            Neighbour,
            NewSource, //
        },
        net::Net,
        rcu::Rcu,
        route::Route,
        skbuff::Packet, //
    },
    logic::{
        checksum,
        family::{
            Family,
            V4,
            V6, //
        },
        packet::{
            Fragment,
            Header,
            TCP,
            UDP, //
        },
    },
};

/// Address family on the fast path.
pub(super) trait FastFamily: HasAfState {
    /// Parses the header of a plain TCP or UDP packet: neither options nor extension headers, not a
    /// fragment, a TTL above 1, and whatever else IP checks before it routes a packet.
    fn read_plain(l3: &[u8]) -> Option<Header<Self>>;

    /// Looks up the next hop of a packet to `to`, and makes room for the link-layer header.
    fn neighbour<'g>(
        rcu: Rcu<'g>,
        route: &'g Route,
        to: Self::Addr,
        packet: &mut Packet,
    ) -> Option<Neighbour<'g>>;

    /// Returns the route of a forwarded packet after the rewrite of its source.
    fn rerouted(
        net: &Net,
        route: &Route,
        source: NewSource<Self::Addr>,
        packet: &Packet,
    ) -> Option<Route>;
}

/// Returns whether a header has what both families demand: TCP or UDP, whole, to be forwarded.
#[inline(always)]
fn is_plain<F: Family>(header: &Header<F>) -> bool {
    let is_balanced = header.protocol == TCP || header.protocol == UDP;
    // A length of 0 is that of a GSO packet beyond 64 KiB.
    is_balanced && header.fragment == Fragment::Whole && header.ttl > 1 && header.length != 0
}

impl FastFamily for V4 {
    #[inline(always)]
    fn read_plain(l3: &[u8]) -> Option<Header<Self>> {
        let fixed = l3.first_chunk::<20>()?;
        let [first, ..] = *fixed;
        if first != 0x45 || !checksum::is_right(fixed) {
            return None;
        }
        Self::parse(l3).ok().filter(is_plain)
    }

    #[inline(always)]
    fn neighbour<'g>(
        rcu: Rcu<'g>,
        route: &'g Route,
        to: [u8; 4],
        packet: &mut Packet,
    ) -> Option<Neighbour<'g>> {
        Neighbour::v4(rcu, route, to, packet)
    }

    fn rerouted(
        net: &Net,
        route: &Route,
        source: NewSource<[u8; 4]>,
        packet: &Packet,
    ) -> Option<Route> {
        packet.rerouted_v4(net, route, source)
    }
}

impl FastFamily for V6 {
    #[inline(always)]
    fn read_plain(l3: &[u8]) -> Option<Header<Self>> {
        let [_, _, _, _, _, _, next, ..] = *l3.first_chunk::<40>()?;
        if next != TCP && next != UDP {
            return None;
        }
        Self::parse(l3).ok().filter(is_plain)
    }

    #[inline(always)]
    fn neighbour<'g>(
        rcu: Rcu<'g>,
        route: &'g Route,
        to: [u8; 16],
        packet: &mut Packet,
    ) -> Option<Neighbour<'g>> {
        Neighbour::v6(rcu, route, to, packet)
    }

    fn rerouted(
        net: &Net,
        route: &Route,
        source: NewSource<[u8; 16]>,
        packet: &Packet,
    ) -> Option<Route> {
        packet.rerouted_v6(net, route, source)
    }
}
