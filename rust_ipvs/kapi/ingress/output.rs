// SPDX-License-Identifier: GPL-2.0

//! Output of a packet by its neighbour, without the hooks and checks of IP.
//!
//! C headers: [`include/net/neighbour.h`](srctree/include/net/neighbour.h),
//! [`include/net/arp.h`](srctree/include/net/arp.h)
//!
//! # Context
//!
//! Softirq context, in a read-side critical section, which the caller proves by an [`Rcu`]: a
//! [`Neighbour`] has no reference and is valid for that section. Nothing here sleeps.

use crate::{
    bindings,
    kapi::{
        inet::in6,
        net::Net,
        rcu::Rcu,
        route::Route,
        skbuff::{
            tunnel::Roomy,
            Packet,
            Taken, //
        },
    },
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// Next hop of a packet on a route, whose link-layer address was known when it was looked up.
///
/// Looked up for each packet, without a reference. [`Neighbour::send`] leaves it to the kernel
/// whether the address is still valid (C: `neigh_output()`), which resolves it anew if need be.
///
/// # Invariants
///
/// `neighbour` is of the device of `route` and is not freed during `'g`, a read-side critical
/// section. The route is one of IP without encapsulation or transformation (C: its `output` is
/// `ip_output` or `ip6_output`).
#[derive(Clone, Copy)]
pub(crate) struct Neighbour<'g> {
    neighbour: NonNull<bindings::neighbour>,
    route: &'g Route,
    _rcu: PhantomData<&'g ()>,
}

impl<'g> Neighbour<'g> {
    /// Looks up the next hop of an IPv4 packet to `to`, and makes room for the link-layer header
    /// before the packet. Returns `None` if the next hop is not known, if packets on the route need
    /// more than a link-layer header, or if there is no memory for the room.
    #[inline(always)]
    pub(crate) fn v4(
        _: Rcu<'g>,
        route: &'g Route,
        to: [u8; 4],
        packet: &mut Packet,
    ) -> Option<Self> {
        // SAFETY: The route holds a reference to the entry; the helper returns null if its output
        // function is not that of IPv4. The packet is valid, and no reference to its bytes can be
        // held across `&mut`. The neighbour is looked up under RCU.
        let neighbour = unsafe {
            bindings::rust_ipvs_helper_neighbour_v4(
                packet.as_ptr(),
                route.as_ptr(),
                u32::from_ne_bytes(to),
            )
        };
        Self::adopt(neighbour, route)
    }

    /// Looks up the next hop of an IPv6 packet, as [`Self::v4`] does.
    #[inline(always)]
    pub(crate) fn v6(
        _: Rcu<'g>,
        route: &'g Route,
        to: [u8; 16],
        packet: &mut Packet,
    ) -> Option<Self> {
        let to = in6(to);
        // SAFETY: The route holds a reference to the entry; the helper returns null if its output
        // function is not that of IPv6. The packet is valid, and no reference to its bytes can be
        // held across `&mut`. The neighbour is looked up under RCU. The address is on this stack
        // and is read during the call only.
        let neighbour = unsafe {
            bindings::rust_ipvs_helper_neighbour_v6(packet.as_ptr(), route.as_ptr(), &to)
        };
        Self::adopt(neighbour, route)
    }

    #[inline(always)]
    fn adopt(neighbour: *mut bindings::neighbour, route: &'g Route) -> Option<Self> {
        // INVARIANT: Looked up in the read-side critical section `'g`; the helper has checked the
        // route's output function.
        Some(Self {
            neighbour: NonNull::new(neighbour)?,
            route,
            _rcu: PhantomData,
        })
    }

    /// Sends a packet that is handled as `passage` says, as a forwarder does: a packet of the
    /// route's family at ingress, with a complete network header, and its transport header at
    /// offset `l4`. Counts it as IP would do.
    #[inline(always)]
    pub(crate) fn send(self, net: &Net, packet: Packet, l4: u16, passage: Passage) -> Taken {
        let protocol = self.route.protocol().number();
        let skb = packet.into_raw();
        // SAFETY: `into_raw` gave up the packet. Route and neighbour are valid in this read-side
        // critical section; the route is attached without a reference, and code that queues the
        // packet for longer takes one. The namespace is live by the type invariant of `Net`.
        unsafe {
            bindings::rust_ipvs_helper_skb_send(
                net.as_ptr(),
                skb,
                self.route.as_ptr(),
                self.neighbour.as_ptr(),
                protocol,
                l4.into(),
                passage.received,
                passage.is_forwarded,
            );
        }
        Taken::given_away()
    }

    /// Completes the outer header of an encapsulated packet, and sends it. Its inner packet begins
    /// at offset `inner`.
    #[inline(always)]
    pub(crate) fn send_outer(
        self,
        net: &Net,
        packet: Roomy,
        inner: u16,
        passage: Passage,
    ) -> Taken {
        let protocol = self.route.protocol().number();
        let packet = packet.into_packet();
        // SAFETY: The packet is owned, and begins with the outer header of the route's family. The
        // namespace is live by the type invariant of `Net`.
        unsafe {
            bindings::rust_ipvs_helper_skb_finish_outer(net.as_ptr(), packet.as_ptr(), protocol);
        }
        self.send(net, packet, inner, passage)
    }
}

/// A packet between ingress and output, for the counters of IP.
#[derive(Clone, Copy)]
pub(crate) struct Passage {
    /// Its length in bytes when it was received, padding included.
    pub(crate) received: u32,
    /// True if it counts as forwarded. A request counts as received and sent only.
    pub(crate) is_forwarded: bool,
}
