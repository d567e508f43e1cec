// SPDX-License-Identifier: GPL-2.0

//! NAT of SCTP, which has a CRC32c in place of the Internet checksum (T-19).

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

/// Length of the common header in bytes (RFC 9260).
const HEADER: usize = 12;

/// Rewrites the source or destination of a packet that
/// [`Family::rewrite`](crate::logic::family::Family::rewrite) does not handle. Returns `false` if
/// it is not SCTP, or not writable.
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
    // The CRC32c covers the whole SCTP packet, but not the addresses.
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
