// SPDX-License-Identifier: GPL-2.0

//! NAT on the fast path, in both directions.

use super::family::FastFamily;
use crate::{
    director::packet::Context,
    kapi::skbuff::Packet,
    logic::{
        checksum::SumState,
        family::{
            Endpoint,
            Side, //
        },
    },
};

/// Rewrites one side of a packet to an endpoint and decrements the TTL. The caller has made the
/// headers writable and seen a TTL above 1, so neither fails.
#[inline(always)]
pub(super) fn translate<F: FastFamily>(
    context: &Context<'_, F>,
    side: Side,
    to: &Endpoint<F>,
    packet: &mut Packet,
) {
    let sum = SumState::of(packet.sum_is_partial());
    if let Some(bytes) = packet.writable(context.headers()) {
        F::dec_ttl(bytes, context.header.l4);
        let _ = F::rewrite(bytes, &context.header, side, to, sum);
    }
    packet.sum_changed();
}
