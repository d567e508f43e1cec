// SPDX-License-Identifier: GPL-2.0

//! Ends of packets: dropped for a reason that the tracepoint `skb:kfree_skb` shows, or consumed.
//!
//! C header: [`include/net/dropreason-core.h`](srctree/include/net/dropreason-core.h)
//!
//! A hook that does not give its packet back has to show a [`Taken`], which only functions return
//! that take a packet. So no path of a hook drops a packet without a reason by mistake. These are
//! values, for any context; they take no lock.

use crate::bindings;
use kernel::prelude::*;

/// Reason of the kernel's core for a dropped packet (C: `enum skb_drop_reason`).
#[derive(Clone, Copy)]
pub(crate) struct DropReason(pub(super) c_uint);

/// Defines constants with the kernel's names.
macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident = $number:ident;)*) => {
        impl DropReason {
            $($(#[$doc])* pub(crate) const $name: Self = Self(bindings::$number as c_uint);)*
        }
    };
}

drop_reasons! {
    /// By a rule of netfilter, as which IPVS counts.
    NETFILTER_DROP = skb_drop_reason_SKB_DROP_REASON_NETFILTER_DROP;
    /// Without memory.
    NOMEM = skb_drop_reason_SKB_DROP_REASON_NOMEM;
    /// A header is truncated.
    HDR_TRUNC = skb_drop_reason_SKB_DROP_REASON_HDR_TRUNC;
    /// Checksum of an ICMP message.
    ICMP_CSUM = skb_drop_reason_SKB_DROP_REASON_ICMP_CSUM;
    /// No route for a packet to send.
    IP_OUTNOROUTES = skb_drop_reason_SKB_DROP_REASON_IP_OUTNOROUTES;
    /// The IP header does not allow to forward the packet, for example its TTL.
    IP_INHDR = skb_drop_reason_SKB_DROP_REASON_IP_INHDR;
    /// A source address that may not leave this host.
    IP_INVALID_SOURCE = skb_drop_reason_SKB_DROP_REASON_IP_INVALID_SOURCE;
    /// A destination address of this host that the packet may not have.
    IP_LOCALNET = skb_drop_reason_SKB_DROP_REASON_IP_LOCALNET;
    /// Longer than the MTU.
    PKT_TOO_BIG = skb_drop_reason_SKB_DROP_REASON_PKT_TOO_BIG;
    /// Nobody takes the packet.
    NO_SOCKET = skb_drop_reason_SKB_DROP_REASON_NO_SOCKET;
}

/// Proof that a packet has been sent, kept, consumed, or dropped for a reason.
#[must_use = "a verdict needs it"]
pub(crate) struct Taken(());

impl Taken {
    /// Creates the proof where a packet was given away.
    #[inline(always)]
    pub(crate) fn given_away() -> Self {
        Self(())
    }
}
