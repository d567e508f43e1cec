// SPDX-License-Identifier: GPL-2.0

//! Counters of [`Reason`]: why packets were dropped, refused or left untouched.
//!
//! A namespace and each service have a set. One that has not counted anything is a pointer; its
//! memory, 8 bytes for each reason and possible CPU, is allocated by the first packet that counts,
//! so that packets that pass and services that refuse nothing pay nothing.

use crate::{
    kapi::{
        percpu::LazyCounters,
        rcu::Rcu,
        skbuff::DropReason, //
    },
    logic::reason::Reason,
};

/// Number of each reason, by its [index](Reason::index).
pub(crate) type ReasonCounts = [u64; Reason::COUNT];

/// Counters of reasons, of a namespace or a service.
pub(crate) struct ReasonCounters(LazyCounters<{ Reason::COUNT }>);

impl ReasonCounters {
    /// Creates counters of zero.
    pub(crate) const fn new() -> Self {
        Self(LazyCounters::new())
    }

    /// Counts a reason. Any context. Without memory for the counters nothing is counted.
    pub(crate) fn count(&self, rcu: Rcu<'_>, reason: Reason) {
        self.0.count(rcu, reason.index());
    }

    /// Returns the sums over all CPUs; `None` if nothing was counted.
    pub(crate) fn sums(&self, rcu: Rcu<'_>) -> Option<ReasonCounts> {
        self.0.sums(rcu)
    }

    /// Zeroes the counters. Any context.
    pub(crate) fn zero(&self) {
        self.0.zero();
    }
}

/// Returns the reason of the kernel's core that fits, for `skb:kfree_skb`. The core's list is fixed
/// when the kernel is built, and so is the list of subsystems with reasons of their own.
pub(crate) fn drop_reason(reason: Reason) -> DropReason {
    match reason {
        Reason::NoMemory => DropReason::NOMEM,
        Reason::NoRoute | Reason::NoRouteForReply => DropReason::IP_OUTNOROUTES,
        Reason::LoopbackSource => DropReason::IP_INVALID_SOURCE,
        Reason::LoopbackServer | Reason::LocalServer | Reason::IcmpUndeliverable => {
            DropReason::IP_LOCALNET
        }
        Reason::TtlExceeded => DropReason::IP_INHDR,
        Reason::TooBig | Reason::TunnelMtu => DropReason::PKT_TOO_BIG,
        Reason::BadHeader | Reason::BadIcmp => DropReason::HDR_TRUNC,
        Reason::IcmpChecksum => DropReason::ICMP_CSUM,
        Reason::NoServer
        | Reason::WeightZero
        | Reason::NoScheduler
        | Reason::NeedsPersistence
        | Reason::ServerGone
        | Reason::UnexpectedReply => DropReason::NO_SOCKET,
        _ => DropReason::NETFILTER_DROP,
    }
}
