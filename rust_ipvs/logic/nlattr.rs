// SPDX-License-Identifier: GPL-2.0

//! Netlink attributes: type, length, value, in sequence.
//!
//! The rules are those of the kernel's liberal parser (`NL_VALIDATE_LIBERAL`), which old clients
//! depend on (G-1): unknown attributes are skipped, the last one of a type counts, integers may be
//! longer than needed, and trailing bytes that are no attribute are ignored.
//!
//! Integers are in native byte order unless a name says otherwise.

/// Length of an attribute's header, in bytes.
const HEADER: usize = 4;
/// Bits of a type that are its number; the other two are flags (`NLA_TYPE_MASK`).
const TYPE_MASK: u16 = 0x3fff;

/// Attribute: its number without flags, and its payload.
pub(crate) type Attribute<'a> = (u16, &'a [u8]);

/// Iterator over the attributes of a message or nest.
#[derive(Clone, Debug)]
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Makes an iterator over `bytes`, the payload of a message or nest.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes that were not read. At the end they are those that are no attribute.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let [l0, l1, t0, t1] = *self.0.first_chunk::<HEADER>()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let number = u16::from_ne_bytes([t0, t1]) & TYPE_MASK;
        let payload = self.0.get(HEADER..length)?;
        // The next attribute starts at a multiple of 4. The last one may lack its padding.
        let after = length.wrapping_add(3) & !3;
        self.0 = self.0.get(after..).unwrap_or(&[]);
        Some((number, payload))
    }
}

/// Returns the payload of an attribute.
pub(crate) fn find(bytes: &[u8], number: u16) -> Option<&[u8]> {
    Attributes::new(bytes)
        .filter(|(n, _)| *n == number)
        .last()
        .map(|(_, payload)| payload)
}

/// Reads a `u8`; `None` if the payload is too short.
pub(crate) fn u8(payload: &[u8]) -> Option<u8> {
    payload.first().copied()
}

/// Reads a `u16`; `None` if the payload is too short.
pub(crate) fn u16(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().copied().map(u16::from_ne_bytes)
}

/// Reads a `u16` in network byte order; `None` if the payload is too short.
pub(crate) fn be16(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().copied().map(u16::from_be_bytes)
}

/// Reads a `u32`; `None` if the payload is too short.
pub(crate) fn u32(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().copied().map(u32::from_ne_bytes)
}

/// Reads at most `N` bytes, padded with zeros; `None` if the payload is longer.
pub(crate) fn binary<const N: usize>(payload: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    bytes.get_mut(..payload.len())?.copy_from_slice(payload);
    Some(bytes)
}

/// Reads a string of at most `max` bytes and returns it without its terminator.
///
/// As in the kernel (`NLA_NUL_STRING`), the payload must contain the terminator, and may be at most
/// `max` bytes and a final zero long.
pub(crate) fn string(payload: &[u8], max: usize) -> Option<&[u8]> {
    let text = match payload.split_last()? {
        (0, text) => text,
        _ => payload,
    };
    if text.len() > max {
        return None;
    }
    let end = payload.iter().position(|byte| *byte == 0)?;
    payload.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An attribute with padding.
    fn attribute(number: u16, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(HEADER + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(number.to_ne_bytes());
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0xee);
        bytes
    }

    // G-1
    #[test]
    fn walks_over_all() {
        let bytes = [
            attribute(1, &[1]),
            attribute(0x8002, &[2, 2, 2, 2]),
            attribute(0x4003, &[]),
            attribute(0xffff, &[4; 5]),
        ]
        .concat();
        let found: Vec<_> = Attributes::new(&bytes).collect();
        assert_eq!(
            found,
            [
                (1, &[1][..]),
                (2, &[2; 4][..]),
                (3, &[][..]),
                (0x3fff, &[4; 5][..])
            ]
        );
        // The last attribute may lack its padding.
        assert_eq!(Attributes::new(&bytes[..bytes.len() - 3]).count(), 4);
        assert_eq!(Attributes::new(&bytes[..bytes.len() - 4]).count(), 3);
    }

    #[test]
    fn lies_about_length_end_the_walk() {
        for length in [0u16, 1, 2, 3, 9, 100, u16::MAX] {
            let mut bytes = attribute(7, &[1, 2, 3, 4]);
            bytes.extend([length.to_ne_bytes(), 8u16.to_ne_bytes()].concat());
            bytes.extend([0; 4]);
            let found: Vec<_> = Attributes::new(&bytes).collect();
            assert_eq!(found, [(7, &[1, 2, 3, 4][..])]);
        }
        assert_eq!(Attributes::new(&[]).count(), 0);
        assert_eq!(Attributes::new(&[4, 0, 1]).count(), 0);
    }

    // G-1
    #[test]
    fn the_last_of_two_counts() {
        let bytes = [attribute(5, &[1]), attribute(6, &[2]), attribute(5, &[3])].concat();
        assert_eq!(find(&bytes, 5), Some(&[3][..]));
        assert_eq!(find(&bytes, 6), Some(&[2][..]));
        assert_eq!(find(&bytes, 7), None);
    }

    // G-5
    #[test]
    fn integers_may_be_too_long_but_not_too_short() {
        let bytes = 0x0102_0304_0506_0708_u64.to_be_bytes();
        assert_eq!(u8(&bytes), Some(1));
        assert_eq!(be16(&bytes), Some(0x0102));
        assert_eq!(u16(&bytes), Some(u16::from_ne_bytes([1, 2])));
        assert_eq!(u32(&bytes), Some(u32::from_ne_bytes([1, 2, 3, 4])));
        assert_eq!(u8(&[]), None);
        assert_eq!(be16(&bytes[..1]), None);
        assert_eq!(u16(&bytes[..1]), None);
        assert_eq!(u32(&bytes[..3]), None);
    }

    // G-6
    #[test]
    fn binaries_are_filled_up() {
        assert_eq!(binary::<4>(&[1, 2]), Some([1, 2, 0, 0]));
        assert_eq!(binary::<4>(&[]), Some([0; 4]));
        assert_eq!(binary::<4>(&[1, 2, 3, 4]), Some([1, 2, 3, 4]));
        assert_eq!(binary::<4>(&[1, 2, 3, 4, 5]), None);
    }

    // G-6
    #[test]
    fn strings_end_with_a_zero() {
        assert_eq!(string(b"rr\0", 3), Some(&b"rr"[..]));
        assert_eq!(string(b"wrr\0", 3), Some(&b"wrr"[..]));
        assert_eq!(string(b"\0", 3), Some(&b""[..]));
        assert_eq!(string(b"a\0b", 3), Some(&b"a"[..]));
        assert_eq!(string(b"a\0\0\0", 3), Some(&b"a"[..]));
        assert_eq!(string(b"a\0\0\0\0", 3), None, "too much follows");
        assert_eq!(string(b"wlcx\0", 3), None, "too long");
        assert_eq!(string(b"rr", 3), None, "no end");
        assert_eq!(string(b"", 3), None, "no end");
    }
}
