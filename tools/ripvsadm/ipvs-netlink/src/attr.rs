// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Attributes on the wire: a length, a number, a payload, padding to four bytes.
//!
//! Integers are in host order unless a name here says `be`. A listing is made of hundreds of
//! thousands of attributes, so they are read where they lie; only strings are copied.

use crate::decode::DecodeError;

/// The flag of an attribute that has others in it; the kernel's answers come without it.
const NLA_F_NESTED: u16 = 0x8000;
/// Mask of an attribute's number, without flags.
const NUMBER_MASK: u16 = 0x3fff;

const HEADER_LEN: usize = 4;
const ALIGN: usize = 4;

/// The attributes of a nest: number and payload, in order.
pub(crate) struct Attributes<'a> {
    rest: &'a [u8],
    name: &'static str,
}

/// Walks the attributes of `nest`, whose name an error shall have.
pub(crate) fn attributes<'a>(nest: &'a [u8], name: &'static str) -> Attributes<'a> {
    Attributes { rest: nest, name }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, &'a [u8]), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.rest);
        let Some(([l0, l1, k0, k1], _)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Some(Err(DecodeError::new(self.name, "is cut short")));
        };
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let Some(payload) = bytes.get(HEADER_LEN..length) else {
            return Some(Err(DecodeError::new(
                self.name,
                "has an attribute of a wrong length",
            )));
        };
        self.rest = bytes
            .get(length.next_multiple_of(ALIGN)..)
            .unwrap_or_default();
        Some(Ok((u16::from_ne_bytes([*k0, *k1]) & NUMBER_MASK, payload)))
    }
}

/// Exactly `N` bytes.
pub(crate) fn bytes<const N: usize>(
    payload: &[u8],
    name: &'static str,
) -> Result<[u8; N], DecodeError> {
    <[u8; N]>::try_from(payload).map_err(|_| DecodeError::new(name, "has the wrong length"))
}

/// A `u8`.
pub(crate) fn read_u8(payload: &[u8], name: &'static str) -> Result<u8, DecodeError> {
    Ok(u8::from_ne_bytes(bytes(payload, name)?))
}

/// A `u16` in host order.
pub(crate) fn read_u16(payload: &[u8], name: &'static str) -> Result<u16, DecodeError> {
    Ok(u16::from_ne_bytes(bytes(payload, name)?))
}

/// A `u16` in network order.
pub(crate) fn read_be16(payload: &[u8], name: &'static str) -> Result<u16, DecodeError> {
    Ok(u16::from_be_bytes(bytes(payload, name)?))
}

/// A `u32` in host order.
pub(crate) fn read_u32(payload: &[u8], name: &'static str) -> Result<u32, DecodeError> {
    Ok(u32::from_ne_bytes(bytes(payload, name)?))
}

/// A `u64` in host order, or a `u32` widened: the two widths that counters come in.
pub(crate) fn read_counter(payload: &[u8], name: &'static str) -> Result<u64, DecodeError> {
    match payload.len() {
        4 => Ok(read_u32(payload, name)?.into()),
        _ => Ok(u64::from_ne_bytes(bytes(payload, name)?)),
    }
}

/// An address of up to 16 bytes, the rest zero: clients may send four for IPv4.
pub(crate) fn read_address(payload: &[u8], name: &'static str) -> Result<[u8; 16], DecodeError> {
    let mut address = [0; 16];
    address
        .get_mut(..payload.len())
        .ok_or(DecodeError::new(name, "is longer than an address"))?
        .copy_from_slice(payload);
    Ok(address)
}

/// A string, up to its first NUL if it has one.
pub(crate) fn read_str<'a>(payload: &'a [u8], name: &'static str) -> Result<&'a str, DecodeError> {
    let text = payload.split(|byte| *byte == 0).next().unwrap_or_default();
    std::str::from_utf8(text).map_err(|_| DecodeError::new(name, "is not UTF-8"))
}

/// Adds an attribute.
pub(crate) fn put(out: &mut Vec<u8>, number: u16, payload: &[u8]) {
    let [n0, n1] = number.to_ne_bytes();
    // Payloads are addresses and numbers.
    let length = u16::try_from(HEADER_LEN + payload.len()).unwrap_or(u16::MAX);
    let [l0, l1] = length.to_ne_bytes();
    out.reserve(HEADER_LEN + payload.len() + ALIGN);
    out.extend_from_slice(&[l0, l1, n0, n1]);
    out.extend_from_slice(payload);
    while out.len() % ALIGN != 0 {
        out.push(0);
    }
}

