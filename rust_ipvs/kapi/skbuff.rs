// SPDX-License-Identifier: GPL-2.0

//! Packets (C: `struct sk_buff`).
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)
//!
//! A [`Packet`] owns its `sk_buff`. Its bytes are accessible as slices of the linear part, from the
//! network header on. [`Packet::pull`] extends the linear part, [`Packet::writable`] makes it
//! private. A slice borrows the packet, so it cannot be used after a call that may reallocate the
//! buffer.
//!
//! Offsets and lengths are in bytes and count from the network header, not from `skb->data`: the
//! two are the same in the hooks of this module, but a packet of an outer caller may differ.
//!
//! All methods may be called in softirq context and do not sleep. None takes a lock of this module.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::skbuff::Packet;
//! /// Decrements the TTL of an IPv4 packet. The header's checksum is left to the reader.
//! fn dec_ttl(packet: &mut Packet) -> Option<u8> {
//!     if !packet.pull(20) {
//!         return None;
//!     }
//!     // The slice is private: no clone of the packet sees what is written here.
//!     let header = packet.writable(20)?;
//!     let ttl = header.get_mut(8)?;
//!     *ttl = ttl.checked_sub(1)?;
//!     let left = *ttl;
//!     packet.sum_changed();
//!     Some(left)
//! }
//! # fn example(mut packet: Packet) -> Result {
//! # let _ = dec_ttl(&mut packet);
//! # Ok(())
//! # }
//! ```

mod discard;
mod end;
mod icmp;
pub(crate) mod tunnel;

pub(crate) use end::{
    DropReason,
    Taken, //
};
pub(crate) use icmp::Unreachable;

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

/// An owned packet with a network header. Dropping it frees the packet (C: `kfree_skb()`).
///
/// # Invariants
///
/// The pointer is to a valid `sk_buff` that this value owns, whose network header is in the linear
/// part or at its end, at or behind the data pointer.
pub(crate) struct Packet(NonNull<bindings::sk_buff>);

impl Packet {
    /// Takes the ownership of a packet from C.
    ///
    /// # Safety
    ///
    /// `skb` must be a valid packet with a network header in its linear part. The caller must own
    /// it and must not use it any more.
    #[inline(always)]
    pub(super) unsafe fn from_raw(skb: *mut bindings::sk_buff) -> Self {
        // SAFETY: By the contract of this function `skb` is valid, so it is not null.
        // INVARIANT: By the contract of this function `skb` has a network header and its ownership
        // passes to this value.
        Self(unsafe { NonNull::new_unchecked(skb) })
    }

    /// Converts the packet into a pointer; the caller then owns it.
    #[inline(always)]
    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// Returns the C structure. The packet keeps its ownership.
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *mut bindings::sk_buff {
        self.0.as_ptr()
    }

