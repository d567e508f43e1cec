// SPDX-License-Identifier: GPL-2.0

//! Encapsulation of packets: outer headers, offloads and sending.
//!
//! C headers: [`include/net/ip_tunnels.h`](srctree/include/net/ip_tunnels.h),
//! [`include/net/gre.h`](srctree/include/net/gre.h)
//!
//! A packet is encapsulated from the inside out:
//!
//! 1. [`Packet::make_room`] makes private headroom and returns a [`Roomy`].
//! 2. [`Roomy::wrap_plain`] or [`Roomy::wrap`] prepares checksum and segmentation offloads.
//! 3. [`Roomy::push`], [`Roomy::push_udp`] and [`Roomy::push_gre`] add headers, the inner one
//!    first.
//! 4. [`Roomy::push_outer`] adds the outer IP header, and [`Roomy::send_local`] sends the packet.
//!
//! The types make step 1 come first. The order of the others is up to the caller, and a wrong one
//! gives a wrong packet but no memory error. C IPVS does the same in `ip_vs_tunnel_xmit()`.
//!
//! The context is that of a netfilter hook: softirq or process context, without sleeping.

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
    Taken, //
};
use crate::bindings;
use core::ops::Deref;
use kernel::prelude::*;

/// Encapsulation, as far as segmentation of a large packet depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// The outer IP header only (IPIP).
    Ip,
    /// GRE.
    Gre {
        /// `true` if the GRE header has a checksum.
        sum: bool,
    },
    /// UDP, that is GUE.
    Udp {
        /// `true` if the outer UDP header has a checksum.
        sum: bool,
        /// `true` if the receiver completes the inner checksum (GUE remote checksum offload).
        remote: bool,
    },
}

impl Wrapping {
    /// Returns the `SKB_GSO_*` bits for an outer header of protocol `outer`, by which the core or a
    /// device knows how to cut the encapsulated packet.
    fn bits(self, outer: Protocol) -> c_int {
        // The type of the outer header, and below that of what follows it. Both are needed to find
        // the inner packet.
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
    /// Returns `true` if nothing is left to a device: the packet is not a GSO packet, and its
    /// transport checksum is complete. Then the cheap [`Roomy::wrap_plain`] does.
    #[inline(always)]
    ///
    /// Most packets are plain. For them encapsulation needs neither GSO types nor inner header
    /// offsets.
    pub(crate) fn is_plain(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_is_plain(self.as_ptr()) }
    }

    /// Returns the number of segments that the packet will be cut into, 1 if it is not a GSO
    /// packet.
    pub(crate) fn segments(&self) -> u16 {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_segments(self.as_ptr()) }
    }

    /// Returns the start of the data that a device is to sum up and the position of the checksum
    /// field, in bytes from the network header. Returns `None` if the transport checksum is
    /// complete.
    pub(crate) fn partial_sum(&self) -> Option<(u16, u16)> {
        // The two fields of the `sk_buff` have a meaning only then.
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

    /// Makes headroom for `len` bytes of headers and for the link-layer header of `route`'s device,
    /// and makes the packet's head private.
    ///
    /// Returns the packet as an error if an allocation fails. May reallocate the buffer.
    ///
    /// The room includes the link-layer header, so that the device does not have to reallocate the
    /// packet a second time.
    #[inline(always)]
    pub(crate) fn make_room(self, len: u32, route: &Route) -> Result<Roomy, Packet> {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        // `route` is borrowed, so the `dst_entry` is alive. No reference to bytes can be held
        // across `self`.
        let made =
            unsafe { bindings::rust_ipvs_helper_skb_make_room(self.as_ptr(), len, route.as_ptr()) };
        // INVARIANT: If the call succeeded, the head is private: it was not cloned, or was copied.
        match made {
            true => Ok(Roomy(self)),
            false => Err(self),
        }
    }
}

/// A packet with private headroom, in which headers may be written.
///
/// # Invariants
///
/// No clone shares the headroom or the head: it was made private in [`Packet::make_room`], no
/// method clones the packet, and none gives a `&mut Packet` away, by which it could be exchanged
/// for another packet.
pub(crate) struct Roomy(Packet);

impl Deref for Roomy {
    type Target = Packet;

    #[inline(always)]
    fn deref(&self) -> &Packet {
        &self.0
    }
}

