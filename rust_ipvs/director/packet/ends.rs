// SPDX-License-Identifier: GPL-2.0

//! Packets that are not sent: dropped, refused or left untouched, each for a reason that is
//! counted.

use super::{
    Context,
    HookCall, //
};
use crate::{
    director::{
        conn::{
            Connection,
            InetFamily, //
        },
        dest::reasons::drop_reason,
        dest::Destination,
        netns::NetnsIpvs,
        service::{
            for_af,
            AfState,
            Service, //
        },
    },
    kapi::{
        netfilter::Verdict,
        rcu::Rcu,
        skbuff::{
            DropReason,
            Packet, //
        },
    },
    logic::reason::Reason,
};

/// Owner of the packet for which a reason is counted, beside the namespace.
pub(crate) enum Of<'a, F: InetFamily> {
    /// None that is known.
    Nothing,
    /// A service.
    Service(&'a Service<F>),
    /// The service of a connection.
    Connection(&'a Connection<F>),
    /// The service of a destination, of either family.
    Destination(&'a Destination),
}

/// Counts a reason, and returns the core's that fits.
#[cold]
#[inline(never)]
fn count<F: InetFamily>(
    ipvs: &NetnsIpvs,
    af: &AfState<F>,
    rcu: Rcu<'_>,
    of: Of<'_, F>,
    reason: Reason,
) -> DropReason {
    ipvs.reasons.count(rcu, reason);
    match of {
        Of::Nothing => {}
        Of::Service(service) => service.reasons.count(rcu, reason),
        Of::Connection(connection) => {
            af.count_reason(rcu, &connection.destination.service, reason);
        }
        Of::Destination(destination) => {
            let id = &destination.service;
            for_af!(ipvs, id.family, af => af.count_reason(rcu, id, reason));
        }
    }
    drop_reason(reason)
}

impl<F: InetFamily> HookCall<'_, F> {
    /// Drops a packet of no known service; a local sender gets `EPERM`.
    #[inline(always)]
    pub(crate) fn drop(&self, reason: Reason, packet: Packet) -> Verdict {
        let reason = count(self.ipvs, self.af, self.rcu, Of::Nothing, reason);
        Verdict::Drop(packet.discard(reason))
    }
}

impl<F: InetFamily> Context<'_, F> {
    /// Drops the packet; a local sender gets `EPERM` (C: `NF_DROP`).
    #[inline(always)]
    pub(crate) fn drop(&self, of: Of<'_, F>, reason: Reason, packet: Packet) -> Verdict {
        let reason = count(self.ipvs, self.af, self.rcu, of, reason);
        Verdict::Drop(packet.discard(reason))
    }

    /// Drops the packet; a local sender does not get an error (C: `NF_STOLEN`).
    #[inline(always)]
    pub(crate) fn discard(&self, of: Of<'_, F>, reason: Reason, packet: Packet) -> Verdict {
        let reason = count(self.ipvs, self.af, self.rcu, of, reason);
        Verdict::Stolen(packet.discard(reason))
    }

    /// Leaves the packet untouched.
    #[inline(always)]
    pub(crate) fn leave_untouched(&self, of: Of<'_, F>, reason: Reason, packet: Packet) -> Verdict {
        count(self.ipvs, self.af, self.rcu, of, reason);
        Verdict::Accept(packet)
    }
}