    /// Returns `skb->len`: the length in bytes from the network header to the end of the data,
    /// including pages and fragments.
    #[inline(always)]
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { (*self.as_ptr()).len }
    }

    /// Returns the firewall mark (C: `skb->mark`).
    #[inline(always)]
    pub(crate) fn mark(&self) -> u32 {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_mark(self.as_ptr()) }
    }

    /// Returns `true` if a load balancer has processed the packet (C: `skb->ipvs_property`). Hooks
    /// skip such packets.
    ///
    /// The mark is per packet and is cleared when the packet enters another namespace.
    #[inline(always)]
    pub(crate) fn is_handled(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_ipvs_property(self.as_ptr()) }
    }

    /// Marks the packet as processed by a load balancer, so that the hooks that it passes later
    /// skip it.
    #[inline(always)]
    pub(crate) fn set_handled(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_set_ipvs_property(self.as_ptr()) }
    }

    /// Returns `true` if the link layer addressed the packet to this host (C: `PACKET_HOST`), not
    /// to a group or to another host.
    #[inline(always)]
    pub(crate) fn is_to_host(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_to_host(self.as_ptr()) }
    }

    /// Returns `true` if the packet has a route (C: `skb_dst()`).
    #[inline(always)]
    pub(crate) fn has_route(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_has_dst(self.as_ptr()) }
    }

    /// Returns `true` if the packet has a route and its destination is this host.
    #[inline(always)]
    pub(crate) fn route_is_local(&self, protocol: Protocol) -> bool {
        self.has_route()
            // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
            // The first operand has checked that it has a route.
            && unsafe {
                bindings::rust_ipvs_helper_skb_route_is_local(self.as_ptr(), protocol.number())
            }
    }

    /// Returns `true` if this host sent the packet: it has no incoming device, or a loopback one.
    #[inline(always)]
    pub(crate) fn is_from_here(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_from_here(self.as_ptr()) }
    }

    /// Returns `true` if the packet was sent by an IPv4 socket with `IP_NODEFRAG`, such as a raw
    /// one, whose fragments must not be reassembled.
    pub(crate) fn is_raw(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_nodefrag(self.as_ptr()) }
    }

    /// Returns the bytes of the linear part, from the network header on.
    ///
    /// The slice may be shorter than the packet, and may be empty. What it holds came from the
    /// network: no length in it can be trusted.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid, and
        // the header is inside the linear part or at its end. The length is what remains of that
        // part, which is initialised. `&self` is borrowed for the slice, and all methods that
        // reallocate or write the buffer take `&mut self`.
        unsafe {
            let len = bindings::rust_ipvs_helper_skb_l3_len(self.as_ptr());
            // The network header may be behind the linear part's end if only pages have data; then
            // there are no bytes.
            let len = if len > 0 { len as usize } else { 0 };
            core::slice::from_raw_parts(bindings::rust_ipvs_helper_skb_l3(self.as_ptr()), len)
        }
    }

    /// Copies `N` bytes at an offset from the network header, whether or not they are in the linear
    /// part. Returns `None` if the packet is too short. Does not change the packet.
    pub(crate) fn copy<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let (at, len) = (c_int::try_from(at).ok()?, c_int::try_from(N).ok()?);
        let mut bytes = [0; N];
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        // `bytes` has room for `len` bytes. `skb_copy_bits()` checks the offset against the
        // packet's length.
        let error = unsafe {
            // `skb_copy_bits()` counts from the data pointer.
            let start = bindings::rust_ipvs_helper_skb_l3_offset(self.as_ptr());
            let at = start.checked_add(at)?;
            bindings::skb_copy_bits(self.as_ptr(), at, bytes.as_mut_ptr().cast(), len)
        };
        (error == 0).then_some(bytes)
    }

    /// Makes the first `len` bytes part of the linear part (C: `pskb_may_pull()`).
    ///
    /// Returns `false` if the packet is shorter or the allocation failed; the packet stays valid
    /// then. May reallocate the buffer.
    #[inline]
    pub(crate) fn pull(&mut self, len: usize) -> bool {
        let Ok(len) = u32::try_from(len) else {
            return false;
        };
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; no
        // reference to bytes can be held across `&mut self`.
        len <= self.len() && unsafe { bindings::rust_ipvs_helper_skb_pull_l3(self.as_ptr(), len) }
    }

    /// Makes at least `len` bytes linear, as [`Packet::pull`] does, and more if there are more:
    /// twice the current number. A caller that parses one header after the other thus needs
    /// [`Packet::READS`] calls at most, even for a chain of small extension headers.
    pub(crate) fn pull_more(&mut self, len: usize) -> bool {
        let twice = self.bytes().len().saturating_mul(2);
        let all = usize::try_from(self.len()).unwrap_or(usize::MAX);
        self.pull(len.max(twice.min(all)))
    }

    /// Maximum number of calls of [`Packet::pull_more`] that find more of a packet of 64 KiB: the
    /// linear part doubles with each.
    pub(crate) const READS: usize = 16;

    /// Limit of [`Packet::writable`] in bytes. Larger than the end of any header.
    const MOST_WRITABLE: usize = 1 << 24;

    /// Returns the first `len` bytes for writing (C: `skb_ensure_writable()`): linear, and not
    /// shared with a clone.
    ///
    /// Returns `None` if the packet is shorter, an allocation failed, or `len` is more than
    /// [`Packet::MOST_WRITABLE`]. May reallocate the buffer. Checksums are the caller's business.
    #[inline(always)]
    pub(crate) fn writable(&mut self, len: usize) -> Option<&mut [u8]> {
        // Constant in most callers, so the compiler removes the check.
        if len > Self::MOST_WRITABLE {
            return None;
        }
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; no
        // reference to bytes can be held across `&mut self`. The sum of the length and the offset
        // of the network header, which is in the linear part, does not overflow 32 bits.
        if !unsafe { bindings::rust_ipvs_helper_skb_writable_l3(self.as_ptr(), len as u32) } {
            return None;
        }
        // SAFETY: The helper has made `len` bytes from the network header on linear and private,
        // and `&mut self` is borrowed for the slice.
        Some(unsafe {
            core::slice::from_raw_parts_mut(bindings::rust_ipvs_helper_skb_l3(self.as_ptr()), len)
        })
    }

    /// Returns the whole packet from the network header on, with `extra` zero bytes behind its end,
    /// for writing: linear, and not shared with a clone.
    ///
    /// The length of the packet does not change; [`Packet::set_len`] sets it after the caller has
    /// written. Returns `None` if an allocation failed. FTP commands are rewritten this way, which
    /// may grow them.
    pub(crate) fn writable_with_room(&mut self, extra: usize) -> Option<&mut [u8]> {
        let tail = u32::try_from(extra).ok()?;
        let len = (self.len() as usize).checked_add(extra)?;
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; no
        // reference to bytes can be held across `&mut self`.
        if !unsafe { bindings::rust_ipvs_helper_skb_add_room(self.as_ptr(), tail) } {
            return None;
        }
        // SAFETY: The helper has made the packet linear and private, with `extra` bytes of
        // initialised tail room, so `len` bytes from the network header on are valid. `&mut self`
        // is borrowed for the slice.
        Some(unsafe {
            core::slice::from_raw_parts_mut(bindings::rust_ipvs_helper_skb_l3(self.as_ptr()), len)
        })
    }

    /// Sets the length of a linear packet, which may grow into its tail room. Returns `false`, and
    /// changes nothing, if that is too small.
    pub(crate) fn set_len(&mut self, len: usize) -> bool {
        let Ok(len) = u32::try_from(len) else {
            return false;
        };
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid. The
        // helper checks the length against the buffer. Tail room holds bytes only, for which any
        // value is valid.
        unsafe { bindings::rust_ipvs_helper_skb_set_len(self.as_ptr(), len) }
    }

    /// Returns `true` if the transport checksum is left to the device (C: `CHECKSUM_PARTIAL`): the
    /// field holds the sum of the pseudo header.
    #[inline(always)]
    pub(crate) fn sum_is_partial(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_partial(self.as_ptr()) }
    }

    /// Invalidates the checksum of the whole packet that the receiving device computed (C:
    /// `CHECKSUM_COMPLETE`). Called after bytes were changed.
    #[inline(always)]
    pub(crate) fn sum_changed(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_sum_changed(self.as_ptr()) }
    }

    /// Returns `true` if the checksum of the ICMP or ICMPv6 message at offset `at` is correct, or
    /// need not be verified because this host sent the packet or the device verified it.
    ///
    /// Reads the whole message, so its cost grows with the message's length.
    pub(crate) fn message_sum_is_right(&mut self, protocol: Protocol, at: u16) -> bool {
        let (skb, at) = (self.as_ptr(), u32::from(at));
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; no
        // reference to bytes can be held across `&mut self`.
        unsafe {
            bindings::rust_ipvs_helper_skb_sum_unneeded(skb)
                || match protocol {
                    // Not by `nf_checksum()`, which relies on a correct IP header checksum. The
                    // kernel does not update that after it has written timestamps into IP options.
                    Protocol::Ipv4 => bindings::rust_ipvs_helper_skb_sums_to_zero(skb, at),
                    Protocol::Ipv6 => {
                        let (point, number) = (Point::LocalIn.number(), bindings::IPPROTO_ICMPV6);
                        let family = bindings::AF_INET6 as u16;
                        bindings::nf_checksum(skb, point, at, number as u8, family) == 0
                    }
                }
        }
    }

    /// Returns `true` if the packet fits in `mtu` bytes, or is a GSO packet whose segments do.
    ///
    /// The MTU is that of the route the packet will take. A GSO packet is cut by the device or,
    /// right before it, in software.
    #[inline]
    pub(crate) fn fits(&self, mtu: u32) -> bool {
        self.len() <= mtu
            // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
            || unsafe {
                bindings::rust_ipvs_helper_skb_is_gso(self.as_ptr())
                    && bindings::rust_ipvs_helper_skb_gso_fits(self.as_ptr(), mtu)
            }
    }

    /// Returns the length of the largest fragment that the packet was reassembled from, in bytes; 0
    /// if it was not reassembled. Forwarding must not send larger ones (IPv6).
    pub(crate) fn largest_fragment(&self, protocol: Protocol) -> u32 {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_frag_max(self.as_ptr(), protocol.number()) }
    }

    /// Detaches the packet from the socket that early demultiplexing found for its old addresses
    /// (C: `skb_orphan()`). A local socket that sends the packet stays its owner, because it is
    /// charged for the memory.
    pub(crate) fn orphan(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_orphan(self.as_ptr()) }
    }

    /// Reports a link failure to the packet's route (C: `dst_link_failure()`), which sends an error
    /// to the sender.
    ///
    /// For IPv4 and IPv6 alike that is a "host unreachable" or "address unreachable" error.
    pub(crate) fn link_failure(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_link_failure(self.as_ptr()) }
    }

    /// Reports a path MTU of `mtu` bytes to the local socket that sent the packet, by way of the
    /// packet's route.
    pub(crate) fn update_pmtu(&mut self, mtu: u32) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_update_pmtu(self.as_ptr(), mtu) }
    }

    /// Sends the packet on `route`, through the LOCAL_OUT hooks, as a forwarder does: checksums of
    /// a receiving device are dropped, and the packet may be forwarded.
    ///
    /// `owner` is the owner of the [`Hooks`](super::netfilter::Hooks) of this module, which accept
    /// any packet from here. If no others are registered, the packet bypasses the hooks.
    #[inline(always)]
    pub(crate) fn forward<'g, O>(
        self,
        _rcu: Rcu<'g>,
        net: &Net,
        route: &'g Route,
        owner: &O,
    ) -> Taken {
        let protocol = route.protocol();
        let owner = ptr::from_ref(owner).cast();
        let skb = self.into_raw();
        // SAFETY: `into_raw` gave up the packet, so it may be given away. The route is attached
        // without a reference: it is borrowed for the read-side critical section in which this call
        // runs, and code that queues the packet for longer takes a reference itself.
        unsafe {
            bindings::rust_ipvs_helper_skb_set_dst_noref(skb, route.as_ptr());
            bindings::rust_ipvs_helper_skb_forwardable(skb);
            match protocol {
                Protocol::Ipv4 => bindings::rust_ipvs_helper_output_v4(net.as_ptr(), skb, owner),
                Protocol::Ipv6 => bindings::rust_ipvs_helper_output_v6(net.as_ptr(), skb, owner),
            }
        }
        Taken::given_away()
    }

    /// Sends the packet as [`Packet::forward`] does, on a route that is not cached. The packet
    /// takes over the route's reference.
    ///
    /// The caller needs no read-side critical section, because the packet owns the reference.
    pub(crate) fn forward_owned<O>(self, net: &Net, route: Route, owner: &O) -> Taken {
        let protocol = route.protocol();
        let owner = ptr::from_ref(owner).cast();
        let skb = self.into_raw();
        // SAFETY: `into_raw` gave up the packet, so it may be given away. It takes over the
        // reference that `Route::into_raw` gave up, so the route lives as long as the packet.
        unsafe {
            bindings::rust_ipvs_helper_skb_set_dst(skb, route.into_raw());
            bindings::rust_ipvs_helper_skb_forwardable(skb);
            match protocol {
                Protocol::Ipv4 => bindings::rust_ipvs_helper_output_v4(net.as_ptr(), skb, owner),
                Protocol::Ipv6 => bindings::rust_ipvs_helper_output_v6(net.as_ptr(), skb, owner),
            }
        }
        Taken::given_away()
    }

    /// Looks up the route of a locally sent packet again after its addresses changed (C:
    /// `ip_route_me_harder()`). Returns `false` if there is none; the packet must be dropped then.
    ///
    /// Needed if policy rules may select another route by the new source address; see
    /// [`Packet::source_matters`].
    pub(crate) fn reroute(&mut self, net: &Net, protocol: Protocol) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid. It
        // begins with a header of `protocol`, which the hook that it was received in implies.
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

    /// Returns `true` if the source address may affect routing: the namespace has policy rules, or
    /// IPsec policies. If it returns `false`, a reply keeps its route when its source is rewritten.
    #[inline(always)]
    pub(crate) fn source_matters(net: &Net, protocol: Protocol) -> bool {
        // SAFETY: By the type invariant of `Net` the reference is to a live `struct net`.
        unsafe { bindings::rust_ipvs_helper_source_matters(net.as_ptr(), protocol.number()) }
    }

    /// Reassembles fragments. Returns the whole packet if this was its last fragment, or the proof
    /// that the fragment was queued or dropped.
    ///
    /// An IPv6 packet whose fragment header is invalid is returned unchanged.
    ///
    /// IPv4 and IPv6 keep incomplete packets in queues per namespace and per user of the queue;
    /// `point` selects the user, so that fragments seen at different hooks are not mixed.
    pub(crate) fn defragment(
        self,
        net: &Net,
        protocol: Protocol,
        point: Point,
    ) -> Result<Self, Taken> {
        let (skb, net, point) = (self.into_raw(), net.as_ptr(), point.number());
        // SAFETY: `into_raw` gave up the packet, so it may be given away. If the call fails, it has
        // taken or freed the fragment.
        let error = unsafe {
            match protocol {
                Protocol::Ipv4 => bindings::rust_ipvs_helper_ip_defrag(net, skb, point),
                Protocol::Ipv6 => bindings::rust_ipvs_helper_ip6_defrag(net, skb, point),
            }
        };
        if error != 0 {
            return Err(Taken::given_away());
        }
        // SAFETY: The call succeeded, so `skb` is the reassembled packet with a network header, and
        // the caller owns it.
        Ok(unsafe { Self::from_raw(skb) })
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_kfree_skb(self.0.as_ptr()) }
    }
}