impl Roomy {
    /// Prepares a [plain](Packet::is_plain) packet for encapsulation: drops the checksum state of
    /// the receiving device, which does not apply to the outer packet.
    ///
    /// Cheaper than [`Roomy::wrap`], which sets inner offsets and a GSO type that a plain packet
    /// does not need.
    #[inline(always)]
    pub(crate) fn wrap_plain(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_wrap_plain(self.as_ptr()) }
    }

    /// Prepares any packet for encapsulation: records the inner headers and sets the GSO type for
    /// `wrapping`. `inner` is the protocol number of the inner packet in the outer header. Returns
    /// `false` if an allocation failed or the packet is encapsulated already.
    pub(crate) fn wrap(&mut self, wrapping: Wrapping, outer: Protocol, inner: u8) -> bool {
        let bits = wrapping.bits(outer);
        // SAFETY: By the type invariant of `Packet` this value owns the `sk_buff`, so the pointer
        // is valid. No reference to bytes can be held across `&mut self`.
        unsafe {
            // It may copy the head of the `sk_buff`, which stays private.
            if bindings::iptunnel_handle_offloads(self.as_ptr(), bits) != 0 {
                return false;
            }
            bindings::rust_ipvs_helper_skb_set_inner(self.as_ptr(), inner);
        }
        true
    }

    /// Takes the inner packet's partial checksum away from the device, because the receiver of the
    /// outer packet completes it (GUE remote checksum offload).
    ///
    /// The packet must have a partial checksum; see [`Packet::partial_sum`].
    pub(crate) fn remote_checksum(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_remote_sum(self.as_ptr()) }
    }

    /// Clears `skb->cb`, in which the stack keeps options of a packet of one family. Needed if the
    /// outer header is of the other family.
    pub(crate) fn clear_cb(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_clear_cb(self.as_ptr()) }
    }

    /// Sets the transport header to the current network header, which becomes the payload of the
    /// outer IP header.
    #[inline(always)]
    pub(crate) fn set_transport(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_transport_is_network(self.as_ptr()) }
    }

    /// Adds bytes in front of the packet. Returns `None`, and changes nothing, if the headroom is
    /// too small.
    pub(crate) fn push<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        // SAFETY: By the type invariant of `Packet` this value owns the `sk_buff`, so the pointer
        // is valid. The headroom was checked, so `start` has `N` bytes, which no clone shares by
        // the type invariant. `bytes` is not part of the buffer, because it is borrowed from
        // elsewhere.
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

    /// Adds a UDP header in front of the packet. `ports` are source and destination, in host order.
    /// `src` and `dst` are the addresses of the outer IP header, 4 or 16 bytes each, for the pseudo
    /// header of the checksum. Without `sum`, the checksum is 0.
    ///
    /// Returns `None` if the headroom is too small or the addresses are not of one family.
    pub(crate) fn push_udp(
        &mut self,
        ports: (u16, u16),
        sum: bool,
        src: &[u8],
        dst: &[u8],
    ) -> Option<()> {
        // A GSO packet may be longer than the field can express. Segmentation writes the real
        // length.
        let length = u16::try_from(self.len().checked_add(8)?).unwrap_or(0);
        let [[s0, s1], [d0, d1], [l0, l1]] = [
            ports.0.to_be_bytes(),
            ports.1.to_be_bytes(),
            length.to_be_bytes(),
        ];
        // Source port, destination port, length and checksum, 16 bits each, in network order.
        self.push(&[s0, s1, d0, d1, l0, l1, 0, 0])?;
        let (skb, length) = (self.as_ptr(), c_int::try_from(self.len()).ok()?);
        // SAFETY: By the type invariant of `Packet` this value owns the `sk_buff`, so the pointer
        // is valid. The transport header is set to the UDP header that was just pushed, whose
        // checksum field the functions fill in. The addresses are on this stack and are read during
        // the calls only.
        unsafe {
            bindings::rust_ipvs_helper_skb_transport_here(skb);
            match (<[u8; 4]>::try_from(src), <[u8; 4]>::try_from(dst)) {
                // Sets the checksum, or leaves a partial one to the device; of a GSO packet, to
                // segmentation.
                (Ok(src), Ok(dst)) => {
                    let (src, dst) = (u32::from_ne_bytes(src), u32::from_ne_bytes(dst));
                    bindings::udp_set_csum(!sum, skb, src, dst, length);
                }
                // Two IPv6 addresses; the conversion fails if they are not.
                _ => {
                    let (src, dst) = (in6(src.try_into().ok()?), in6(dst.try_into().ok()?));
                    bindings::rust_ipvs_helper_udp6_set_csum(!sum, skb, &src, &dst, length);
                }
            }
        }
        Some(())
    }

    /// Adds a GRE header in front of the packet, with a checksum if `sum`. `kind` is the Ethernet
    /// type of the inner packet, in host order. Returns `None` if the headroom is too small.
    ///
    /// The header has neither a key nor a sequence number.
    pub(crate) fn push_gre(&mut self, kind: u16, sum: bool) -> Option<()> {
        // SAFETY: By the type invariant of `Packet` this value owns the `sk_buff`, so the pointer
        // is valid. The headroom was checked, and no clone shares it by the type invariant.
        unsafe {
            let skb = self.as_ptr();
            // Four bytes of flags and type, and four of checksum and reserved bits.
            let length = if sum { 8 } else { 4 };
            if bindings::rust_ipvs_helper_skb_headroom(skb) < length {
                return None;
            }
            bindings::rust_ipvs_helper_skb_push_gre(skb, kind, sum);
        }
        Some(())
    }

    /// Adds `N` bytes for the outer IP header in front of the packet, makes them its network
    /// header, and returns them for writing. They are not initialised to anything useful: the
    /// caller writes each. Returns `None` if the headroom is too small.
    #[inline(always)]
    pub(crate) fn push_outer<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        // SAFETY: By the type invariant of `Packet` this value owns the `sk_buff`, so the pointer
        // is valid. The headroom was checked. The header is in the linear part, whose bytes are
        // initialised memory of the buffer, and no clone shares it by the type invariant. `&mut
        // self` is borrowed for the result.
        unsafe {
            let skb = self.as_ptr();
            if bindings::rust_ipvs_helper_skb_headroom(skb) < N as u32 {
                return None;
            }
            Some(&mut *bindings::rust_ipvs_helper_skb_push_outer(skb, N as u32).cast())
        }
    }

    /// Gives the packet up.
    #[inline(always)]
    pub(crate) fn into_packet(self) -> Packet {
        self.0
    }

    /// Sends an encapsulated packet as a locally generated one (C: `ip_local_out()`), which fills
    /// in the lengths and the IPv4 header checksum. `owner` is as for [`Packet::forward`].
    ///
    /// Passes the LOCAL_OUT hooks, unless those of `owner` are the only ones. The result of sending
    /// is not reported: a packet that is lost is retransmitted by its sender.
    #[inline(always)]
    pub(crate) fn send_local<'g, O>(
        self,
        _rcu: Rcu<'g>,
        net: &Net,
        route: &'g Route,
        owner: &O,
    ) -> Taken {
        let protocol = route.protocol();
        let owner = core::ptr::from_ref(owner).cast();
        let skb = self.0.into_raw();
        // SAFETY: `into_raw` gave up the packet, so it may be given away. The route is attached
        // without a reference: it is borrowed for the read-side critical section in which this call
        // runs, and code that queues the packet for longer takes a reference itself.
        unsafe {
            bindings::rust_ipvs_helper_skb_set_dst_noref(skb, route.as_ptr());
            match protocol {
                Protocol::Ipv4 => bindings::rust_ipvs_helper_local_out_v4(net.as_ptr(), skb, owner),
                Protocol::Ipv6 => bindings::rust_ipvs_helper_local_out_v6(net.as_ptr(), skb, owner),
            };
        }
        Taken::given_away()
    }
}

/// Returns a source port for a flow with the hash `hash`, in host order. It is one of
/// `net.ipv4.ip_local_port_range`, and the same for all packets of the flow, so that routers with
/// equal-cost paths and receive queues keep the flow together.
pub(crate) fn flow_port(net: &Net, hash: u32) -> u16 {
    let (mut low, mut high): (c_int, c_int) = (0, 0);
    // SAFETY: By the type invariant of `Net` the namespace is live. The numbers are on this stack.
    unsafe { bindings::rust_ipvs_helper_local_ports(net.as_ptr(), &raw mut low, &raw mut high) };
    // Scales the hash to the range by multiplication, as `reciprocal_scale()` does, without a
    // division.
    let count = u32::try_from(high.wrapping_sub(low).wrapping_add(1)).unwrap_or(1);
    let offset = (u64::from(hash).wrapping_mul(count.into()) >> 32) as c_int;
    low.wrapping_add(offset) as u16
}
