// SPDX-License-Identifier: GPL-2.0

//! Types of the Internet protocols that several abstractions share: families, hook points and
//! addresses.
//!
//! C headers: [`include/uapi/linux/netfilter.h`](srctree/include/uapi/linux/netfilter.h),
//! [`include/uapi/linux/in6.h`](srctree/include/uapi/linux/in6.h)
//!
//! Plain values, for any context.

use crate::bindings;

/// Network protocol, IPv4 or IPv6. The numbers are those of netfilter, which equal `AF_INET` and
/// `AF_INET6`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// IPv4 (C: `NFPROTO_IPV4`).
    Ipv4,
    /// IPv6 (C: `NFPROTO_IPV6`).
    Ipv6,
}

impl Protocol {
    /// Returns the C constant, `NFPROTO_*`.
    #[inline(always)]
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Ipv4 => bindings::NFPROTO_IPV4 as u8,
            Self::Ipv6 => bindings::NFPROTO_IPV6 as u8,
        }
    }
}

/// Point in a packet's path at which hooks are called. Only those that load balancing uses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Packets whose route is to this host (C: `NF_INET_LOCAL_IN`).
    LocalIn,
    /// Packets that this host forwards (C: `NF_INET_FORWARD`).
    Forward,
    /// Packets that this host generates (C: `NF_INET_LOCAL_OUT`).
    LocalOut,
}

impl Point {
    /// Returns the C constant, `NF_INET_*`.
    #[inline(always)]
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::LocalIn => bindings::nf_inet_hooks_NF_INET_LOCAL_IN,
            Self::Forward => bindings::nf_inet_hooks_NF_INET_FORWARD,
            Self::LocalOut => bindings::nf_inet_hooks_NF_INET_LOCAL_OUT,
        }
    }
}

/// Converts an IPv6 address, in network order, to the C structure.
///
/// No byte is swapped: both are in the order of the wire.
pub(super) fn in6(addr: [u8; 16]) -> bindings::in6_addr {
    // SAFETY: Both types have 16 bytes and no padding, and any value is valid for them.
    unsafe { core::mem::transmute(addr) }
}
