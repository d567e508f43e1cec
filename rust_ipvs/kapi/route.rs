// SPDX-License-Identifier: GPL-2.0

//! Routes out of this host.
//!
//! C headers: [`include/net/dst.h`](srctree/include/net/dst.h),
//! [`include/net/route.h`](srctree/include/net/route.h),
//! [`include/net/ip6_route.h`](srctree/include/net/ip6_route.h)

use super::{
    inet::{
        in6,
        Protocol, //
    },
    net::Net,
};
use crate::bindings;
use core::ptr::NonNull;

/// Kind of a route look-up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteKind {
    /// Any route to the address.
    Any,
    /// The address itself is the next hop.
    Direct,
    /// The route as seen from the source address that goes with it.
    WithSource,
}

/// A route, and the source address that goes with it.
///
/// # Invariants
///
/// `dst` is a `dst_entry` of the protocol's kind, of which this value holds a reference.
pub(crate) struct Route {
    dst: NonNull<bindings::dst_entry>,
    cookie: u32,
    protocol: Protocol,
    direct: bool,
    source: [u8; 16],
}

// SAFETY: References to a `dst_entry` may be held and dropped on any CPU.
unsafe impl Send for Route {}
// SAFETY: The methods read what is set once, or what C reads without a lock too.
unsafe impl Sync for Route {}

impl Route {
    /// Looks up a route to an IPv4 address.
    pub(crate) fn v4(net: &Net, to: [u8; 4], wanted: RouteKind) -> Option<Self> {
        let mut saddr = 0u32;
        // SAFETY: A live namespace; `saddr` is on this stack.
        let dst = unsafe {
            bindings::rust_ipvs_helper_route_v4(
                net.as_ptr(),
                u32::from_ne_bytes(to),
                wanted == RouteKind::Direct,
                wanted == RouteKind::WithSource,
                &raw mut saddr,
            )
        };
        let [a, b, c, d] = saddr.to_ne_bytes();
        let mut source = [0; 16];
        if let Some(head) = source.first_chunk_mut::<4>() {
            *head = [a, b, c, d];
        }
        Self::adopt(dst, Protocol::Ipv4, wanted, source)
    }

    /// Looks up a route to an IPv6 address. None is found where no source address goes with it.
    pub(crate) fn v6(net: &Net, to: [u8; 16], wanted: RouteKind) -> Option<Self> {
        let to = in6(to);
        let mut saddr = in6([0; 16]);
        // SAFETY: A live namespace; the addresses are on this stack.
        let dst = unsafe {
            bindings::rust_ipvs_helper_route_v6(
                net.as_ptr(),
                &to,
                wanted == RouteKind::Direct,
                wanted == RouteKind::WithSource,
                &raw mut saddr,
            )
        };
        // SAFETY: Both are 16 bytes for which any value is valid.
        let source = unsafe { core::mem::transmute::<bindings::in6_addr, [u8; 16]>(saddr) };
        Self::adopt(dst, Protocol::Ipv6, wanted, source)
    }

    /// Takes over the reference that a look-up returned.
    fn adopt(
        dst: *mut bindings::dst_entry,
        protocol: Protocol,
        wanted: RouteKind,
        source: [u8; 16],
    ) -> Option<Self> {
        let dst = NonNull::new(dst)?;
        // SAFETY: By the type invariant this value has a reference to the entry, and the entry is
        // of the protocol's kind.
        let cookie =
            unsafe { bindings::rust_ipvs_helper_dst_cookie(dst.as_ptr(), protocol.number()) };
        // INVARIANT: The look-up's reference is ours now.
        Some(Self {
            dst,
            cookie,
            protocol,
            direct: wanted == RouteKind::Direct,
            source,
        })
    }

    /// The C structure.
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *mut bindings::dst_entry {
        self.dst.as_ptr()
    }

    /// Gives the reference to C.
    pub(super) fn into_raw(self) -> *mut bindings::dst_entry {
        core::mem::ManuallyDrop::new(self).dst.as_ptr()
    }

    /// Returns whether the route does for what is wanted: only one that was looked up so takes the
    /// address itself as the next hop.
    #[inline(always)]
    pub(crate) fn serves(&self, wanted: RouteKind) -> bool {
        wanted != RouteKind::Direct || self.direct
    }

    /// The protocol that the route is for.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns whether nothing has changed since the look-up that could change its answer.
    #[inline(always)]
    pub(crate) fn is_valid(&self) -> bool {
        // SAFETY: By the type invariant this value has a reference to the entry.
        unsafe { bindings::rust_ipvs_helper_dst_valid(self.dst.as_ptr(), self.cookie) }
    }

    /// Returns whether the address is this host's own.
    #[inline(always)]
    pub(crate) fn is_local(&self) -> bool {
        // SAFETY: By the type invariant this value has a reference to the entry, and the entry is
        // of the protocol's kind.
        unsafe {
            bindings::rust_ipvs_helper_dst_is_local(self.dst.as_ptr(), self.protocol.number())
        }
    }

    /// The largest packet that the route takes, in bytes.
    #[inline(always)]
    pub(crate) fn mtu(&self) -> u32 {
        // SAFETY: By the type invariant this value has a reference to the entry.
        unsafe { bindings::rust_ipvs_helper_dst_mtu(self.dst.as_ptr()) }
    }

    /// The source address that goes with an IPv4 route.
    pub(crate) fn source_v4(&self) -> [u8; 4] {
        self.source.first_chunk::<4>().copied().unwrap_or([0; 4])
    }

    /// The source address that goes with an IPv6 route.
    pub(crate) fn source_v6(&self) -> [u8; 16] {
        self.source
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        // SAFETY: The reference is ours by the type invariant.
        unsafe { bindings::dst_release(self.dst.as_ptr()) };
    }
}
