// SPDX-License-Identifier: GPL-2.0

//! Outer header of a tunnelled packet (X-17; RFC 2003, RFC 2473).

use super::config::AddressFamily;

/// Length of the outer IPv4 header, in bytes.
pub(crate) const V4_LEN: usize = 20;
/// Length of the outer IPv6 header, in bytes.
pub(crate) const V6_LEN: usize = 40;

/// Protocol number of IPv4 in IP.
const IPIP: u8 = 4;
/// Protocol number of IPv6 in IP.
const IPV6: u8 = 41;

/// Returns the protocol number of an inner packet of a family.
#[inline(always)]
pub(crate) const fn number(inner: AddressFamily) -> u8 {
    match inner {
        AddressFamily::V4 => IPIP,
        AddressFamily::V6 => IPV6,
    }
}

/// Returns the family of the inner packet, given the protocol number of the header before it.
pub(crate) const fn family(protocol: u8) -> Option<AddressFamily> {
    match protocol {
        IPIP => Some(AddressFamily::V4),
        IPV6 => Some(AddressFamily::V6),
        _ => None,
    }
}

/// Returns the length of the outer header of a family, in bytes.
#[inline(always)]
pub(crate) const fn length(outer: AddressFamily) -> usize {
    match outer {
        AddressFamily::V4 => V4_LEN,
        AddressFamily::V6 => V6_LEN,
    }
}

/// Fields of the outer header that depend on the inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outer {
    /// Protocol that follows the outer header.
    pub(crate) protocol: u8,
    /// Type of service or traffic class of the inner packet.
    pub(crate) tos: u8,
    /// TTL or hop limit of the inner packet, decremented.
    pub(crate) ttl: u8,
}

impl Outer {
    /// Returns the outer type of service. DSCP and ECN are copied, but CE, which belongs to the
    /// inner packet, becomes ECT(0) (RFC 3168, section 9.1.1).
    #[inline(always)]
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

    /// Writes an outer IPv4 header. Total length and checksum are 0; the caller fills them in.
    ///
    /// A packet that may be fragmented needs an identification (RFC 6864).
    #[inline(always)]
    pub(crate) fn write_v4(
        self,
        header: &mut [u8; V4_LEN],
        src: [u8; 4],
        dst: [u8; 4],
        id: u16,
        df: bool,
    ) {
        let [i0, i1] = id.to_be_bytes();
        let f0 = if df { 0x40 } else { 0 };
        // Each part is written by one store.
        let (first, rest) = header.split_at_mut(8);
        let (second, rest) = rest.split_at_mut(4);
        let (from, to) = rest.split_at_mut(4);
        let fixed = u64::from_ne_bytes([0x45, self.tos(), 0, 0, i0, i1, f0, 0]);
        first.copy_from_slice(&fixed.to_ne_bytes());
        let carried = u32::from_ne_bytes([self.ttl, self.protocol, 0, 0]);
        second.copy_from_slice(&carried.to_ne_bytes());
        from.copy_from_slice(&src);
        to.copy_from_slice(&dst);
    }

    /// Writes an outer IPv6 header with flow label 0. The payload length is 0; the caller fills it
    /// in.
    #[inline(always)]
    pub(crate) fn write_v6(self, header: &mut [u8; V6_LEN], src: [u8; 16], dst: [u8; 16]) {
        let tos = self.tos();
        let fixed = [
            0x60 | (tos >> 4),
            tos << 4,
            0,
            0,
            0,
            0,
            self.protocol,
            self.ttl,
        ];
        let (first, rest) = header.split_at_mut(8);
        let (from, to) = rest.split_at_mut(16);
        first.copy_from_slice(&u64::from_ne_bytes(fixed).to_ne_bytes());
        from.copy_from_slice(&src);
        to.copy_from_slice(&dst);
    }
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_ipip),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    const OUTER: Outer = Outer {
        protocol: IPIP,
        tos: 0xb8,
        ttl: 63,
    };

    //
    #[test]
    fn outer_ipv4() {
        let mut header = [0xff; V4_LEN];
        OUTER.write_v4(&mut header, [192, 0, 2, 1], [203, 0, 113, 77], 0x1234, true);
        let expected = [
            0x45, 0xb8, 0, 0, 0x12, 0x34, 0x40, 0, 63, 4, 0, 0, 192, 0, 2, 1, 203, 0, 113, 77,
        ];
        assert_eq!(header, expected);
        let outer = Outer {
            protocol: number(AddressFamily::V6),
            ..OUTER
        };
        outer.write_v4(&mut header, [0; 4], [0; 4], 0, false);
        assert_eq!((header[6], header[9]), (0, 41));
    }

    //
    #[test]
    fn outer_ipv6() {
        let mut header = [0xff; V6_LEN];
        OUTER.write_v6(&mut header, [1; 16], [2; 16]);
        assert_eq!(header[..8], [0x6b, 0x80, 0, 0, 0, 0, 4, 63]);
        assert_eq!(header[8..24], [1; 16]);
        assert_eq!(header[24..], [2; 16]);
    }

    //
    #[test]
    fn protocols_of_what_is_inside() {
        assert_eq!(number(AddressFamily::V4), 4);
        assert_eq!(number(AddressFamily::V6), 41);
    }

    //
    #[test]
    fn congestion_marks_stay_inside() {
        let tos = |tos| Outer { tos, ..OUTER }.tos();
        for dscp in (0..=252).step_by(4) {
            assert_eq!(tos(dscp), dscp);
            assert_eq!(tos(dscp | 1), dscp | 1);
            assert_eq!(tos(dscp | 2), dscp | 2);
            assert_eq!(tos(dscp | 3), dscp | 2);
        }
    }
}
