// SPDX-License-Identifier: GPL-2.0

//! Output routes.
//!
//! C headers: [`include/net/dst.h`](srctree/include/net/dst.h),
//! [`include/net/route.h`](srctree/include/net/route.h),
//! [`include/net/ip6_route.h`](srctree/include/net/ip6_route.h)
//!
//! A [`Route`] is a counted reference to a `dst_entry`. Destinations cache one each, and check with
//! [`Route::is_valid`] for each packet whether it is still current; C IPVS does the same in
//! `__ip_vs_get_out_rt()`.
//!
//! All methods may be called in softirq context and do not sleep.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{
//! #     net::Net,
//! #     route::{Route, RouteKind},
//! # };
//! # fn example(net: &Net, cached: Option<Route>, to: [u8; 4]) -> Result<Route> {
//! let cached = cached.filter(|route| route.is_valid() && route.serves(RouteKind::Any));
//! let route = cached.or_else(|| Route::v4(net, to, RouteKind::Any));
//! let route = route.ok_or(ENOENT)?;
//! if !route.is_local() && route.mtu() < 576 {
//!     return Err(EINVAL);
//! }
//! # Ok(route)
//! # }
//! ```

use super::{
    inet::{
        in6,
        Protocol, //
    },
    net::Net,
};
use crate::bindings;
use core::ptr::NonNull;

/// Kind of a route look-up, which depends on how packets are forwarded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteKind {
    /// Any route to the address, possibly by a gateway.
    Any,
    /// A route with the address itself as the next hop, for direct routing.
    Direct,
    /// A route that was looked up again with the source address which the first look-up returned,
    /// for tunnels, whose outer header has that source.
    WithSource,
}

/// A counted reference to a route, with the source address that the look-up selected.
///
/// # Invariants
///
/// `dst` is a `dst_entry` of the kind of `protocol`, and this value owns a reference to it.
pub(crate) struct Route {
    /// The C structure, a `struct rtable` or a `struct rt6_info`.
    dst: NonNull<bindings::dst_entry>,
    /// Generation that IPv6 compares in [`Route::is_valid`]; unused for IPv4.
    cookie: u32,
    /// Selects the functions for the kind of the entry.
    protocol: Protocol,
    /// `true` if looked up as [`RouteKind::Direct`].
    direct: bool,
    /// Source address in network order. An IPv4 one is in the first four bytes.
    source: [u8; 16],
}

// SAFETY: A reference to a `dst_entry` may be held and dropped on any CPU, because its count is
// atomic.
unsafe impl Send for Route {}
// SAFETY: The methods read fields that do not change after the look-up, or that C code reads
// without a lock, too.
unsafe impl Sync for Route {}

impl Route {
    /// Looks up a route to an IPv4 address in network order. Returns `None` if there is none.
    pub(crate) fn v4(net: &Net, to: [u8; 4], wanted: RouteKind) -> Option<Self> {
        let mut saddr = 0u32;
        // SAFETY: By the type invariant of `Net` the namespace is live. `saddr` is on this stack
        // and is written during the call only.
        let dst = unsafe {
            bindings::rust_ipvs_helper_route_v4(
                net.as_ptr(),
                u32::from_ne_bytes(to),
                wanted == RouteKind::Direct,
                wanted == RouteKind::WithSource,
                &raw mut saddr,
            )
        };
        // The kernel selected the address with the route; it is in network order.
        let [a, b, c, d] = saddr.to_ne_bytes();
        let mut source = [0; 16];
        if let Some(head) = source.first_chunk_mut::<4>() {
            *head = [a, b, c, d];
        }
        // The look-up returned null on errors, which `adopt` turns into `None`.
        Self::adopt(dst, Protocol::Ipv4, wanted, source)
    }

    /// Looks up a route to an IPv6 address. Returns `None` if there is none, or if no source
    /// address can be selected for it.
    pub(crate) fn v6(net: &Net, to: [u8; 16], wanted: RouteKind) -> Option<Self> {
        let to = in6(to);
        let mut saddr = in6([0; 16]);
        // SAFETY: By the type invariant of `Net` the namespace is live. The addresses are on this
        // stack and are accessed during the call only.
        let dst = unsafe {
            bindings::rust_ipvs_helper_route_v6(
                net.as_ptr(),
                &to,
                wanted == RouteKind::Direct,
                wanted == RouteKind::WithSource,
                &raw mut saddr,
            )
        };
        // SAFETY: Both types have 16 bytes and no padding, and any value is valid for them.
        let source = unsafe { core::mem::transmute::<bindings::in6_addr, [u8; 16]>(saddr) };
        // Null if there is no route or no source address.
        Self::adopt(dst, Protocol::Ipv6, wanted, source)
    }

