// SPDX-License-Identifier: GPL-2.0

//! Payload of TCP segments, and its replacement by a longer or shorter one (F-8).

use super::checksum::{
    of_bytes,
    Change,
    SumState, //
};
use super::config::AddressFamily;
use super::family::{
    Family,
    Header, //
};
use super::packet::TCP_LEN;

/// Length of an IPv6 header, which the payload length does not include.
const IPV6_LEN: usize = 40;

/// Returns the offset of the payload of a TCP segment from the IP header; `None` if the segment
/// ends before.
pub(crate) fn of_tcp<F: Family>(l3: &[u8], header: &Header<F>) -> Option<usize> {
    let l4 = usize::from(header.l4);
    let words = l3.get(l4.checked_add(12)?)? >> 4;
    let length = usize::from(words).checked_mul(4)?;
    let start = l4.checked_add(length)?;
    (length >= TCP_LEN && start <= l3.len()).then_some(start)
}

/// Part of a packet to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Length of the packet, in bytes from the IP header.
    pub(crate) packet: usize,
    /// Offset of the part, in bytes from the IP header.
    pub(crate) start: usize,
    /// Offset of the byte after it.
    pub(crate) end: usize,
}

impl Part {
    /// Returns the length of the packet after the part became `with` bytes long; `None` if that
    /// exceeds the maximum length of a packet.
    pub(crate) fn length_with(&self, with: usize) -> Option<usize> {
        let rest = self.packet.checked_sub(self.end)?;
        let length = self.start.checked_add(with)?.checked_add(rest)?;
        (self.start <= self.end && length <= u16::MAX.into()).then_some(length)
    }
}

/// Replaces a part of the payload of a TCP segment, and updates lengths and checksums. An incorrect
/// checksum stays incorrect.
///
/// `l3` is the whole packet, with room for the result. Returns the new length. Returns `None` and
/// changes nothing if the part is not in the payload, or there is no room.
pub(crate) fn replace<F: Family>(
    l3: &mut [u8],
    header: &Header<F>,
    part: Part,
    with: &[u8],
    sum: SumState,
) -> Option<usize> {
    let length = part.length_with(with.len())?;
    let l4 = usize::from(header.l4);
    let payload = of_tcp(l3.get(..part.packet)?, header)?;
    if part.start < payload || l3.len() < length || part.packet > u16::MAX.into() {
        return None;
    }
    // Both fit in 16 bits, the maximum length of a packet.
    let in_bytes = |length: usize| (length as u16).to_be_bytes();
    let lengths = |from: usize| {
        let of = |length: usize| in_bytes(length.saturating_sub(from));
        (of(part.packet), of(length))
    };
    let at_field = l4.checked_add(16)?;
    let before = of_bytes(l3.get(payload..part.packet)?);
    let end = part.start.checked_add(with.len())?;
    if l3.len() < end.max(part.packet) {
        return None;
    }

    shift(l3, (part.end, part.packet), end);
    l3.get_mut(part.start..end)?.copy_from_slice(with);
    let after = of_bytes(l3.get(payload..length)?);

    let (old, new) = lengths(l4);
    let pseudo = Change::NONE.and2(old, new);
    let field: &mut [u8; 2] = l3.get_mut(at_field..)?.first_chunk_mut()?;
    *field = match sum {
        SumState::Full => pseudo.and2(before, after).of_sum(*field),
        SumState::Partial => pseudo.of_partial(*field),
    };
    match F::FAMILY {
        AddressFamily::V4 => {
            let (old, new) = lengths(0);
            *l3.get_mut(2..)?.first_chunk_mut()? = new;
            let field: &mut [u8; 2] = l3.get_mut(10..)?.first_chunk_mut()?;
            *field = Change::NONE.and2(old, new).of_sum(*field);
        }
        AddressFamily::V6 => {
            let (_, new) = lengths(IPV6_LEN);
            *l3.get_mut(4..)?.first_chunk_mut()? = new;
        }
    }
    Some(length)
}

/// Moves the bytes of a range to `to`.
fn shift(bytes: &mut [u8], (start, end): (usize, usize), to: usize) {
    let mut one = |n: usize| {
        let byte = bytes.get(start.wrapping_add(n)).copied();
        if let (Some(byte), Some(place)) = (byte, bytes.get_mut(to.wrapping_add(n))) {
            *place = byte;
        }
    };
    let count = 0..end.saturating_sub(start);
    // Bytes that are still to be moved must not be overwritten.
    if to <= start {
        count.for_each(&mut one);
    } else {
        count.rev().for_each(&mut one);
    }
}

#[cfg(test)]
mod tests {
    use super::super::family::{V4, V6};
    use super::*;

    /// Sum of a TCP segment and its pseudo header; 0xffff if the checksum is correct.
    fn sum_of(addresses: &[u8], segment: &[u8]) -> u16 {
        let length = u32::try_from(segment.len()).unwrap().to_be_bytes();
        let all = [addresses, &length, &[0, 0, 0, 6], segment].concat();
        u16::from_be_bytes(of_bytes(&all))
    }

    fn tcp(options: usize, payload: &[u8]) -> Vec<u8> {
        let mut segment = vec![0x11; 20 + options];
        segment[12] = u8::try_from((20 + options) / 4 * 16).unwrap();
        segment[16..18].fill(0);
        segment.extend_from_slice(payload);
        segment
    }

