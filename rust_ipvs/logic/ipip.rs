// SPDX-License-Identifier: GPL-2.0

//! The outer header of a packet in an IP tunnel (X-17; RFC 2003, RFC 2473).

use super::checksum;
use super::config::AddressFamily;

/// What the outer header takes from the inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OuterFor {
    /// The inner packet's family.
    pub(crate) family: AddressFamily,
    /// Its type of service or traffic class.
    pub(crate) tos: u8,
    /// Its time to live or hop limit, after it was aged.
    pub(crate) ttl: u8,
}

impl OuterFor {
    /// The protocol number of the inner packet.
    fn protocol(self) -> u8 {
        match self.family {
            AddressFamily::V4 => 4,
            AddressFamily::V6 => 41,
        }
    }

    /// The outer type of service: DSCP and ECN are copied, but a mark of congestion, which belongs
    /// to the inner packet, becomes ECT(0) (RFC 3168, section 9.1.1).
    fn tos(self) -> u8 {
        const ECN: u8 = 3;
        const CE: u8 = 3;
        const ECT_0: u8 = 2;
        if self.tos & ECN == CE {
            (self.tos & !ECN) | ECT_0
        } else {
            self.tos
        }
    }
}

/// Makes an outer IPv4 header, checksum included.
///
/// `payload_len` is the length of the inner packet; where the sum exceeds what the header can say, it
/// says 65535, and who sends the packet has to say better.
pub(crate) fn outer_v4(
    inner: OuterFor,
    src: [u8; 4],
    dst: [u8; 4],
    payload_len: u16,
    id: u16,
    df: bool,
) -> [u8; 20] {
    let [l0, l1] = payload_len.saturating_add(20).to_be_bytes();
    let [i0, i1] = id.to_be_bytes();
    let [s0, s1, s2, s3] = src;
    let [d0, d1, d2, d3] = dst;
    let f0 = if df { 0x40 } else { 0 };
    let (tos, ttl, protocol) = (inner.tos(), inner.ttl, inner.protocol());
    let with = |[c0, c1]: [u8; 2]| {
        [
            0x45, tos, l0, l1, i0, i1, f0, 0, ttl, protocol, c0, c1, s0, s1, s2, s3, d0, d1, d2, d3,
        ]
    };
    with(checksum::of_header(&with([0, 0])))
}

/// Makes an outer IPv6 header, flow label 0.
///
/// `payload_len` is the length of the inner packet.
pub(crate) fn outer_v6(
    inner: OuterFor,
    src: [u8; 16],
    dst: [u8; 16],
    payload_len: u16,
) -> [u8; 40] {
    let tos = inner.tos();
    let [p0, p1] = payload_len.to_be_bytes();
    let mut header = [0; 40];
    let fixed = [
        0x60 | (tos >> 4),
        tos << 4,
        0,
        0,
        p0,
        p1,
        inner.protocol(),
        inner.ttl,
    ];
    let bytes = fixed.iter().chain(&src).chain(&dst);
    for (to, from) in header.iter_mut().zip(bytes) {
        *to = *from;
    }
    header
}
