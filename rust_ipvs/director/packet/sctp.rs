// SPDX-License-Identifier: GPL-2.0

//! NAT of SCTP, whose checksum is of another kind than TCP's and UDP's (T-19).

use crate::{
    director::conn::InetFamily,
    kapi::skbuff::Packet,
    logic::{
        checksum::SumState,
        family::{
            Endpoint,
            Fragment,
            Header,
            Side, //
        },
        packet::SCTP,
        sctp, //
    },
};

/// Bytes of the common header.
const HEADER: usize = 12;

/// Gives a packet that [`Family::rewrite`](crate::logic::family::Family::rewrite) refused another
/// source or destination; `false` where it is not SCTP either, or cannot be written to.
#[cold]
#[inline(never)]
pub(crate) fn rewrite<F: InetFamily>(
    header: Header<F>,
    packet: &mut Packet,
    side: Side,
    to: &Endpoint<F>,
    sum: SumState,
) -> bool {
    if header.protocol != SCTP {
        return false;
    }
    let at = usize::from(header.l4);
    let length = (packet.len() as usize).saturating_sub(at);
    let Some(bytes) = packet.writable(at.saturating_add(HEADER)) else {
        return false;
    };
    // The ports are in a sum over the whole packet that the addresses are not in.
    let addresses = Header {
        fragment: Fragment::Later,
        ..header
    };
    if F::rewrite(bytes, &addresses, side, to, sum).is_err() {
        return false;
    }
    bytes
        .get_mut(at..)
        .is_some_and(|l4| sctp::set_port(l4, side, to.port, length, sum))
}
