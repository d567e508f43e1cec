// SPDX-License-Identifier: GPL-2.0

//! Netlink attributes: type, length, value, one after the other.
//!
//! The rules are those of the kernel's liberal parser, which the family has to keep for the sake of old
//! clients (G-1): unknown attributes are passed over, of attributes that come twice the last counts,
//! integers may be longer than they need be, and what does not fit at the end is left alone.
//!
//! Integers are in the machine's byte order unless a name says otherwise.

/// Bytes of an attribute's own header.
const HEADER: usize = 4;
/// The bits of a type that are its number; the other two are flags.
const TYPE_MASK: u16 = 0x3fff;

/// An attribute: its number, without flag bits, and its payload.
pub(crate) type Attribute<'a> = (u16, &'a [u8]);

/// The attributes in a message or in a nest.
#[derive(Clone, Debug)]
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Walks over `bytes`, which are the payload of a message or of a nest.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let [l0, l1, t0, t1] = *self.0.first_chunk::<HEADER>()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let number = u16::from_ne_bytes([t0, t1]) & TYPE_MASK;
        let payload = self.0.get(HEADER..length)?;
        // The next one starts at a multiple of 4; after the last one the filling may be missing.
        let after = length.wrapping_add(3) & !3;
        self.0 = self.0.get(after..).unwrap_or(&[]);
        Some((number, payload))
    }
}

/// Finds an attribute's payload.
pub(crate) fn find(bytes: &[u8], number: u16) -> Option<&[u8]> {
    Attributes::new(bytes)
        .filter(|(n, _)| *n == number)
        .last()
        .map(|(_, payload)| payload)
}

/// Reads a `u8`; `None` where the payload is too short.
pub(crate) fn u8(payload: &[u8]) -> Option<u8> {
    payload.first().copied()
}

/// Reads a `u16`; `None` where the payload is too short.
pub(crate) fn u16(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().copied().map(u16::from_ne_bytes)
}

/// Reads a `u16` in network byte order; `None` where the payload is too short.
pub(crate) fn be16(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().copied().map(u16::from_be_bytes)
}

/// Reads a `u32`; `None` where the payload is too short.
pub(crate) fn u32(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().copied().map(u32::from_ne_bytes)
}

/// Reads at most `N` bytes, filled up with zeros; `None` where there are more.
pub(crate) fn binary<const N: usize>(payload: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    bytes.get_mut(..payload.len())?.copy_from_slice(payload);
    Some(bytes)
}

/// Reads a string of at most `max` bytes that ends with a zero byte, which is not returned.
///
/// As the kernel has it: the zero has to be among the first `max + 1` bytes, and of what follows there may
/// not be more than fits into `max` bytes and one zero.
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
