// SPDX-License-Identifier: GPL-2.0

//! Packets in packets: room for outer headers, offloads that know of them, and sending.
//!
//! C headers: [`include/net/ip_tunnels.h`](srctree/include/net/ip_tunnels.h),
//! [`include/net/gre.h`](srctree/include/net/gre.h)
//!
//! A packet is wrapped from the inside out: [`Packet::make_room`] gives a [`Roomy`] one, then
//! [`Roomy::wrap_plain`] or [`Roomy::wrap`], then one header after the other, and last
//! [`Roomy::push_outer`].

use super::{
    super::{
        inet::{
            in6,
            Protocol, //
        },
        net::Net,
        rcu::Rcu,
        route::Route,
    },
    Packet,
};
use crate::bindings;
use core::ops::Deref;
use kernel::prelude::*;

/// Encapsulation of the segments of a large packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// Nothing but the outer IP header.
    Ip,
    /// GRE, with a checksum or not.
    Gre {
        /// True if there is one.
        sum: bool,
    },
    /// UDP, with a checksum or not.
    Udp {
        /// True if there is one.
        sum: bool,
        /// True if the receiver completes the inner checksum.
        remote: bool,
    },
}

impl Wrapping {
    /// The kernel's `SKB_GSO_*` bits.
    fn bits(self, outer: Protocol) -> c_int {
        let ip = match outer {
            Protocol::Ipv4 => bindings::SKB_GSO_IPXIP4,
            Protocol::Ipv6 => bindings::SKB_GSO_IPXIP6,
        };
        ip | match self {
            Self::Ip => 0,
            Self::Gre { sum: false } => bindings::SKB_GSO_GRE,
            Self::Gre { sum: true } => bindings::SKB_GSO_GRE_CSUM,
            Self::Udp { sum, remote } => {
                let udp = if sum {
                    bindings::SKB_GSO_UDP_TUNNEL_CSUM
                } else {
                    bindings::SKB_GSO_UDP_TUNNEL
                };
                udp | if remote {
                    bindings::SKB_GSO_TUNNEL_REMCSUM
                } else {
                    0
                }
            }
        }
    }
}

impl Packet {
    /// Returns whether nothing is left to a device: the packet is not to be cut in segments, and
    /// its transport checksum is complete.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_is_plain(self.as_ptr()) }
    }

    /// In how many segments the packet will be cut, 1 for one that is not.
    pub(crate) fn segments(&self) -> u16 {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_segments(self.as_ptr()) }
    }

    /// Returns where the transport checksum that a device is to complete starts, and where its
    /// field is, in bytes from the IP header. Only for a packet that has one.
    pub(crate) fn partial_sum(&self) -> Option<(u16, u16)> {
        if !self.sum_is_partial() {
            return None;
        }
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        let (start, field) = unsafe {
            (
                bindings::rust_ipvs_helper_skb_sum_start(self.as_ptr()),
                bindings::rust_ipvs_helper_skb_sum_field(self.as_ptr()),
            )
        };
        let start = u16::try_from(start).ok()?;
        Some((start, start.checked_add(field)?))
    }

    /// Makes room in front of the packet for `len` bytes of headers and for those of the link that
    /// `route` leaves by; `None`, and the packet is freed, if memory ran out.
    #[inline(always)]
    pub(crate) fn make_room(self, len: u32, route: &Route) -> Option<Roomy> {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; the
        // route is alive. No reference to bytes can be held across `self`.
        let made =
            unsafe { bindings::rust_ipvs_helper_skb_make_room(self.as_ptr(), len, route.as_ptr()) };
        // INVARIANT: The head was made private just now, if it was not.
        made.then_some(Roomy(self))
    }
}

/// A packet in front of which headers may be written.
///
/// # Invariants
///
/// No clone shares the room in front of the packet: it was made private in [`Packet::make_room`],
/// nothing here clones it, and no `&mut Packet` of it is given away, which could be exchanged for
/// another.
pub(crate) struct Roomy(Packet);

impl Deref for Roomy {
    type Target = Packet;

    #[inline(always)]
    fn deref(&self) -> &Packet {
        &self.0
    }
}

