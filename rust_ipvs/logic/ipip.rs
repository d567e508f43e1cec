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

#[cfg(test)]
mod tests {
    use super::*;

    const INNER: OuterFor = OuterFor {
        family: AddressFamily::V4,
        tos: 0xb8,
        ttl: 63,
    };

    //
    #[test]
    fn outer_ipv4() {
        let header = outer_v4(INNER, [192, 0, 2, 1], [203, 0, 113, 77], 84, 0x1234, true);
        let expected = [
            0x45, 0xb8, 0, 104, 0x12, 0x34, 0x40, 0, 63, 4, header[10], header[11], 192, 0, 2, 1,
            203, 0, 113, 77,
        ];
        assert_eq!(header, expected);
        let words = header.chunks(2);
        let sum: u32 = words
            .map(|w| (u32::from(w[0]) << 8) | u32::from(w[1]))
            .sum();
        assert_eq!((sum >> 16) + (sum & 0xffff), 0xffff);
        let inner = OuterFor {
            family: AddressFamily::V6,
            ..INNER
        };
        let header = outer_v4(inner, [0; 4], [0; 4], u16::MAX, 0, false);
        assert_eq!(header[2..4], [0xff, 0xff]);
        assert_eq!((header[6], header[9]), (0, 41));
    }

    //
    #[test]
    fn outer_ipv6() {
        let header = outer_v6(INNER, [1; 16], [2; 16], 84);
        assert_eq!(header[..8], [0x6b, 0x80, 0, 0, 0, 84, 4, 63]);
        assert_eq!(header[8..24], [1; 16]);
        assert_eq!(header[24..], [2; 16]);
        let inner = OuterFor {
            family: AddressFamily::V6,
            ..INNER
        };
        assert_eq!(outer_v6(inner, [1; 16], [2; 16], 0)[6], 41);
    }

    //
    #[test]
    fn congestion_marks_stay_inside() {
        let tos = |tos| OuterFor { tos, ..INNER }.tos();
        for dscp in (0..=252).step_by(4) {
            assert_eq!(tos(dscp), dscp);
            assert_eq!(tos(dscp | 1), dscp | 1);
            assert_eq!(tos(dscp | 2), dscp | 2);
            assert_eq!(tos(dscp | 3), dscp | 2);
        }
    }
}
