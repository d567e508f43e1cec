// SPDX-License-Identifier: GPL-2.0

//! Rewriting of transport headers by NAT, for both families.

use super::checksum::{
    Change,
    SumState, //
};
use super::family::{
    ParseError,
    Side, //
};
use super::packet::{
    TCP,
    TCP_LEN,
    UDP,
    UDP_LEN, //
};

/// Writes the `side`'s port of the transport header `l4`, and updates its checksum for the changes
/// of port and addresses (T-16).
///
/// `at` is the header's offset in the packet. A UDP checksum of 0 means that there is none and
/// stays 0, which departs from C IPVS (T-17), which computes one: omitting it is the sender's
/// choice. A result of 0 is written as 0xffff.
///
/// # Errors
///
/// [`ParseError::Short`] if the header is incomplete, and [`ParseError::Malformed`] for a protocol
/// without a checksum of this kind. The packet is unchanged then.
#[inline(always)]
pub(crate) fn transport(
    l4: &mut [u8],
    at: usize,
    protocol: u8,
    side: Side,
    port: u16,
    addresses: Change,
    sum: SumState,
) -> Result<(), ParseError> {
    match protocol {
        TCP => {
            let [s0, s1, d0, d1, _, _, _, _, _, _, _, _, _, _, _, _, c0, c1, ..] = l4
                .first_chunk_mut::<TCP_LEN>()
                .ok_or(ParseError::Short(at.wrapping_add(TCP_LEN)))?;
            let ports = exchange(side, port, (s0, s1), (d0, d1), addresses);
            let field = match sum {
                SumState::Full => ports.of_sum([*c0, *c1]),
                SumState::Partial => addresses.of_partial([*c0, *c1]),
            };
            [*c0, *c1] = field;
        }
        UDP => {
            let [s0, s1, d0, d1, _, _, c0, c1] = l4
                .first_chunk_mut::<UDP_LEN>()
                .ok_or(ParseError::Short(at.wrapping_add(UDP_LEN)))?;
            let ports = exchange(side, port, (s0, s1), (d0, d1), addresses);
            let field = match (sum, [*c0, *c1]) {
                (SumState::Full, [0, 0]) => [0, 0],
                (SumState::Full, field) => match ports.of_sum(field) {
                    [0, 0] => [0xff, 0xff],
                    other => other,
                },
                (SumState::Partial, field) => addresses.of_partial(field),
            };
            [*c0, *c1] = field;
        }
        _ => return Err(ParseError::Malformed),
    }
    Ok(())
}

/// Writes the port and returns the change of addresses and port together.
#[inline(always)]
fn exchange(
    side: Side,
    port: u16,
    source: (&mut u8, &mut u8),
    destination: (&mut u8, &mut u8),
    addresses: Change,
) -> Change {
    let (high, low) = match side {
        Side::Source => source,
        Side::Destination => destination,
    };
    let from = [*high, *low];
    let to = port.to_be_bytes();
    [*high, *low] = to;
    addresses.and2(from, to)
}