/// Adds a string, and the NUL that the kernel expects behind it.
pub(crate) fn put_str(out: &mut Vec<u8>, number: u16, text: &str) {
    with_header(out, number, |out| {
        out.extend_from_slice(text.as_bytes());
        out.push(0);
    });
}

/// Adds two `u32` in host order.
pub(crate) fn put_pair(out: &mut Vec<u8>, number: u16, first: u32, second: u32) {
    with_header(out, number, |out| {
        out.extend_from_slice(&first.to_ne_bytes());
        out.extend_from_slice(&second.to_ne_bytes());
    });
}

/// Adds an attribute that has others in it: those that `fill` adds.
pub(crate) fn put_nest(out: &mut Vec<u8>, number: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    with_header(out, number | NLA_F_NESTED, fill);
}

fn with_header(out: &mut Vec<u8>, number: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&number.to_ne_bytes());
    fill(out);
    // Names are checked for their length before; nothing else here can be too long.
    let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    if let Some(field) = out.get_mut(start..start + 2) {
        field.copy_from_slice(&length.to_ne_bytes());
    }
    out.resize(out.len().next_multiple_of(ALIGN), 0);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns what `fill` adds to an empty buffer, for tests elsewhere in the crate.
    pub(crate) fn filled(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        fill(&mut out);
        out
    }

    /// A nest without its attribute `number`.
    pub(crate) fn without(nest: &[u8], number: u16) -> Vec<u8> {
        filled(|out| {
            for attribute in attributes(nest, "test") {
                let (kind, payload) = attribute.unwrap();
                if kind != number {
                    put(out, kind, payload);
                }
            }
        })
    }

    fn walk(nest: &[u8]) -> Result<Vec<(u16, &[u8])>, DecodeError> {
        attributes(nest, "nest").collect()
    }

    #[test]
    fn integers_want_their_length() {
        assert_eq!(read_u16(&2u16.to_ne_bytes(), "x").unwrap(), 2);
        assert_eq!(read_be16(&[0, 80], "x").unwrap(), 80);
        assert_eq!(read_counter(&7u32.to_ne_bytes(), "x").unwrap(), 7);
        let wide = 1u64 << 40;
        assert_eq!(read_counter(&wide.to_ne_bytes(), "x").unwrap(), wide);
        for short in [0, 1, 2, 3, 5, 6, 7] {
            assert!(read_counter(&vec![0; short], "x").is_err());
            assert!(read_u32(&vec![0; short], "x").is_err());
        }
    }

    #[test]
    fn addresses_are_padded_and_bounded() {
        let address = read_address(&[192, 0, 2, 1], "x").unwrap();
        assert_eq!(address[..5], [192, 0, 2, 1, 0]);
        assert_eq!(read_address(&[], "x").unwrap(), [0; 16]);
        assert!(read_address(&[0; 17], "x").is_err());
    }

    #[test]
    fn strings_end_at_a_nul() {
        assert_eq!(read_str(b"rr\0", "x").unwrap(), "rr");
        assert_eq!(read_str(b"rr", "x").unwrap(), "rr");
        assert_eq!(read_str(b"", "x").unwrap(), "");
        assert_eq!(read_str(b"r\0r\0", "x").unwrap(), "r");
        assert!(read_str(b"\xff\0", "x").is_err());
    }

    #[test]
    fn attributes_come_back() {
        let nest = filled(|out| {
            put(out, 1, &[1, 2, 3]);
            put_str(out, 2, "rr");
            put_nest(out, 3, |out| put(out, 4, &[]));
        });
        assert_eq!(nest.len() % ALIGN, 0);
        let found = walk(&nest).unwrap();
        assert_eq!(
            found[..2],
            [(1, [1, 2, 3].as_slice()), (2, b"rr\0".as_slice())]
        );
        // The number comes without its flag.
        assert_eq!(found[2].0, 3);
        assert_eq!(walk(found[2].1).unwrap(), [(4, [].as_slice())]);
        // The last one may come without padding.
        assert_eq!(walk(&nest[..7]).unwrap(), [(1, [1, 2, 3].as_slice())]);
    }

    #[test]
    fn wrong_lengths_are_errors() {
        for nest in [
            &[4, 0, 1][..],
            &[3, 0, 1, 0],
            &[0, 0, 1, 0],
            &[9, 0, 1, 0, 1],
        ] {
            assert!(walk(nest).is_err(), "{nest:?}");
        }
    }
}
