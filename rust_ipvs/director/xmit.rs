// SPDX-License-Identifier: GPL-2.0

//! Transmitters: send a request to its destination; one file for each forwarding method (C:
//! `ip_vs_xmit.c`).
//!
//! [`send`] calls the transmitter of the connection's [`ForwardMethod`]. This folder may use
//! `conn`, `dest` and `packet`.

pub(crate) mod bypass;
mod common;
mod direct;
mod icmp_error;
mod nat;
pub(crate) mod tunnel;

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

/// Sends a request; the caller has counted it.
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

/// Sends a request with a conntrack entry.
#[cold]
#[inline(never)]
fn send_tracked<'g, F: InetFamily>(
    context: Context<'g, F>,
    connection: &'g Connection<F>,
    packet: Packet,
) -> Verdict {
    send_as::<F, true>(&context, connection, packet)
}

/// Sends a request; it has a conntrack entry only if `TRACKED`. Without one the code keeps nothing
/// for conntrack and needs no test at the end.
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
            // local delivery.
            conntrack::finish_ct(connection, Direction::Input, &mut packet);
            Verdict::Accept(packet)
        }
        ForwardMethod::BYPASS => bypass::send(*context, connection, packet),
        _ => Verdict::Accept(packet),
    }
}
