// SPDX-License-Identifier: GPL-2.0

//! Packets.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)
//!
//! A [`Packet`] owns its `sk_buff`. Its bytes are reached as slices of what lies in one piece, from
//! the network header on; whoever needs more calls [`Packet::pull`], whoever writes calls
//! [`Packet::writable`]. A reference to bytes borrows the packet, so none can outlive a change of
//! the buffer.

pub(crate) mod tunnel;

use super::{
    inet::{
        Point,
        Protocol, //
    },
    net::Net,
    rcu::Rcu,
    route::Route,
};
use crate::bindings;
use core::{
    mem::ManuallyDrop,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::prelude::*;

/// An owned packet that has a network header.
///
/// # Invariants
///
/// The pointer is to an `sk_buff` that this value owns, whose network header is at or behind its
/// data pointer.
pub(crate) struct Packet(NonNull<bindings::sk_buff>);

/// An error to tell a packet's sender. Types and codes are those of ICMP or ICMPv6, by the packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// Nobody listens on the port.
    Port,
    /// The time to live, or the hop limit, is used up.
    TimeExceeded,
    /// The packet is larger than this many bytes, and may not be cut.
    TooBig(u32),
}

const ICMP_DEST_UNREACH: c_int = 3;
const ICMP_TIME_EXCEEDED: c_int = 11;
const ICMP_PORT_UNREACH: c_int = 3;
const ICMP_FRAG_NEEDED: c_int = 4;
const ICMPV6_DEST_UNREACH: u8 = 1;
const ICMPV6_PKT_TOOBIG: u8 = 2;
const ICMPV6_TIME_EXCEED: u8 = 3;
const ICMPV6_PORT_UNREACH: u8 = 4;

impl Packet {
    /// Takes ownership of a packet from C.
    ///
    /// # Safety
    ///
    /// `skb` must be a valid packet with a network header, owned by the caller.
    #[inline(always)]
    pub(super) unsafe fn from_raw(skb: *mut bindings::sk_buff) -> Self {
        // SAFETY: Valid, so not null.
        // INVARIANT: By the contract of this function.
        Self(unsafe { NonNull::new_unchecked(skb) })
    }

