// SPDX-License-Identifier: GPL-2.0

//! Attribute policies, which the netlink core checks before a handler sees an attribute.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)
//!
//! Policies are constants, which the core reads in process context.

use crate::bindings;

/// Policy of an attribute: its type, and the length of its payload.
///
/// The command determines how lengths are checked: a strict one requires the exact length
/// of a number, a liberal one accepts longer payloads. See
/// [`Command::liberal`](super::Command::liberal).
#[repr(transparent)]
pub(crate) struct Policy(bindings::nla_policy);

// SAFETY: A policy is not written after it was built. Its pointers are null.
unsafe impl Sync for Policy {}

#[allow(dead_code, reason = "each user needs some of them")]
impl Policy {
    /// No attribute that may be sent: one of answers.
    pub(crate) const REFUSED: Self = Self::new(bindings::NLA_REJECT, 0);
    /// Any payload, unchecked.
    pub(crate) const ANY: Self = Self::new(bindings::NLA_UNSPEC, 0);
    /// An unsigned integer of 8 bits.
    pub(crate) const U8: Self = Self::new(bindings::NLA_U8, 0);
    /// An unsigned integer of 16 bits, in the byte order that the attribute defines.
    pub(crate) const U16: Self = Self::new(bindings::NLA_U16, 0);
    /// An unsigned integer of 32 bits.
    pub(crate) const U32: Self = Self::new(bindings::NLA_U32, 0);
    /// An unsigned integer of 64 bits.
    pub(crate) const U64: Self = Self::new(bindings::NLA_U64, 0);
    /// Nested attributes, or no payload. What is nested is checked by the handler.
    pub(crate) const NESTED: Self = Self::new(bindings::NLA_NESTED, 0);

    /// Bytes, `max` at most. C IPVS declares structures and addresses this way.
    pub(crate) const fn binary(max: u16) -> Self {
        Self::new(bindings::NLA_BINARY, max)
    }

    /// A nul-terminated string of at most `max` bytes without its nul.
    pub(crate) const fn nul_string(max: u16) -> Self {
        Self::new(bindings::NLA_NUL_STRING, max)
    }

    /// Creates a policy of type `NLA_*`. The meaning of `len` depends on the type.
    const fn new(kind: u32, len: u16) -> Self {
        Self(bindings::nla_policy {
            type_: kind as u8,
            len,
            ..pin_init::zeroed()
        })
    }
}
