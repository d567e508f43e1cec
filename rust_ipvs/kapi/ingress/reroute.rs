// SPDX-License-Identifier: GPL-2.0

//! Routes of forwarded packets whose source is rewritten (C: `ip_route_me_harder()`,
//! `ip6_route_me_harder()`), found before it is.
//!
//! C headers: [`include/net/route.h`](srctree/include/net/route.h),
//! [`include/net/ip6_route.h`](srctree/include/net/ip6_route.h)
//!
//! # Context
//!
//! Any context, in a read-side critical section. Nothing here sleeps.

use crate::{
    bindings,
    kapi::{
        inet::{
            in6,
            Protocol, //
        },
        net::Net,
        route::Route,
        skbuff::Packet, //
    },
};

/// Source that a packet will have, and what rules of routing read beside the addresses.
#[derive(Clone, Copy)]
pub(crate) struct NewSource<A> {
    /// Address, in network order.
    pub(crate) addr: A,
    /// Port, in host order.
    pub(crate) port: u16,
    /// Destination port of the packet, in host order.
    pub(crate) to_port: u16,
    /// Transport protocol.
    pub(crate) protocol: u8,
}

impl Packet {
    /// Returns the route that IPv4 gives this packet, which would be forwarded by `route`, after
    /// its source has become `source`. Does not change the packet, whose header must be linear.
    ///
    /// Returns `None` if there is no such route, if the packet is not simply sent by it, or if
    /// packets that fit it need not fit `route`.
    pub(crate) fn rerouted_v4(
        &self,
        net: &Net,
        route: &Route,
        source: NewSource<[u8; 4]>,
    ) -> Option<Route> {
        // SAFETY: By the type invariant this value owns the `sk_buff`, and by the contract of this
        // method its header is linear. The namespace is live, and the route has a reference to its
        // entry. The helper returns null or a reference to an entry of IPv4.
        unsafe {
            let dst = bindings::rust_ipvs_helper_rerouted_v4(
                net.as_ptr(),
                self.as_ptr(),
                route.as_ptr(),
                source.protocol,
                u32::from_ne_bytes(source.addr),
                source.port.to_be(),
                source.to_port.to_be(),
            );
            Route::of_forwarded(dst, Protocol::Ipv4)
        }
    }

    /// [`Self::rerouted_v4`] for IPv6. Returns `None`, too, if the route is by another device than
    /// `route`.
    pub(crate) fn rerouted_v6(
        &self,
        net: &Net,
        route: &Route,
        source: NewSource<[u8; 16]>,
    ) -> Option<Route> {
        let addr = in6(source.addr);
        // SAFETY: By the type invariant this value owns the `sk_buff`, and by the contract of this
        // method its header is linear. The namespace is live, and the route has a reference to its
        // entry. The address is on this stack and is read during the call only. The helper returns
        // null or a reference to an entry of IPv6.
        unsafe {
            let dst = bindings::rust_ipvs_helper_rerouted_v6(
                net.as_ptr(),
                self.as_ptr(),
                route.as_ptr(),
                source.protocol,
                &addr,
                source.port.to_be(),
                source.to_port.to_be(),
            );
            Route::of_forwarded(dst, Protocol::Ipv6)
        }
    }
}