    /// Gives the packet back to C.
    #[inline(always)]
    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).0.as_ptr()
    }

    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *mut bindings::sk_buff {
        self.0.as_ptr()
    }

    /// Length in bytes from the network header's place on: what the network layer counts.
    #[inline(always)]
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { (*self.as_ptr()).len }
    }

    /// The firewall mark.
    #[inline(always)]
    pub(crate) fn mark(&self) -> u32 {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_mark(self.as_ptr()) }
    }

    /// Returns whether a load balancer has handled the packet already.
    #[inline(always)]
    pub(crate) fn is_handled(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_ipvs_property(self.as_ptr()) }
    }

    /// Marks the packet as handled by a load balancer.
    #[inline(always)]
    pub(crate) fn set_handled(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_set_ipvs_property(self.as_ptr()) }
    }

    /// Returns whether the link layer addressed the packet to this host.
    #[inline(always)]
    pub(crate) fn is_to_host(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_to_host(self.as_ptr()) }
    }

    /// Returns whether the packet has a route.
    #[inline(always)]
    pub(crate) fn has_route(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_has_dst(self.as_ptr()) }
    }

    /// Returns whether the packet's route, which it must have, is to this host.
    #[inline(always)]
    pub(crate) fn route_is_local(&self, protocol: Protocol) -> bool {
        self.has_route()
            // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid;
            // it has a route.
            && unsafe {
                bindings::rust_ipvs_helper_skb_route_is_local(self.as_ptr(), protocol.number())
            }
    }

    /// Returns whether the packet comes from this host: it has not come by a device, or by a
    /// loopback one.
    #[inline(always)]
    pub(crate) fn is_from_here(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_from_here(self.as_ptr()) }
    }

    /// Returns whether an IPv4 socket sent the packet that forbade its defragmentation.
    pub(crate) fn is_raw(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_nodefrag(self.as_ptr()) }
    }

    /// The bytes from the network header on that lie in one piece.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid. The
        // header is inside the linear part or at its end by the type invariant, and the length is
        // what remains of that part.
        unsafe {
            let len = bindings::rust_ipvs_helper_skb_l3_len(self.as_ptr());
            let len = if len > 0 { len as usize } else { 0 };
            core::slice::from_raw_parts(bindings::rust_ipvs_helper_skb_l3(self.as_ptr()), len)
        }
    }

    /// `N` bytes at an offset from the network header, wherever they lie; `None` where the packet
    /// is shorter.
    pub(crate) fn copy<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let (at, len) = (c_int::try_from(at).ok()?, c_int::try_from(N).ok()?);
        let mut bytes = [0; N];
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; the
        // buffer has so many bytes.
        let error = unsafe {
            let start = bindings::rust_ipvs_helper_skb_l3_offset(self.as_ptr());
            let at = start.checked_add(at)?;
            bindings::skb_copy_bits(self.as_ptr(), at, bytes.as_mut_ptr().cast(), len)
        };
        (error == 0).then_some(bytes)
    }

    /// Makes the first `len` bytes from the network header on lie in one piece; `false` where the
    /// packet is shorter, or memory ran out.
    #[inline]
    pub(crate) fn pull(&mut self, len: usize) -> bool {
        let Ok(len) = u32::try_from(len) else {
            return false;
        };
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; no
        // reference to bytes can be held across `&mut self`.
        len <= self.len() && unsafe { bindings::rust_ipvs_helper_skb_pull_l3(self.as_ptr(), len) }
    }

    /// Makes at least `len` bytes lie in one piece, as [`Packet::pull`] does, and more if there are
    /// more: twice as many as do now. So who reads one header after the other asks
    /// [`Packet::READS`] times at most.
    pub(crate) fn pull_more(&mut self, len: usize) -> bool {
        let twice = self.bytes().len().saturating_mul(2);
        let all = usize::try_from(self.len()).unwrap_or(usize::MAX);
        self.pull(len.max(twice.min(all)))
    }

    /// Number of times that [`Packet::pull_more`] can find more of a packet of 64 KiB.
    pub(crate) const READS: usize = 16;

    /// The most that [`Packet::writable`] returns: more bytes than any header ends at.
    const MOST_WRITABLE: usize = 1 << 24;

    /// The first `len` bytes from the network header on, to be written: in one piece, and shared
    /// with no other packet. `None` if the packet is shorter, memory ran out, or `len` is more than
    /// [`Packet::MOST_WRITABLE`].
    #[inline(always)]
    pub(crate) fn writable(&mut self, len: usize) -> Option<&mut [u8]> {
        // Most callers' lengths are known to be small, so that this is no question to them.
        if len > Self::MOST_WRITABLE {
            return None;
        }
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; no
        // reference to bytes can be held across `&mut self`. The length and the offset of the
        // network header, which is in the linear part, are less than 2^32 together.
        if !unsafe { bindings::rust_ipvs_helper_skb_writable_l3(self.as_ptr(), len as u32) } {
            return None;
        }
        // SAFETY: So many bytes are in the linear part now, and nobody else has them.
        Some(unsafe {
            core::slice::from_raw_parts_mut(bindings::rust_ipvs_helper_skb_l3(self.as_ptr()), len)
        })
    }

    /// The whole packet from the network header on, and `extra` zeros that are not part of it, to
    /// be written: in one piece, and shared with no other packet. `None` where memory ran out.
    /// [`Packet::set_len`] says what of it the packet is.
    pub(crate) fn writable_with_room(&mut self, extra: usize) -> Option<&mut [u8]> {
        let room = u32::try_from(extra).ok()?;
        let len = (self.len() as usize).checked_add(extra)?;
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; no
        // reference to bytes can be held across `&mut self`.
        if !unsafe { bindings::rust_ipvs_helper_skb_add_room(self.as_ptr(), room) } {
            return None;
        }
        // SAFETY: So many bytes are in the linear part and behind it now, all initialised, and
        // nobody else has them.
        Some(unsafe {
            core::slice::from_raw_parts_mut(bindings::rust_ipvs_helper_skb_l3(self.as_ptr()), len)
        })
    }

    /// Makes a packet that lies in one piece shorter, or longer by some of the room behind it;
    /// `false` where there is less.
    pub(crate) fn set_len(&mut self, len: usize) -> bool {
        let Ok(len) = u32::try_from(len) else {
            return false;
        };
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        // What is behind a packet is memory of the buffer, which nothing but bytes is in.
        unsafe { bindings::rust_ipvs_helper_skb_set_len(self.as_ptr(), len) }
    }

    /// Returns whether the device, or somebody later, completes the transport checksum.
    #[inline(always)]
    pub(crate) fn sum_is_partial(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_partial(self.as_ptr()) }
    }

    /// Says that bytes changed: a sum over the whole packet that a device gave is void.
    #[inline(always)]
    pub(crate) fn sum_changed(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_sum_changed(self.as_ptr()) }
    }

    /// Returns whether the checksum of the ICMP or ICMPv6 message at offset `at` is right. It is
    /// taken for right where this host sent the packet, or a device has looked at it.
    pub(crate) fn message_sum_is_right(&mut self, protocol: Protocol, at: u16) -> bool {
        let (skb, at) = (self.as_ptr(), u32::from(at));
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; no
        // reference to bytes can be held across `&mut self`.
        unsafe {
            bindings::rust_ipvs_helper_skb_sum_unneeded(skb)
                || match protocol {
                    // Not by `nf_checksum()`, which counts on a right IP header checksum: after the
                    // kernel has written into options, the header has a wrong one.
                    Protocol::Ipv4 => bindings::rust_ipvs_helper_skb_sums_to_zero(skb, at),
                    Protocol::Ipv6 => {
                        let (point, number) = (Point::LocalIn.number(), bindings::IPPROTO_ICMPV6);
                        let family = bindings::AF_INET6 as u16;
                        bindings::nf_checksum(skb, point, at, number as u8, family) == 0
                    }
                }
        }
    }

    /// Returns whether the packet fits in `mtu` bytes, or will be cut in segments that do.
    #[inline]
    pub(crate) fn fits(&self, mtu: u32) -> bool {
        self.len() <= mtu
            // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
            || unsafe {
                bindings::rust_ipvs_helper_skb_is_gso(self.as_ptr())
                    && bindings::rust_ipvs_helper_skb_gso_fits(self.as_ptr(), mtu)
            }
    }

    /// The largest fragment that the packet was put together from, 0 where it was not (IPv6).
    pub(crate) fn largest_fragment(&self, protocol: Protocol) -> u32 {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_frag_max(self.as_ptr(), protocol.number()) }
    }

    /// Takes the packet from the socket that it was found to be for before it was changed. A socket
    /// of this host that sends it stays its owner.
    pub(crate) fn orphan(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_orphan(self.as_ptr()) }
    }

    /// Tells the sender what happened to the packet. The packet must have a route.
    pub(crate) fn send_error(&mut self, protocol: Protocol, error: Unreachable) {
        match protocol {
            Protocol::Ipv4 => {
                let (kind, code, info) = match error {
                    Unreachable::Port => (ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0),
                    Unreachable::TimeExceeded => (ICMP_TIME_EXCEEDED, 0, 0),
                    Unreachable::TooBig(mtu) => (ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu),
                };
                // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is
                // valid; it begins with an IPv4 header as the caller says.
                unsafe { bindings::rust_ipvs_helper_icmp_send(self.as_ptr(), kind, code, info) }
            }
            Protocol::Ipv6 => {
                let (kind, code, info) = match error {
                    Unreachable::Port => (ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0),
                    Unreachable::TimeExceeded => (ICMPV6_TIME_EXCEED, 0, 0),
                    Unreachable::TooBig(mtu) => (ICMPV6_PKT_TOOBIG, 0, mtu),
                };
                // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is
                // valid; it begins with an IPv6 header as the caller says.
                unsafe { bindings::rust_ipvs_helper_icmpv6_send(self.as_ptr(), kind, code, info) }
            }
        }
    }

    /// Sends an ICMP message about an IPv4 packet to its sender; `info` is the last word of its
    /// header.
    pub(crate) fn send_icmp(&mut self, kind: u8, code: u8, info: u32) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; it
        // begins with an IPv4 header as the caller says.
        unsafe {
            bindings::rust_ipvs_helper_icmp_send(self.as_ptr(), kind.into(), code.into(), info)
        }
    }

    /// Cuts off the first `len` bytes, so that the packet begins with what follows; `false` where
    /// it is shorter, or memory ran out.
    pub(crate) fn strip(&mut self, len: usize) -> bool {
        let Ok(len) = u32::try_from(len) else {
            return false;
        };
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; no
        // reference to bytes can be held across `&mut self`.
        len <= self.len() && unsafe { bindings::rust_ipvs_helper_skb_strip(self.as_ptr(), len) }
    }

    /// Takes note of the largest packet, in bytes, that the way takes which this packet, an IPv4
    /// one of this host that was quoted to it, has gone.
    pub(crate) fn update_path_mtu(&mut self, net: &Net, mtu: u32) {
        if self.pull(20) {
            // SAFETY: Owned, and it begins with an IPv4 header that lies in one piece.
            unsafe { bindings::ipv4_update_pmtu(self.as_ptr(), net.as_ptr(), mtu, 0, 0) }
        }
    }

    /// Tells the packet's route that its link failed, which tells the sender.
    pub(crate) fn link_failure(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_link_failure(self.as_ptr()) }
    }

    /// Tells the socket that sent the packet from here what its route takes, in bytes.
    pub(crate) fn update_pmtu(&mut self, mtu: u32) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_update_pmtu(self.as_ptr(), mtu) }
    }

    /// Sends the packet on `route`, past the hooks of locally sent packets, as a forwarder does.
    ///
    /// `owner` is the owner of [`Hooks`](super::netfilter::Hooks) that accept what they are given.
    /// Where no other hooks are there, none is called.
    #[inline(always)]
    pub(crate) fn forward<'g, O>(self, _rcu: Rcu<'g>, net: &Net, route: &'g Route, owner: &O) {
        let protocol = route.protocol();
        let owner = ptr::from_ref(owner).cast();
        let skb = self.into_raw();
        // SAFETY: The packet is ours to give away. The route is borrowed without a reference for
        // the read-side critical section in which this call runs; what queues the packet for
        // longer takes a reference itself.
        unsafe {
            bindings::rust_ipvs_helper_skb_set_dst_noref(skb, route.as_ptr());
            bindings::rust_ipvs_helper_skb_forwardable(skb);
            match protocol {
                Protocol::Ipv4 => bindings::rust_ipvs_helper_output_v4(net.as_ptr(), skb, owner),
                Protocol::Ipv6 => bindings::rust_ipvs_helper_output_v6(net.as_ptr(), skb, owner),
            }
        }
    }

    /// Sends the packet as [`Packet::forward`] does, on a route that nobody else keeps.
    pub(crate) fn forward_owned<O>(self, net: &Net, route: Route, owner: &O) {
        let protocol = route.protocol();
        let owner = ptr::from_ref(owner).cast();
        let skb = self.into_raw();
        // SAFETY: The packet is ours to give away, and takes over the route's reference.
        unsafe {
            bindings::rust_ipvs_helper_skb_set_dst(skb, route.into_raw());
            bindings::rust_ipvs_helper_skb_forwardable(skb);
            match protocol {
                Protocol::Ipv4 => bindings::rust_ipvs_helper_output_v4(net.as_ptr(), skb, owner),
                Protocol::Ipv6 => bindings::rust_ipvs_helper_output_v6(net.as_ptr(), skb, owner),
            }
        }
    }

    /// Looks the route up again, as for a packet of this host with the packet's new addresses.
    pub(crate) fn reroute(&mut self, net: &Net, protocol: Protocol) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; it
        // begins with a header of the protocol.
        let error = unsafe {
            match protocol {
                Protocol::Ipv4 => {
                    bindings::rust_ipvs_helper_me_harder_v4(net.as_ptr(), self.as_ptr())
                }
                Protocol::Ipv6 => {
                    bindings::rust_ipvs_helper_me_harder_v6(net.as_ptr(), self.as_ptr())
                }
            }
        };
        error == 0
    }

    /// Returns whether a packet with another source address might get another route than it has:
    /// some rule or policy of the namespace may look at the source.
    #[inline(always)]
    pub(crate) fn source_matters(net: &Net, protocol: Protocol) -> bool {
        // SAFETY: A `&Net` is to a live `struct net`, by its type invariant.
        unsafe { bindings::rust_ipvs_helper_source_matters(net.as_ptr(), protocol.number()) }
    }

    /// Puts fragments together: the whole packet, or `None` where this was not the last piece, or
    /// one of no use.
    ///
    /// What IPv6 has for a fragment and cannot be one comes back as it is.
    pub(crate) fn defragment(self, net: &Net, protocol: Protocol, point: Point) -> Option<Self> {
        let (skb, net, point) = (self.into_raw(), net.as_ptr(), point.number());
        // SAFETY: Ours to give away; where the call fails, it has taken the fragment.
        let error = unsafe {
            match protocol {
                Protocol::Ipv4 => bindings::rust_ipvs_helper_ip_defrag(net, skb, point),
                Protocol::Ipv6 => bindings::rust_ipvs_helper_ip6_defrag(net, skb, point),
            }
        };
        // SAFETY: Where it succeeds, the packet is ours again.
        (error == 0).then(|| unsafe { Self::from_raw(skb) })
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_kfree_skb(self.0.as_ptr()) }
    }
}
