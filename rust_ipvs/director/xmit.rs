// SPDX-License-Identifier: GPL-2.0

//! Transmitters: how a request reaches its destination, one file for each method.

pub(crate) mod bypass;
mod common;
mod direct;
mod icmp_error;
mod nat;
mod tunnel;

use crate::{
    director::{
        conn::{
            conntrack,
            Connection,
            InetFamily, //
        },
        packet::Context, //
    },
    kapi::{
        netfilter::Verdict,
        skbuff::Packet, //
    },
    logic::{
        config::ForwardMethod,
        direction::Direction, //
    },
};

pub(super) use self::icmp_error::{
    send as send_error,
    translate as translate_error, //
};

/// Sends a request that has been counted.
#[inline(always)]
pub(crate) fn send<'g, F: InetFamily>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    packet: Packet,
) -> Verdict {
    if packet.is_tracked() {
        send_tracked(*context, connection, packet)
    } else {
        send_as::<F, false>(context, connection, packet)
    }
}

/// Sends a request that carries an entry of connection tracking.
#[cold]
#[inline(never)]
fn send_tracked<'g, F: InetFamily>(
    context: Context<'g, F>,
    connection: &'g Connection<F>,
    packet: Packet,
) -> Verdict {
    send_as::<F, true>(&context, connection, packet)
}

/// Sends a request, which carries an entry only where it is `TRACKED`: code for others need not ask
/// at the end, nor keep what it would ask.
#[inline(always)]
fn send_as<'g, F: InetFamily, const TRACKED: bool>(
    context: &Context<'g, F>,
    connection: &'g Connection<F>,
    mut packet: Packet,
) -> Verdict {
    match connection.method {
        ForwardMethod::MASQ => nat::send::<F, TRACKED>(context, connection, packet),
        ForwardMethod::DROUTE => direct::send::<F, TRACKED>(context, connection, packet),
        ForwardMethod::TUNNEL => tunnel::send::<F, TRACKED>(context, connection, packet),
        ForwardMethod::LOCALNODE => {
            //
            conntrack::finish_ct(connection, Direction::Input, &mut packet);
            Verdict::Accept(packet)
        }
        ForwardMethod::BYPASS => bypass::send(*context, connection, packet),
        _ => Verdict::Accept(packet),
    }
}