impl Roomy {
    /// Readies a plain packet for being wrapped: what a device knew of it is void.
    #[inline(always)]
    pub(crate) fn wrap_plain(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_wrap_plain(self.as_ptr()) }
    }

    /// Readies any packet for being wrapped: devices, and who cuts it in segments, are told what it
    /// will be. `false` where memory ran out.
    pub(crate) fn wrap(&mut self, wrapping: Wrapping, outer: Protocol, inner: u8) -> bool {
        let bits = wrapping.bits(outer);
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe {
            if bindings::iptunnel_handle_offloads(self.as_ptr(), bits) != 0 {
                return false;
            }
            bindings::rust_ipvs_helper_skb_set_inner(self.as_ptr(), inner);
        }
        true
    }

    /// Takes the inner packet's checksum, which its receiver completes, from the device.
    pub(crate) fn remote_checksum(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_remote_sum(self.as_ptr()) }
    }

    /// Forgets what the stack noted of a packet of the one family that is now in one of the other.
    pub(crate) fn clear_cb(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_clear_cb(self.as_ptr()) }
    }

    /// Makes what is now the packet's IP header, or will be behind the outer one, its transport.
    #[inline(always)]
    pub(crate) fn set_transport(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_transport_is_network(self.as_ptr()) }
    }

    /// Adds bytes in front of the packet; `None` if there is not enough room.
    pub(crate) fn push<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        // Where the room is not there, nothing is pushed.
        unsafe {
            let skb = self.as_ptr();
            if bindings::rust_ipvs_helper_skb_headroom(skb) < N as u32 {
                return None;
            }
            let start = bindings::rust_ipvs_helper_skb_push(skb, N as u32);
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), start, N);
        }
        Some(())
    }

    /// Adds a UDP header over all that is there, in a packet that goes from `src` to `dst`, both of
    /// a family. `None` where there is no room, or the families differ.
    pub(crate) fn push_udp(
        &mut self,
        ports: (u16, u16),
        sum: bool,
        src: &[u8],
        dst: &[u8],
    ) -> Option<()> {
        // The length of a packet that is yet to be cut may be more than its header can say.
        let length = u16::try_from(self.len().checked_add(8)?).unwrap_or(0);
        let [[s0, s1], [d0, d1], [l0, l1]] = [
            ports.0.to_be_bytes(),
            ports.1.to_be_bytes(),
            length.to_be_bytes(),
        ];
        self.push(&[s0, s1, d0, d1, l0, l1, 0, 0])?;
        let (skb, length) = (self.as_ptr(), c_int::try_from(self.len()).ok()?);
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid. The
        // transport header is made the UDP header that was just pushed, whose checksum field the
        // functions fill in; the addresses are on this stack.
        unsafe {
            bindings::rust_ipvs_helper_skb_transport_here(skb);
            match (<[u8; 4]>::try_from(src), <[u8; 4]>::try_from(dst)) {
                (Ok(src), Ok(dst)) => {
                    let (src, dst) = (u32::from_ne_bytes(src), u32::from_ne_bytes(dst));
                    bindings::udp_set_csum(!sum, skb, src, dst, length);
                }
                _ => {
                    let (src, dst) = (in6(src.try_into().ok()?), in6(dst.try_into().ok()?));
                    bindings::rust_ipvs_helper_udp6_set_csum(!sum, skb, &src, &dst, length);
                }
            }
        }
        Some(())
    }

    /// Adds a GRE header over all that is there; `kind` is the Ethernet type of the packet. `None`
    /// where there is no room.
    pub(crate) fn push_gre(&mut self, kind: u16, sum: bool) -> Option<()> {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        // Where the room is not there, nothing is pushed.
        unsafe {
            let skb = self.as_ptr();
            let length = if sum { 8 } else { 4 };
            if bindings::rust_ipvs_helper_skb_headroom(skb) < length {
                return None;
            }
            bindings::rust_ipvs_helper_skb_push_gre(skb, kind, sum);
        }
        Some(())
    }

    /// Adds the outer IP header of `N` bytes, to be written; `None` where there is no room.
    #[inline(always)]
    pub(crate) fn push_outer<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        // Nothing is pushed if there is no room; if there is, the header is in the linear part,
        // which nobody else has by the type invariant.
        unsafe {
            let skb = self.as_ptr();
            if bindings::rust_ipvs_helper_skb_headroom(skb) < N as u32 {
                return None;
            }
            Some(&mut *bindings::rust_ipvs_helper_skb_push_outer(skb, N as u32).cast())
        }
    }

    /// Sends a wrapped packet as one of this host's own, with lengths and the header's sum filled
    /// in. `owner` is as for [`Packet::forward`].
    #[inline(always)]
    pub(crate) fn send_local<'g, O>(self, _rcu: Rcu<'g>, net: &Net, route: &'g Route, owner: &O) {
        let protocol = route.protocol();
        let owner = core::ptr::from_ref(owner).cast();
        let skb = self.0.into_raw();
        // SAFETY: As in `forward`.
        unsafe {
            bindings::rust_ipvs_helper_skb_set_dst_noref(skb, route.as_ptr());
            match protocol {
                Protocol::Ipv4 => bindings::rust_ipvs_helper_local_out_v4(net.as_ptr(), skb, owner),
                Protocol::Ipv6 => bindings::rust_ipvs_helper_local_out_v6(net.as_ptr(), skb, owner),
            };
        }
    }
}

/// A port for a flow of which `hash` is a hash: always the same, of those that this host may use.
pub(crate) fn flow_port(net: &Net, hash: u32) -> u16 {
    let (mut low, mut high): (c_int, c_int) = (0, 0);
    // SAFETY: A live namespace; the numbers are on this stack.
    unsafe { bindings::rust_ipvs_helper_local_ports(net.as_ptr(), &raw mut low, &raw mut high) };
    let count = u32::try_from(high.wrapping_sub(low).wrapping_add(1)).unwrap_or(1);
    let offset = (u64::from(hash).wrapping_mul(count.into()) >> 32) as c_int;
    low.wrapping_add(offset) as u16
}
