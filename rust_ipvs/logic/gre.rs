// SPDX-License-Identifier: GPL-2.0

//! Generic routing encapsulation of tunnels to destinations (X-19; RFC 2784).

use super::config::AddressFamily;

/// IP protocol number.
pub(crate) const PROTOCOL: u8 = 47;
/// Length of a header without checksum, in bytes.
pub(crate) const LEN: usize = 4;
/// Length of a header with checksum, in bytes.
pub(crate) const SUM_LEN: usize = 8;
/// EtherType of IPv4.
pub(crate) const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub(crate) const IPV6: u16 = 0x86dd;
/// Flag of a header with checksum.
const CHECKSUM: u16 = 0x8000;

/// Parses a header of version 0 without options other than the checksum. Returns the EtherType of
/// the inner packet and its offset in `bytes`.
///
/// Returns `None` if the header is incomplete or has other options.
pub(crate) fn parse(bytes: &[u8]) -> Option<(u16, usize)> {
    let [f0, f1, t0, t1] = *bytes.first_chunk::<LEN>()?;
    let length = match u16::from_be_bytes([f0, f1]) {
        0 => LEN,
        CHECKSUM => SUM_LEN,
        _ => return None,
    };
    Some((u16::from_be_bytes([t0, t1]), length))
}

/// Returns the family of the inner packet, given its EtherType.
pub(crate) const fn family(kind: u16) -> Option<AddressFamily> {
    match kind {
        IPV4 => Some(AddressFamily::V4),
        IPV6 => Some(AddressFamily::V6),
        _ => None,
    }
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_gre),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    // I-5
    #[test]
    fn what_is_inside() {
        assert_eq!(parse(&[0, 0, 8, 0]), Some((IPV4, 4)));
        assert_eq!(parse(&[0x80, 0, 0x86, 0xdd, 1, 2]), Some((IPV6, 8)));
        // A key, a sequence number, another version, reserved bits of RFC 2784.
        for first in [0x20, 0x10, 0xa0, 0x40, 0x08] {
            assert_eq!(parse(&[first, 0, 8, 0]), None);
        }
        assert_eq!(parse(&[0, 1, 8, 0]), None);
        for present in 0..4 {
            assert_eq!(parse(&[0, 0, 8, 0][..present]), None);
        }
    }
}