    /// Creates a route from the reference that a look-up returned; `None` if it is null.
    ///
    /// Every look-up goes through this, so the cookie always belongs to the entry.
    fn adopt(
        dst: *mut bindings::dst_entry,
        protocol: Protocol,
        wanted: RouteKind,
        source: [u8; 16],
    ) -> Option<Self> {
        // The cookie is read once, now: `is_valid` compares the entry's current one with it.
        let dst = NonNull::new(dst)?;
        // SAFETY: The look-up returned a reference to the entry, which is of the protocol's kind.
        let cookie =
            unsafe { bindings::rust_ipvs_helper_dst_cookie(dst.as_ptr(), protocol.number()) };
        // INVARIANT: The reference of the look-up passes to this value.
        Some(Self {
            dst,
            cookie,
            protocol,
            direct: wanted == RouteKind::Direct,
            source,
        })
    }

    /// Creates a route from the reference to the entry by which a packet is forwarded.
    ///
    /// # Safety
    ///
    /// `dst` must be null, or an entry of the kind of `protocol` to which the caller owns a
    /// reference.
    pub(super) unsafe fn of_forwarded(
        dst: *mut bindings::dst_entry,
        protocol: Protocol,
    ) -> Option<Self> {
        Self::adopt(dst, protocol, RouteKind::Any, [0; 16])
    }

    /// Returns whether packets take the same way by both routes.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.protocol == other.protocol
            // SAFETY: By the type invariant both have a reference to an entry of the protocol's
            // kind.
            && unsafe {
                bindings::rust_ipvs_helper_dst_is_same(
                    self.dst.as_ptr(),
                    other.dst.as_ptr(),
                    self.protocol.number(),
                )
            }
    }

    /// Returns the MTU in bytes that applies to forwarded packets, which need not be the path MTU
    /// (C: `ip_dst_mtu_maybe_forward()`).
    #[inline(always)]
    pub(crate) fn forward_mtu(&self) -> u32 {
        // SAFETY: By the type invariant this value has a reference to an entry of the protocol's
        // kind.
        unsafe { bindings::rust_ipvs_helper_forward_mtu(self.dst.as_ptr(), self.protocol.number()) }
    }

    /// Returns whether the route leaves by a device in a VRF. Then packets that the host sends
    /// itself pass the VRF's device, too (C: `l3mdev_ip_out()`).
    #[inline(always)]
    pub(crate) fn is_in_vrf(&self) -> bool {
        // SAFETY: By the type invariant this value has a reference to the entry, which has one to
        // its device.
        unsafe { bindings::rust_ipvs_helper_dst_is_in_vrf(self.dst.as_ptr()) }
    }

    /// Returns the C structure. The route keeps its reference.
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *mut bindings::dst_entry {
        self.dst.as_ptr()
    }

    /// Converts the route into a pointer; the caller then owns the reference.
    pub(super) fn into_raw(self) -> *mut bindings::dst_entry {
        core::mem::ManuallyDrop::new(self).dst.as_ptr()
    }

    /// Returns `true` if the route can be used for a look-up of kind `wanted`. Only a route that
    /// was looked up as [`RouteKind::Direct`] has the address itself as its next hop.
    ///
    /// The address of a destination and its forwarding method may change while a route is cached.
    #[inline(always)]
    pub(crate) fn serves(&self, wanted: RouteKind) -> bool {
        wanted != RouteKind::Direct || self.direct
    }

    /// Returns the protocol that the route is for.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns `true` if the route is current: no change of routes or devices since the look-up may
    /// have changed its result (C: `dst_check()`).
    ///
    /// A route that is not valid stays usable, but may lead to a neighbour or a device that is
    /// gone. Callers look it up again and drop this one.
    #[inline(always)]
    pub(crate) fn is_valid(&self) -> bool {
        // SAFETY: By the type invariant this value has a reference to the entry.
        unsafe { bindings::rust_ipvs_helper_dst_valid(self.dst.as_ptr(), self.cookie) }
    }

    /// Returns `true` if the destination address is local.
    ///
    /// A packet to a local destination is delivered on this host instead of being transmitted.
    #[inline(always)]
    pub(crate) fn is_local(&self) -> bool {
        // SAFETY: By the type invariant this value has a reference to the entry, and the entry is
        // of the protocol's kind.
        unsafe {
            bindings::rust_ipvs_helper_dst_is_local(self.dst.as_ptr(), self.protocol.number())
        }
    }

    /// Returns the MTU of the route in bytes, path MTU included.
    ///
    /// It can shrink when an ICMP error reports a smaller path MTU, so it is read for each packet.
    #[inline(always)]
    pub(crate) fn mtu(&self) -> u32 {
        // SAFETY: By the type invariant this value has a reference to the entry.
        unsafe { bindings::rust_ipvs_helper_dst_mtu(self.dst.as_ptr()) }
    }

    /// Returns the source address of an IPv4 route, in network order.
    pub(crate) fn source_v4(&self) -> [u8; 4] {
        self.source.first_chunk::<4>().copied().unwrap_or([0; 4])
    }

    /// Returns the source address of an IPv6 route.
    pub(crate) fn source_v6(&self) -> [u8; 16] {
        self.source
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this value owns the reference, and it is not used
        // afterwards. `dst_release()` may be called in any context.
        unsafe { bindings::dst_release(self.dst.as_ptr()) };
    }
}
