// SPDX-License-Identifier: GPL-2.0

//! Attribute policies, which the netlink core checks before a handler sees an attribute.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use crate::bindings;

/// Policy of an attribute.
///
/// How strictly that is taken depends on the command: see [`Command::liberal`](super::Command).
#[repr(transparent)]
pub(crate) struct Policy(bindings::nla_policy);

// SAFETY: Nothing ever writes to a policy once it is built.
unsafe impl Sync for Policy {}

#[allow(dead_code, reason = "each user needs some of them")]
impl Policy {
    /// Anything.
    pub(crate) const ANY: Self = Self::new(bindings::NLA_UNSPEC, 0);
    /// At least one byte.
    pub(crate) const U8: Self = Self::new(bindings::NLA_U8, 0);
    /// At least two bytes, in native order.
    pub(crate) const U16: Self = Self::new(bindings::NLA_U16, 0);
    /// At least four bytes, in native order.
    pub(crate) const U32: Self = Self::new(bindings::NLA_U32, 0);
    /// At least eight bytes, in native order.
    pub(crate) const U64: Self = Self::new(bindings::NLA_U64, 0);
    /// Attributes again, or nothing.
    pub(crate) const NESTED: Self = Self::new(bindings::NLA_NESTED, 0);

    /// At most `max` bytes.
    pub(crate) const fn binary(max: u16) -> Self {
        Self::new(bindings::NLA_BINARY, max)
    }

    /// A string of at most `max` bytes before its nul.
    pub(crate) const fn nul_string(max: u16) -> Self {
        Self::new(bindings::NLA_NUL_STRING, max)
    }

    const fn new(kind: u32, len: u16) -> Self {
        Self(bindings::nla_policy {
            type_: kind as u8,
            len,
            ..pin_init::zeroed()
        })
    }
}
