// SPDX-License-Identifier: GPL-2.0

//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//!
//! Sums are in native byte order: swapping the bytes of every word swaps those of the sum (RFC
//! 1071, section 2 (B)), so a sum that is read and written in one order is correct in any. That
//! saves a byte swap per word.

/// State of the checksum of a transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SumState {
    /// The folded sum of the pseudo header alone, not complemented (`CHECKSUM_PARTIAL`). The device
    /// adds the rest.
    Partial,
    /// A complete checksum. An incorrect one stays incorrect by the same difference.
    Full,
}

impl SumState {
    /// Returns the state by `skb->ip_summed == CHECKSUM_PARTIAL`.
    #[inline(always)]
    pub(crate) fn of(partial: bool) -> Self {
        if partial {
            Self::Partial
        } else {
            Self::Full
        }
    }
}

/// Folds a sum to 16 bits with end-around carry.
#[inline(always)]
pub(crate) fn fold(sum: u32) -> u16 {
    // A number plus itself with swapped halves has the sum of both halves in its upper half, with
    // the carry out of the lower one.
    (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
}

/// Returns whether the checksum of an IPv4 header without options is correct (`ip_fast_csum()`).
#[inline(always)]
pub(crate) fn is_right(header: &[u8; 20]) -> bool {
    let words = header.chunks_exact(4).fold(0u64, |sum, word| {
        let word = word.first_chunk::<4>().copied().unwrap_or_default();
        sum.wrapping_add(u32::from_ne_bytes(word).into())
    });
    // The upper half holds the carries; adding it carries at most once more.
    let (sum, carry) = (words as u32).overflowing_add((words >> 32) as u32);
    fold(sum.wrapping_add(carry.into())) == u16::MAX
}

/// Returns the checksum of an IPv4 header without options whose checksum field is zero.
#[cfg(test)]
pub(crate) fn of_header(header: &[u8; 20]) -> [u8; 2] {
    let mut sum = 0u32;
    for pair in header.chunks_exact(2) {
        if let Some(pair) = pair.first_chunk::<2>() {
            sum = sum.wrapping_add(u16::from_ne_bytes(*pair).into());
        }
    }
    (!fold(sum)).to_ne_bytes()
}

/// Returns the folded sum of bytes that start at an even offset.
pub(crate) fn of_bytes(bytes: &[u8]) -> [u8; 2] {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        let word = match *pair {
            [first, second] => [first, second],
            [last] => [last, 0],
            _ => [0; 2],
        };
        sum = fold(sum.wrapping_add(u16::from_ne_bytes(word).into())).into();
    }
    (sum as u16).to_ne_bytes()
}

/// Returns the checksum of an IPv4 header after its TTL, which was not 0, was decremented
/// (`ip_decrease_ttl()`).
///
/// The TTL is the upper byte of its word, so the checksum gains 0x0100. 0xffff stands for the 0
/// that no update gives (RFC 1624).
#[inline(always)]
pub(crate) fn of_dec_ttl(field: [u8; 2]) -> [u8; 2] {
    let one = u32::from(u16::from_ne_bytes([1, 0]));
    let sum = u32::from(u16::from_ne_bytes(field)).wrapping_add(one);
    (sum.wrapping_add(u32::from(sum >= 0xffff)) as u16).to_ne_bytes()
}

/// Change of a packet's sum by a rewrite: `~m + m'` of RFC 1624, equation 3, over all changed
/// words.
///
/// The sum is of few 16-bit words, so that it does not exceed 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub(crate) struct Change(u32);

impl Change {
    /// No change.
    pub(crate) const NONE: Self = Self(0);

    /// Adds the change of two bytes at an even offset.
    #[inline(always)]
    pub(crate) fn and2(self, from: [u8; 2], to: [u8; 2]) -> Self {
        let from = u32::from(!u16::from_ne_bytes(from));
        let to = u32::from(u16::from_ne_bytes(to));
        Self(self.0.wrapping_add(from).wrapping_add(to))
    }

    /// Adds the change of an IPv4 address.
    #[inline(always)]
    pub(crate) fn and4(self, from: [u8; 4], to: [u8; 4]) -> Self {
        let (sum, carry) = (!u32::from_ne_bytes(from)).overflowing_add(u32::from_ne_bytes(to));
        self.and_sum(sum.wrapping_add(carry.into()))
    }

    /// Adds the change of an IPv6 address.
    #[inline(always)]
    pub(crate) fn and16(self, from: [u8; 16], to: [u8; 16]) -> Self {
        let (sum, carry) = (!u128::from_ne_bytes(from)).overflowing_add(u128::from_ne_bytes(to));
        // Adding the carry does not overflow again: an overflowed sum is less than either summand.
        let sum = sum.wrapping_add(carry.into());
        let (sum, carry) = (sum as u64).overflowing_add((sum >> 64) as u64);
        let sum = sum.wrapping_add(carry.into());
        let (sum, carry) = (sum as u32).overflowing_add((sum >> 32) as u32);
        self.and_sum(sum.wrapping_add(carry.into()))
    }

