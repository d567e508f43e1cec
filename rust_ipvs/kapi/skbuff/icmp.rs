// SPDX-License-Identifier: GPL-2.0

//! ICMP and ICMPv6 errors: about a packet, to its sender; and the packets that errors quote.
//!
//! C headers: [`include/net/icmp.h`](srctree/include/net/icmp.h),
//! [`include/linux/icmpv6.h`](srctree/include/linux/icmpv6.h)
//!
//! As with all of [`Packet`], softirq context will do; no lock is needed, and none of this module
//! is taken.

use super::Packet;
use crate::{
    bindings,
    kapi::{
        inet::Protocol,
        net::Net, //
    },
};
use kernel::prelude::*;

/// An error that is reported to a packet's sender. Type and code are those of ICMP or ICMPv6,
/// depending on the packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// The port is unreachable.
    Port,
    /// The TTL or hop limit is exhausted.
    TimeExceeded,
    /// The packet is larger than this MTU in bytes and must not be fragmented.
    TooBig(u32),
}

// Types and codes of `include/uapi/linux/icmp.h` and `icmpv6.h`, which bindgen does not see.
const ICMP_DEST_UNREACH: c_int = 3;
const ICMP_TIME_EXCEEDED: c_int = 11;
const ICMP_PORT_UNREACH: c_int = 3;
const ICMP_FRAG_NEEDED: c_int = 4;
const ICMPV6_DEST_UNREACH: u8 = 1;
const ICMPV6_PKT_TOOBIG: u8 = 2;
const ICMPV6_TIME_EXCEED: u8 = 3;
const ICMPV6_PORT_UNREACH: u8 = 4;

impl Packet {
    /// Sends an ICMP or ICMPv6 error about the packet to its sender. The packet must have a route,
    /// and must begin with a header of `protocol`. The kernel limits the rate.
    pub(crate) fn send_error(&mut self, protocol: Protocol, error: Unreachable) {
        match protocol {
            // Codes and the meaning of `info` as in RFC 792 and RFC 1191.
            Protocol::Ipv4 => {
                let (kind, code, info) = match error {
                    Unreachable::Port => (ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0),
                    Unreachable::TimeExceeded => (ICMP_TIME_EXCEEDED, 0, 0),
                    Unreachable::TooBig(mtu) => (ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu),
                };
                // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is
                // valid. By the contract of this method it has an IPv4 header and a route.
                unsafe { bindings::rust_ipvs_helper_icmp_send(self.as_ptr(), kind, code, info) }
            }
            // Codes and the meaning of `info` as in RFC 4443.
            Protocol::Ipv6 => {
                let (kind, code, info) = match error {
                    Unreachable::Port => (ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0),
                    Unreachable::TimeExceeded => (ICMPV6_TIME_EXCEED, 0, 0),
                    Unreachable::TooBig(mtu) => (ICMPV6_PKT_TOOBIG, 0, mtu),
                };
                // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is
                // valid. By the contract of this method it has an IPv6 header and a route.
                unsafe { bindings::rust_ipvs_helper_icmpv6_send(self.as_ptr(), kind, code, info) }
            }
        }
    }

    /// Sends an ICMP or ICMPv6 message of type `kind` about the packet, which begins with a header
    /// of `protocol`, to its sender. `info` is the second word of the message, in host order.
    /// Sends nothing for lack of a route of that protocol (IPv4) or of a device (IPv6).
    pub(crate) fn send_icmp(&mut self, protocol: Protocol, kind: u8, code: u8, info: u32) {
        let skb = self.as_ptr();
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid. The
        // functions look at its header as far as that is in the linear part, and the helper at the
        // family of its route.
        unsafe {
            match protocol {
                Protocol::Ipv4 => {
                    bindings::rust_ipvs_helper_icmp_send(skb, kind.into(), code.into(), info)
                }
                Protocol::Ipv6 => bindings::rust_ipvs_helper_icmpv6_send(skb, kind, code, info),
            }
        }
    }

    /// Removes the first `len` bytes, so that the packet begins with what follows, which becomes
    /// its network header. Returns `false` if the packet is shorter or an allocation failed. Used
    /// to unpack a quoted packet of an ICMP error.
    ///
    /// IP options that the stack has parsed from the old header are forgotten.
    pub(crate) fn strip(&mut self, len: usize) -> bool {
        let Ok(len) = u32::try_from(len) else {
            return false;
        };
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; no
        // reference to bytes can be held across `&mut self`.
        len <= self.len() && unsafe { bindings::rust_ipvs_helper_skb_strip(self.as_ptr(), len) }
    }

    /// Updates the path MTU of the flow of this packet to `mtu` bytes (C: `ipv4_update_pmtu()`,
    /// `ip6_update_pmtu()`).
    ///
    /// The packet is one of this host's, of `protocol`, that an ICMP error quotes.
    pub(crate) fn update_path_mtu(&mut self, protocol: Protocol, net: &Net, mtu: u32) {
        let header = match protocol {
            Protocol::Ipv4 => 20,
            Protocol::Ipv6 => 40,
        };
        if !self.pull(header) {
            return;
        }
        let (skb, net) = (self.as_ptr(), net.as_ptr());
        // SAFETY: By the type invariant this value owns the `sk_buff`, and `pull` has made its
        // header linear. The namespace is live by the type invariant of `Net`.
        unsafe {
            match protocol {
                Protocol::Ipv4 => bindings::ipv4_update_pmtu(skb, net, mtu, 0, 0),
                Protocol::Ipv6 => bindings::rust_ipvs_helper_update_pmtu_v6(skb, net, mtu),
            }
        }
    }

    /// Makes a packet of `protocol` of this one, which begins with such a packet now, but arrived
    /// in one of the other family. Its route becomes the one to its destination, or none for IPv6.
    /// Returns `false` if there is no such route.
    pub(crate) fn change_family(&mut self, protocol: Protocol, net: &Net) -> bool {
        let (number, header) = match protocol {
            Protocol::Ipv4 => (bindings::AF_INET, 20),
            Protocol::Ipv6 => (bindings::AF_INET6, 40),
        };
        self.pull(header)
            // SAFETY: By the type invariant this value owns the `sk_buff`, whose header `pull` has
            // made linear. The namespace is live by the type invariant of `Net`.
            && unsafe {
                bindings::rust_ipvs_helper_skb_change_family(
                    self.as_ptr(),
                    net.as_ptr(),
                    number as u8,
                )
            }
    }
}
