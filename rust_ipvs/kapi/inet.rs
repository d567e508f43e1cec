// SPDX-License-Identifier: GPL-2.0

//! The words of the Internet protocols that several abstractions share.
//!
//! C headers: [`include/uapi/linux/netfilter.h`](srctree/include/uapi/linux/netfilter.h),
//! [`include/uapi/linux/in6.h`](srctree/include/uapi/linux/in6.h)

use crate::bindings;

/// The protocol families with IP hooks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `NFPROTO_IPV4`
    Ipv4,
    /// `NFPROTO_IPV6`
    Ipv6,
}

impl Protocol {
    /// The number of the family.
    #[inline(always)]
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Ipv4 => bindings::NFPROTO_IPV4 as u8,
            Self::Ipv6 => bindings::NFPROTO_IPV6 as u8,
        }
    }
}

/// Points at which hooks sit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Packets for this host.
    LocalIn,
    /// Packets that pass through.
    Forward,
    /// Packets that this host sends.
    LocalOut,
}

impl Point {
    /// The number of the hook, `NF_INET_*`.
    #[inline(always)]
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::LocalIn => bindings::nf_inet_hooks_NF_INET_LOCAL_IN,
            Self::Forward => bindings::nf_inet_hooks_NF_INET_FORWARD,
            Self::LocalOut => bindings::nf_inet_hooks_NF_INET_LOCAL_OUT,
        }
    }
}

/// An address as C has it.
pub(super) fn in6(addr: [u8; 16]) -> bindings::in6_addr {
    // SAFETY: Both are 16 bytes for which any value is valid.
    unsafe { core::mem::transmute(addr) }
}