    fn v4(payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![
            0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 192, 0, 2, 1,
        ];
        let mut segment = tcp(12, payload);
        let field = !sum_of(&packet[12..20], &segment);
        segment[16..18].copy_from_slice(&field.to_be_bytes());
        packet.extend_from_slice(&segment);
        let length = u16::try_from(packet.len()).unwrap();
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        let field = !u16::from_be_bytes(of_bytes(&packet[..20]));
        packet[10..12].copy_from_slice(&field.to_be_bytes());
        packet
    }

    fn v6(payload: &[u8]) -> Vec<u8> {
        let mut segment = tcp(0, payload);
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, 6, 64];
        packet.extend((0..32).map(|byte| byte * 7));
        let field = !sum_of(&packet[8..40], &segment);
        segment[16..18].copy_from_slice(&field.to_be_bytes());
        let length = u16::try_from(segment.len()).unwrap();
        packet[4..6].copy_from_slice(&length.to_be_bytes());
        packet.extend_from_slice(&segment);
        packet
    }

    /// Replaces a part of the payload, and checks the whole packet.
    fn replaced<F: Family>(make: fn(&[u8]) -> Vec<u8>, payload: &str, part: &str, with: &str) {
        let mut packet = make(payload.as_bytes());
        let expected = make(payload.replacen(part, with, 1).as_bytes());
        let header = F::parse(&packet).unwrap();
        let at = of_tcp(&packet, &header).unwrap();
        let start = at + payload.find(part).unwrap();
        let part = Part {
            packet: packet.len(),
            start,
            end: start + part.len(),
        };
        packet.resize(packet.len().max(expected.len()), 0xee);
        let length = replace(&mut packet, &header, part, with.as_bytes(), SumState::Full);
        assert_eq!(length, Some(expected.len()));
        assert_eq!(packet[..expected.len()], expected);
    }

    // F-8
    #[test]
    fn longer_shorter_and_the_same() {
        for with in [
            "",
            "x",
            "10,0,0,1,4,1",
            "192,168,100,100,255,255",
            "10,0,0,9,4,1",
        ] {
            for payload in [
                "227 Entering (10,0,0,9,4,1).\r\n",
                "10,0,0,9,4,1",
                "227 (10,0,0,9,4,1)\n",
            ] {
                replaced::<V4>(v4, payload, "10,0,0,9,4,1", with);
                replaced::<V6>(v6, payload, "10,0,0,9,4,1", with);
            }
        }
    }

    // F-8: an incorrect checksum stays incorrect, and a partial one has the new length.
    #[test]
    fn other_checksums() {
        let mut packet = v4(b"227 (1,2)\r\n");
        let right = v4(b"227 (1,2,3)\r\n");
        let header = V4::parse(&packet).unwrap();
        // A byte outside the part is damaged.
        packet[34] ^= 0x55;
        let at = of_tcp(&packet, &header).unwrap();
        let part = Part {
            packet: packet.len(),
            start: at + 5,
            end: at + 8,
        };
        packet.resize(right.len(), 0);
        let whole = packet.clone();
        let length = replace(&mut packet, &header, part, b"1,2,3", SumState::Full);
        assert_eq!(length, Some(right.len()));
        assert_ne!(packet, right);
        packet[34] ^= 0x55;
        assert_eq!(packet, right);

        let mut packet = whole;
        let pseudo = |length: u8| of_bytes(&[10, 0, 0, 1, 192, 0, 2, 1, 0, 6, 0, length]);
        packet[36..38].copy_from_slice(&pseudo(32 + 11));
        replace(&mut packet, &header, part, b"1,2,3", SumState::Partial).unwrap();
        assert_eq!(packet[36..38], pseudo(32 + 13));
    }

    // F-8
    #[test]
    fn what_cannot_be_replaced() {
        let packet = v4(b"payload");
        let header = V4::parse(&packet).unwrap();
        let (at, end) = (of_tcp(&packet, &header).unwrap(), packet.len());
        for (length, start, end) in [
            (end, at - 1, end),
            (end, at + 2, at + 1),
            (end, at, end + 1),
            (end + 1, at, end),
            (at - 1, at, at),
            (end, usize::MAX, usize::MAX),
        ] {
            let part = Part {
                packet: length,
                start,
                end,
            };
            let mut changed = packet.clone();
            assert_eq!(
                replace(&mut changed, &header, part, b"x", SumState::Full),
                None
            );
            assert_eq!(changed, packet);
        }
        // No room.
        let part = Part {
            packet: end,
            start: at,
            end: at,
        };
        let mut changed = packet.clone();
        assert_eq!(
            replace(&mut changed, &header, part, b"x", SumState::Full),
            None
        );
        assert_eq!(changed, packet);
        assert_eq!(part.length_with(65536 - end), None);
    }

    #[test]
    fn headers_that_lie() {
        let mut packet = v4(b"");
        let header = V4::parse(&packet).unwrap();
        assert_eq!(of_tcp(&packet, &header), Some(packet.len()));
        packet[32] = 0x40;
        assert_eq!(of_tcp(&packet, &header), None);
        packet[32] = 0xf0;
        assert_eq!(of_tcp(&packet, &header), None);
        assert_eq!(of_tcp(&packet[..32], &header), None);
    }
}
