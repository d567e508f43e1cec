// SPDX-License-Identifier: GPL-2.0

//! The Internet checksum (RFC 1071) and its repair after a change (RFC 1624).
//!
//! Sums are taken in the machine's byte order: swapping the bytes of every word swaps those of the
//! sum (RFC 1071, section 2 (B)), so what is read and written back in one order is right in any. That
//! spares a byte swap for each word.

/// What the checksum field of a transport header holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SumState {
    /// The folded sum of the pseudo header alone, not complemented; a device adds the rest later
    /// (`CHECKSUM_PARTIAL`).
    Partial,
    /// A complete checksum. A wrong one is repaired to one that is as wrong as it was.
    Full,
}

/// Folds a sum to 16 bits, bringing the carries round.
#[inline]
pub(crate) fn fold(sum: u64) -> u16 {
    // A number plus itself with swapped halves has, in its upper half, the sum of both halves and
    // the carry out of the lower one.
    let half = (sum.wrapping_add(sum.rotate_left(32)) >> 32) as u32;
    (half.wrapping_add(half.rotate_left(16)) >> 16) as u16
}

/// The checksum field of an IPv4 header whose field is zero or that has none yet.
pub(crate) fn of_header(header: &[u8; 20]) -> [u8; 2] {
    let mut sum = 0u64;
    for pair in header.chunks_exact(2) {
        if let Some(pair) = pair.first_chunk::<2>() {
            sum = sum.wrapping_add(u64::from(u16::from_ne_bytes(*pair)));
        }
    }
    (!fold(sum)).to_ne_bytes()
}

/// What a packet's sum gains by a rewrite: `~m + m'` of RFC 1624, equation 3, over all that changed.
///
/// It holds sums of at most a few 32-bit words, far below the 64 bits it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub(crate) struct Change(u64);

impl Change {
    /// Nothing changed.
    pub(crate) const NONE: Self = Self(0);

    /// Also, two bytes at an even offset became others.
    #[inline]
    pub(crate) fn and2(self, from: [u8; 2], to: [u8; 2]) -> Self {
        let from = u64::from(!u16::from_ne_bytes(from));
        let to = u64::from(u16::from_ne_bytes(to));
        Self(self.0.wrapping_add(from).wrapping_add(to))
    }

    /// Also, an IPv4 address became another.
    #[inline]
    pub(crate) fn and4(self, from: [u8; 4], to: [u8; 4]) -> Self {
        let from = u64::from(!u32::from_ne_bytes(from));
        let to = u64::from(u32::from_ne_bytes(to));
        Self(self.0.wrapping_add(from).wrapping_add(to))
    }

    /// Also, an IPv6 address became another.
    #[inline]
    pub(crate) fn and16(self, from: [u8; 16], to: [u8; 16]) -> Self {
        let from = !u128::from_ne_bytes(from);
        let to = u128::from_ne_bytes(to);
        let (sum, carry) = from.overflowing_add(to);
        // The carry comes round, and so does that of the two halves.
        let (sum, again) = (sum as u64).overflowing_add((sum >> 64) as u64);
        let word = (sum >> 32).wrapping_add(sum & 0xffff_ffff);
        let carries = u64::from(carry).wrapping_add(u64::from(again));
        Self(self.0.wrapping_add(word).wrapping_add(carries))
    }

    /// A checksum field after the change.
    #[inline]
    pub(crate) fn of_sum(self, field: [u8; 2]) -> [u8; 2] {
        let sum = u64::from(!u16::from_ne_bytes(field));
        (!fold(sum.wrapping_add(self.0))).to_ne_bytes()
    }

    /// A pseudo header's sum ([`SumState::Partial`]) after the change.
    #[inline]
    pub(crate) fn of_partial(self, field: [u8; 2]) -> [u8; 2] {
        let sum = u64::from(u16::from_ne_bytes(field));
        fold(sum.wrapping_add(self.0)).to_ne_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of RFC 1071's kind, whose checksum is known from elsewhere.
    const HEADER: [u8; 20] = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0x00, 0x01,
        0xc0, 0xa8, 0x00, 0xc7,
    ];

    #[test]
    fn known_header() {
        assert_eq!(of_header(&HEADER), [0xb8, 0x61]);
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
        assert_eq!(fold(u64::MAX), 0xffff);
        assert_eq!(fold(0xffff_0000_ffff_0001), 1);
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
