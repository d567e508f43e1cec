// SPDX-License-Identifier: GPL-2.0

//! Generic UDP encapsulation: the header between UDP and the inner packet (X-18;
//! draft-ietf-intarea-gue).

/// Length of a UDP header, in bytes.
pub(crate) const UDP_LEN: usize = 8;
/// Length of a header without optional fields, in bytes.
pub(crate) const LEN: usize = 4;
/// Length of a header with the remote checksum option, in bytes.
pub(crate) const REMOTE_LEN: usize = 12;

/// Flag of private flags, which follow in the second half of the header.
const PRIVATE: u16 = 0x0001;
/// Private flag of the remote checksum option, followed by its two offsets.
const REMOTE_CHECKSUM: u32 = 0x8000_0000;
/// Bits of the first byte with the number of 32-bit words of options.
const WORDS: u8 = 0x1f;

/// Builds a header without optional fields for a packet of protocol `inner`.
pub(crate) const fn header(inner: u8) -> [u8; LEN] {
    [0, inner, 0, 0]
}

/// Builds a header with the remote checksum option: the receiver completes the inner packet's
/// transport checksum.
///
/// `start` is the offset of the summed bytes and `field` that of the checksum, both from the start
/// of the inner packet, in bytes.
pub(crate) fn header_with_remote_checksum(inner: u8, start: u16, field: u16) -> [u8; REMOTE_LEN] {
    let words = ((REMOTE_LEN - LEN) / 4) as u8;
    let [f0, f1] = PRIVATE.to_be_bytes();
    let [p0, p1, p2, p3] = REMOTE_CHECKSUM.to_be_bytes();
    let [s0, s1] = start.to_be_bytes();
    let [c0, c1] = field.to_be_bytes();
    [words, inner, f0, f1, p0, p1, p2, p3, s0, s1, c0, c1]
}

/// Parses the UDP header and the GUE header. Returns the destination port, and for a data message
/// of version 0 its protocol and its offset in `bytes`.
///
/// Returns `None` if either header is incomplete.
pub(crate) fn parse(bytes: &[u8]) -> Option<(u16, Option<(u8, usize)>)> {
    let (udp, rest) = bytes.split_first_chunk::<UDP_LEN>()?;
    let [_, _, d0, d1, ..] = *udp;
    let [first, inner, ..] = *rest.first_chunk::<LEN>()?;
    let words = usize::from(first & WORDS);
    let data = (first & !WORDS == 0)
        .then(|| (inner, words.saturating_mul(4).saturating_add(UDP_LEN + LEN)));
    Some((u16::from_be_bytes([d0, d1]), data))
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_gue),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    //
    #[test]
    fn headers() {
        assert_eq!(header(4), [0, 4, 0, 0]);
        let expected = [2, 41, 0, 1, 0x80, 0, 0, 0, 0, 40, 0, 56];
        assert_eq!(header_with_remote_checksum(41, 40, 56), expected);
    }

    // I-5
    #[cfg(test)]
    #[test]
    fn what_is_inside() {
        let udp = [0x12, 0x34, 0x15, 0xb3, 0, 0, 0, 0];
        let with = |gue: &[u8]| parse(&[&udp, gue].concat());
        assert_eq!(with(&header(4)), Some((5555, Some((4, 12)))));
        let remote = header_with_remote_checksum(4, 20, 36);
        assert_eq!(with(&remote), Some((5555, Some((4, 20)))));
        // A control message; version 1.
        assert_eq!(with(&[0x20, 4, 0, 0]), Some((5555, None)));
        assert_eq!(with(&[0x45, 0, 0, 0]), Some((5555, None)));
        for present in 0..12 {
            assert_eq!(parse(&[&udp[..], &header(4)].concat()[..present]), None);
        }
    }
}
