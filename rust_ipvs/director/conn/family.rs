// SPDX-License-Identifier: GPL-2.0

//! [`InetFamily`]: an address family with its kernel services.

use crate::{
    kapi::{
        net::Net,
        netfilter::Protocol,
        route::{
            Route,
            RouteKind, //
        },
        tcp::Segment,
    },
    logic::{
        family::{
            Family,
            V4,
            V6, //
        },
        icmp::Icmp, //
    },
};

/// Address family with the kernel services that the director needs.
pub(crate) trait InetFamily: Family + Icmp {
    /// The family's netfilter number.
    const PROTOCOL: Protocol;

    /// Returns whether the address is a loopback address.
    fn is_loopback(addr: Self::Addr) -> bool;

    /// Returns whether `net` routes the address as unicast to another host (S-15).
    fn is_elsewhere(net: &Net, addr: Self::Addr) -> bool;

    /// Looks up a route.
    fn route(net: &Net, to: Self::Addr, wanted: RouteKind) -> Option<Route>;

    /// Sends a TCP segment from an address to another, if there is a route. Any context.
    fn send_segment(net: &Net, segment: Segment, from: Self::Addr, to: Self::Addr);
}

impl InetFamily for V4 {
    const PROTOCOL: Protocol = Protocol::Ipv4;

    fn is_loopback(addr: [u8; 4]) -> bool {
        let [first, ..] = addr;
        first == 127
    }

    fn is_elsewhere(net: &Net, addr: [u8; 4]) -> bool {
        net.is_unicast_v4(addr)
    }

    fn route(net: &Net, to: [u8; 4], wanted: RouteKind) -> Option<Route> {
        Route::v4(net, to, wanted)
    }

    fn send_segment(net: &Net, segment: Segment, from: [u8; 4], to: [u8; 4]) {
        segment.send_v4(net, from, to);
    }
}

impl InetFamily for V6 {
    const PROTOCOL: Protocol = Protocol::Ipv6;

    fn is_loopback(addr: [u8; 16]) -> bool {
        addr == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    }

    fn is_elsewhere(net: &Net, addr: [u8; 16]) -> bool {
        net.is_unicast_v6(addr)
    }

    fn route(net: &Net, to: [u8; 16], wanted: RouteKind) -> Option<Route> {
        Route::v6(net, to, wanted)
    }

    fn send_segment(net: &Net, segment: Segment, from: [u8; 16], to: [u8; 16]) {
        segment.send_v6(net, from, to);
    }
}
