// SPDX-License-Identifier: GPL-2.0

//! Segments of reset connections (C IPVS has none), and of those that a helper looks at.
//!
//! A segment of a reset connection is answered by RST, and goes on to the other end as RST. It does
//! not change the connection, which expires at its time. So segments that were on their way are
//! answered as well.

use crate::{
    director::{
        conn::{
            Connection,
            InetFamily, //
        },
        ftp,
        packet::Context, //
    },
    kapi::{
        skbuff::Packet,
        tcp::Segment, //
    },
    logic::{
        config::ForwardMethod,
        direction::Direction,
        family::Endpoint,
        reason::Reason,
        reset::SegmentNumbers, //
    },
};

/// Handles a client's segment of a special connection.
///
/// # Errors
///
/// The reason for which it has to be dropped.
#[cold]
#[inline(never)]
pub(super) fn request<F: InetFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    packet: &mut Packet,
) -> Result<(), Reason> {
    match connection.is_reset() {
        true => answer(&context, connection, Direction::Input, packet),
        false => ftp::request(context, connection, packet),
    }
}

/// Handles a server's segment of a special connection, whose source is the VIP by now.
///
/// # Errors
///
/// The reason for which it has to be dropped.
#[cold]
#[inline(never)]
pub(super) fn reply<F: InetFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    packet: &mut Packet,
) -> Result<(), Reason> {
    match connection.is_reset() {
        true => answer(&context, connection, Direction::Output, packet),
        false => ftp::reply(context, connection, packet),
    }
}

/// Answers a segment by RST, and turns it into one. An RST passes unchanged.
fn answer<F: InetFamily>(
    context: &Context<'_, F>,
    connection: &Connection<F>,
    direction: Direction,
    packet: &mut Packet,
) -> Result<(), Reason> {
    let header = &context.header;
    let Some(bytes) = packet.copy::<20>(header.l4.into()) else {
        return Err(Reason::BadHeader);
    };
    let numbers = SegmentNumbers::of(&bytes, packet.len().saturating_sub(header.l4.into()));
    if numbers.is_rst {
        return Ok(());
    }
    let (seq, ack) = numbers.reset();
    let to_sender = |from: &Endpoint<F>, to: &Endpoint<F>| {
        let segment = Segment {
            ports: (from.port, to.port),
            seq,
            ack,
            is_rst: true,
        };
        F::send_segment(context.net, segment, from.addr, to.addr);
    };
    match direction {
        Direction::Output if connection.method == ForwardMethod::MASQ => {
            to_sender(&connection.client, &connection.dest)
        }
        // The server has the VIP, as this host may: there is no route back to it.
        Direction::Output => {}
        _ => to_sender(&connection.vip, &connection.client),
    }
    match packet.turn_to_rst(F::PROTOCOL, header.l4) {
        true => Ok(()),
        false => Err(Reason::NoMemory),
    }
}
