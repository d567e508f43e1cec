// SPDX-License-Identifier: GPL-2.0

//! Generic routing encapsulation, as far as tunnels to destinations use it (X-19; RFC 2784).

/// The protocol's number.
pub(crate) const PROTOCOL: u8 = 47;
/// Bytes of a header without a checksum.
pub(crate) const LEN: usize = 4;
/// Bytes of a header with one.
pub(crate) const SUM_LEN: usize = 8;
/// The Ethernet type of IPv4.
pub(crate) const IPV4: u16 = 0x0800;
/// The Ethernet type of IPv6.
pub(crate) const IPV6: u16 = 0x86dd;
/// The flag that says that there is a checksum.
const CHECKSUM: u16 = 0x8000;

/// Reads a header of version 0 without any option but the checksum: the type of what is inside, and
/// where in `bytes` that begins.
///
/// `None` where not all of it is there, or it has other options.
pub(crate) fn parse(bytes: &[u8]) -> Option<(u16, usize)> {
    let [f0, f1, t0, t1] = *bytes.first_chunk::<LEN>()?;
    let length = match u16::from_be_bytes([f0, f1]) {
        0 => LEN,
        CHECKSUM => SUM_LEN,
        _ => return None,
    };
    Some((u16::from_be_bytes([t0, t1]), length))
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
        // A key, a sequence number, another version, what RFC 2784 reserves.
        for first in [0x20, 0x10, 0xa0, 0x40, 0x08] {
            assert_eq!(parse(&[first, 0, 8, 0]), None);
        }
        assert_eq!(parse(&[0, 1, 8, 0]), None);
        for present in 0..4 {
            assert_eq!(parse(&[0, 0, 8, 0][..present]), None);
        }
    }
}