    /// Adds a 32-bit sum, folded to 17 bits.
    #[inline(always)]
    fn and_sum(self, sum: u32) -> Self {
        let sum = (sum >> 16).wrapping_add(sum & 0xffff);
        Self(self.0.wrapping_add(sum))
    }

    /// Returns a checksum field after the change.
    #[inline(always)]
    pub(crate) fn of_sum(self, field: [u8; 2]) -> [u8; 2] {
        let sum = u32::from(!u16::from_ne_bytes(field));
        (!fold(sum.wrapping_add(self.0))).to_ne_bytes()
    }

    /// Returns a pseudo header's sum ([`SumState::Partial`]) after the change.
    #[inline(always)]
    pub(crate) fn of_partial(self, field: [u8; 2]) -> [u8; 2] {
        let sum = u32::from(u16::from_ne_bytes(field));
        fold(sum.wrapping_add(self.0)).to_ne_bytes()
    }
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_checksum),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    /// IPv4 header whose checksum was computed elsewhere.
    const HEADER: [u8; 20] = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0x00, 0x01,
        0xc0, 0xa8, 0x00, 0xc7,
    ];

    #[cfg(test)]
    #[test]
    fn known_header() {
        assert_eq!(of_header(&HEADER), [0xb8, 0x61]);
    }

    #[cfg(test)]
    #[test]
    fn header_with_its_checksum_is_right() {
        // Each byte is changed; the words of 0xff make carries.
        for fill in [None, Some(0xff), Some(0)] {
            let mut header = HEADER;
            if let Some(fill) = fill {
                header[12..].fill(fill);
                header[2..6].fill(fill);
            }
            let sum = of_header(&header);
            header[10..12].copy_from_slice(&sum);
            assert!(is_right(&header));
            for at in 0..20 {
                let mut wrong = header;
                wrong[at] ^= 0x41;
                assert!(!is_right(&wrong), "byte {at}");
            }
        }
        assert!(!is_right(&[0; 20]));
    }

    /// The example of RFC 1624, section 4: equation 3 gives 0 where equation 2 gave 0xffff.
    #[test]
    fn rfc_1624_example() {
        let change = Change::NONE.and2([0x55, 0x55], [0x32, 0x85]);
        assert_eq!(change.of_sum([0xdd, 0x2f]), [0, 0]);
    }

    #[test]
    fn fold_brings_carries_round() {
        assert_eq!(fold(0), 0);
        assert_eq!(fold(0x1_0000), 1);
        assert_eq!(fold(0xffff), 0xffff);
        assert_eq!(fold(0x1_ffff), 1);
        assert_eq!(fold(u32::MAX), 0xffff);
        assert_eq!(fold(0xffff_0001), 1);
        assert_eq!(fold(0xfffe_ffff), 0xfffe);
    }

    // for each value of the field, the result of equation 3.
    #[cfg(test)]
    #[test]
    fn dec_ttl_is_a_change_of_a_word() {
        for field in (0..0xffffu16).step_by(if cfg!(miri) { 997 } else { 1 }) {
            let field = field.to_be_bytes();
            let change = Change::NONE.and2([64, 6], [63, 6]);
            assert_eq!(of_dec_ttl(field), change.of_sum(field), "{field:02x?}");
        }
    }

    // T-16
    #[test]
    fn address_change_equals_word_changes() {
        let from = [192, 0, 2, 1];
        let to = [10, 255, 255, 254];
        let at_once = Change::NONE.and4(from, to);
        let by_words = Change::NONE
            .and2([192, 0], [10, 255])
            .and2([2, 1], [255, 254]);
        for field in [[0, 0], [0xff, 0xff], [0x12, 0x34]] {
            assert_eq!(at_once.of_sum(field), by_words.of_sum(field));
        }
        let mut from = [0xff; 16];
        from[3] = 1;
        let to = [0x80; 16];
        let at_once = Change::NONE.and16(from, to);
        let mut by_words = Change::NONE;
        for (from, to) in from.chunks(4).zip(to.chunks(4)) {
            by_words = by_words.and4(from.try_into().unwrap(), to.try_into().unwrap());
        }
        for field in [[0, 0], [0xff, 0xff], [0x12, 0x34]] {
            assert_eq!(at_once.of_sum(field), by_words.of_sum(field));
            assert_eq!(at_once.of_partial(field), by_words.of_partial(field));
        }
    }
}
