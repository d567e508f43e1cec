// SPDX-License-Identifier: GPL-2.0

//! Examination of flows: whether requests of a connection are fit for the fast path at a device.

use super::family::FastFamily;
use crate::{
    director::{
        conn::{
            Connection,
            PacketRole,
            Stamp, //
        },
        netns::{
            Epoch,
            Port,
            Stamped, //
        },
        packet::Context, //
    },
    kapi::skbuff::Packet,
};

/// Returns the present epoch at a device.
#[inline(always)]
pub(super) fn epoch<'g, F: FastFamily>(
    context: &Context<'g, F>,
    port: &'g Port,
) -> Option<&'g Epoch> {
    let fast_path = &context.ipvs.fast_path;
    fast_path.epoch(context.rcu, context.net, F::PROTOCOL, port)
}

/// Returns whether the flow is fit for the fast path now.
#[inline(always)]
pub(super) fn is_fit<F: FastFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    port: &Port,
    packet: &mut Packet,
) -> bool {
    let Some(epoch) = epoch(context, port) else {
        return false;
    };
    let Some(stamp) = connection.stamp(PacketRole::Request) else {
        return false;
    };
    match epoch.compare(stamp.load(), context.header.tos) {
        Stamped::Fit(_) => true,
        Stamped::Loose(_) => !packet.has_strict_source(),
        Stamped::Unfit => false,
        Stamped::No => examine(*context, connection, stamp, epoch, packet),
    }
}

/// Finds out whether the flow is fit, and stamps the connection.
#[cold]
#[inline(never)]
fn examine<F: FastFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    stamp: Stamp<'_>,
    epoch: &Epoch,
    packet: &mut Packet,
) -> bool {
    let may_be = !connection.is_tracked()
        && !F::is_loopback(context.header.src)
        && !context.ipvs.handles_replies_only();
    let source = if may_be {
        packet.delivered(context.net, F::PROTOCOL)
    } else {
        None
    };
    stamp.store(epoch.stamp(source, context.header.tos));
    source.is_some()
}
