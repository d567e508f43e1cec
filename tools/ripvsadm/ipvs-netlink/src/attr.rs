// SPDX-License-Identifier: GPL-2.0

//! Reading and writing attribute payloads: the few shapes that the family's attributes have.
//!
//! Integers are in host order on the wire unless a name here says `be`. A payload of the wrong
//! length is a [`DecodeError`]; the reader never looks past it.

use netlink_packet_core::{
    DecodeError, Emitable, ErrorContext, Nla, NlaBuffer, NlasIterator, Parseable,
};

pub use netlink_packet_core::{DefaultNla, NLA_F_NESTED};

/// Exactly `N` bytes.
fn bytes<const N: usize>(payload: &[u8]) -> Result<[u8; N], DecodeError> {
    <[u8; N]>::try_from(payload).map_err(|_| DecodeError::invalid_number(N, payload.len()))
}

/// A `u8`.
pub(crate) fn read_u8(payload: &[u8]) -> Result<u8, DecodeError> {
    Ok(u8::from_ne_bytes(bytes(payload)?))
}

/// A `u16` in host order.
pub(crate) fn read_u16(payload: &[u8]) -> Result<u16, DecodeError> {
    Ok(u16::from_ne_bytes(bytes(payload)?))
}

/// A `u16` in network order.
pub(crate) fn read_be16(payload: &[u8]) -> Result<u16, DecodeError> {
    Ok(u16::from_be_bytes(bytes(payload)?))
}

/// A `u32` in host order.
pub(crate) fn read_u32(payload: &[u8]) -> Result<u32, DecodeError> {
    Ok(u32::from_ne_bytes(bytes(payload)?))
}

/// A `u64` in host order, or a `u32` widened: the two widths that counters come in.
pub(crate) fn read_counter(payload: &[u8]) -> Result<u64, DecodeError> {
    match payload.len() {
        4 => Ok(read_u32(payload)?.into()),
        _ => Ok(u64::from_ne_bytes(bytes(payload)?)),
    }
}

/// Four raw bytes.
pub(crate) fn read_4(payload: &[u8]) -> Result<[u8; 4], DecodeError> {
    bytes(payload)
}

/// An address of up to 16 bytes, the rest zero: clients may send four for IPv4.
pub(crate) fn read_address(payload: &[u8]) -> Result<[u8; 16], DecodeError> {
    let mut address = [0; 16];
    address
        .get_mut(..payload.len())
        .ok_or_else(|| DecodeError::invalid_ip_address(payload.len()))?
        .copy_from_slice(payload);
    Ok(address)
}

/// Two host-order `u32`.
pub(crate) fn read_u32_pair(payload: &[u8]) -> Result<(u32, u32), DecodeError> {
    let [a, b, c, d, e, f, g, h] = bytes(payload)?;
    Ok((
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
    ))
}

/// A string, up to its first NUL if it has one.
pub(crate) fn read_string(payload: &[u8]) -> Result<String, DecodeError> {
    let text = payload.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8(text.to_vec())?)
}

/// Every attribute of a nest, in order; `name` says whose they are in an error.
pub(crate) fn read_nested<A>(payload: &[u8], name: &str) -> Result<Vec<A>, DecodeError>
where
    A: for<'a> Parseable<NlaBuffer<&'a [u8]>>,
{
    NlasIterator::new(payload)
        .map(|nla| A::parse(&nla?))
        .collect::<Result<_, DecodeError>>()
        .with_context(|| format!("invalid {name} attribute"))
}

/// Copies a value to the start of the buffer that the framing made for it.
pub(crate) fn write(buffer: &mut [u8], value: &[u8]) {
    if let Some(start) = buffer.get_mut(..value.len()) {
        start.copy_from_slice(value);
    }
}

/// Writes a string and the NUL that the kernel expects after it.
pub(crate) fn write_string(buffer: &mut [u8], text: &str) {
    if let Some((nul, start)) = buffer.split_last_mut() {
        write(start, text.as_bytes());
        *nul = 0;
    }
}

/// The length of a string attribute's payload: its bytes and a NUL.
pub(crate) fn string_len(text: &str) -> usize {
    text.len().saturating_add(1)
}

/// Writes a nest.
pub(crate) fn write_nested<A: Nla>(buffer: &mut [u8], attributes: &[A]) {
    attributes.emit(buffer);
}

/// The length of a nest's payload.
pub(crate) fn nested_len<A: Nla>(attributes: &[A]) -> usize {
    attributes.buffer_len()
}

/// The error for an attribute that an answer must have and has not.
pub(crate) fn missing(what: &str, attribute: &str) -> DecodeError {
    DecodeError::from(format!("{what} without {attribute}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Reads a nest from bytes, for tests elsewhere in the crate.
    pub(crate) fn parse<A>(payload: &[u8]) -> Result<Vec<A>, DecodeError>
    where
        A: for<'a> Parseable<NlaBuffer<&'a [u8]>>,
    {
        read_nested(payload, "test")
    }

    /// Writes a nest to bytes, for tests elsewhere in the crate.
    pub(crate) fn emit<A: Nla>(attributes: &[A]) -> Vec<u8> {
        let mut buffer = vec![0xff; nested_len(attributes)];
        write_nested(&mut buffer, attributes);
        buffer
    }

    #[test]
    fn integers_want_their_length() {
        assert_eq!(read_u16(&2u16.to_ne_bytes()).unwrap(), 2);
        assert_eq!(read_be16(&[0, 80]).unwrap(), 80);
        assert_eq!(read_counter(&7u32.to_ne_bytes()).unwrap(), 7);
        assert_eq!(read_counter(&(1u64 << 40).to_ne_bytes()).unwrap(), 1 << 40);
        for short in 0..8 {
            if short != 4 {
                assert!(read_counter(&vec![0; short]).is_err());
                assert!(read_u32(&vec![0; short]).is_err());
            }
        }
    }

    #[test]
    fn addresses_are_padded_and_bounded() {
        assert_eq!(
            read_address(&[192, 0, 2, 1]).unwrap()[..5],
            [192, 0, 2, 1, 0]
        );
        assert_eq!(read_address(&[]).unwrap(), [0; 16]);
        assert!(read_address(&[0; 17]).is_err());
    }

    #[test]
    fn strings_end_at_a_nul() {
        assert_eq!(read_string(b"rr\0").unwrap(), "rr");
        assert_eq!(read_string(b"rr").unwrap(), "rr");
        assert_eq!(read_string(b"").unwrap(), "");
        assert_eq!(read_string(b"r\0r\0").unwrap(), "r");
        assert!(read_string(b"\xff\0").is_err());
    }
}
