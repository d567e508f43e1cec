// SPDX-License-Identifier: GPL-2.0

//! Hashes of `sh`, `dh` and `mh` (D-15, D-16).
//!
//! Every director of a cluster must send the same flow to the same destination, so these are bit
//! for bit those of C IPVS and have no random key. A client that knows them can choose addresses
//! that share a destination; every scheduler of this kind has that property.

use super::super::config::{
    AddressFamily,
    Ip, //
};
use super::super::family::{
    Endpoint,
    Family, //
};
use super::super::packet::{
    SCTP,
    TCP,
    UDP, //
};
use super::flow::Flow;

/// Returns an address as a number: an IPv4 address itself, an IPv6 address as the exclusive-or of
/// its 32-bit words. `address` is in network byte order.
pub(super) fn fold(address: &[u8]) -> u32 {
    address.chunks(4).fold(0, |sum, word| {
        let word = word
            .iter()
            .fold(0, |word, byte| (word << 8) | u32::from(*byte));
        sum ^ word
    })
}

/// Folds a destination's address for a service of family `F`.
///
/// For the other family the result is C IPVS's: an IPv6 destination of an IPv4 service counts with
/// its first 32-bit word.
pub(super) fn fold_for<F: Family>(address: &Ip) -> u32 {
    match (address, F::FAMILY) {
        (Ip::V4(address), _) => fold(address),
        (Ip::V6(address), AddressFamily::V4) => fold(address.get(..4).unwrap_or(&[])),
        (Ip::V6(address), AddressFamily::V6) => fold(address),
    }
}

/// Returns the client's address as a number. Its port is added if `with_port` is set and the
/// protocol is TCP, UDP or SCTP.
pub(super) fn client<F: Family>(flow: &Flow<F>, with_port: bool) -> u32 {
    let Endpoint { addr, port } = &flow.client;
    let port = match flow.protocol {
        TCP | UDP | SCTP if with_port => *port,
        _ => 0,
    };
    fold(addr.as_ref()).wrapping_add(port.into())
}

/// Returns the entry of a 256-entry table for a number.
pub(super) fn slot(value: u32) -> u8 {
    (value.wrapping_mul(0x61c8_8647) >> 24) as u8
}

/// Returns SipHash-1-3 of a 32-bit number, truncated to 32 bits, with both key words equal to
/// `key`.
///
/// Aumasson and Bernstein, SipHash: a fast short-input PRF, 2012.
pub(super) fn siphash(key: u64, value: u32) -> u32 {
    let mut v = [
        key ^ 0x736f_6d65_7073_6575,
        key ^ 0x646f_7261_6e64_6f6d,
        key ^ 0x6c79_6765_6e65_7261,
        key ^ 0x7465_6462_7974_6573,
    ];
    // The only block: the number, and the length in the top byte.
    let word = (4 << 56) | u64::from(value);
    let [.., last] = &mut v;
    *last ^= word;
    v = round(v);
    let [v0, v1, v2, v3] = v;
    v = [v0 ^ word, v1, v2 ^ 0xff, v3];
    let [v0, v1, v2, v3] = round(round(round(v)));
    (v0 ^ v1 ^ v2 ^ v3) as u32
}

fn round([a, b, c, d]: [u64; 4]) -> [u64; 4] {
    let (a, b) = mix(a, b, 13);
    let (c, d) = mix(c, d, 16);
    let a = a.rotate_left(32);
    let (a, d) = mix(a, d, 21);
    let (c, b) = mix(c, b, 17);
    [a, b, c.rotate_left(32), d]
}

fn mix(a: u64, b: u64, by: u32) -> (u64, u64) {
    let sum = a.wrapping_add(b);
    (sum, b.rotate_left(by) ^ sum)
}

#[cfg(test)]
mod tests {
    use super::super::super::family::{V4, V6};
    use super::*;

    //
    #[test]
    fn slots_of_the_specification() {
        let clients = [
            ([192, 0, 2, 1], 50, 214),
            ([192, 0, 2, 2], 148, 56),
            ([192, 0, 2, 3], 246, 154),
            ([10, 1, 2, 3], 2, 166),
            ([203, 0, 113, 77], 57, 221),
        ];
        for (addr, plain, with_port) in clients {
            let client_addr = Endpoint { addr, port: 40000 };
            for protocol in [TCP, UDP, SCTP, 50] {
                let flow = Flow::<V4> {
                    protocol,
                    client: client_addr,
                    addressee: [0; 4],
                };
                assert_eq!(slot(client(&flow, false)), plain);
                let expected = if protocol == 50 { plain } else { with_port };
                assert_eq!(slot(client(&flow, true)), expected);
            }
        }
    }

    //
    #[test]
    fn siphash_of_the_specification() {
        let (h1, h2) = (2654435761, 2654446892);
        assert_eq!(siphash(h1, 0), 0x1d5a_77c2);
        assert_eq!(siphash(h1, 1), 0x16ec_66b2);
        assert_eq!(siphash(h2, 1), 0x8210_aad1);
    }

    // D-15
    #[test]
    fn addresses_fold() {
        let v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 0, 0, 0xff];
        assert_eq!(fold(&[10, 1, 2, 3]), 0x0a01_0203);
        assert_eq!(fold(&v6), 0x2001_0db8 ^ 1 ^ 0x8000_00ff);
        assert_eq!(fold_for::<V6>(&Ip::V6(v6)), fold(&v6));
        assert_eq!(fold_for::<V4>(&Ip::V6(v6)), 0x2001_0db8);
        assert_eq!(fold_for::<V4>(&Ip::V4([10, 1, 2, 3])), 0x0a01_0203);
        assert_eq!(fold_for::<V6>(&Ip::V4([10, 1, 2, 3])), 0x0a01_0203);
    }
}
