// SPDX-License-Identifier: GPL-2.0

//! SegmentNumbers of a TCP segment, and of the RST that answers it.

/// SegmentNumbers and flags of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentNumbers {
    seq: u32,
    /// Acknowledgment number; `None` without the ACK flag.
    ack: Option<u32>,
    /// Length of its payload, SYN and FIN counted (`SEG.LEN`).
    len: u32,
    /// True for an RST, which is not answered.
    pub(crate) is_rst: bool,
}

impl SegmentNumbers {
    /// Reads a header, given the length of header and payload.
    pub(crate) fn of(header: &[u8; 20], length: u32) -> Self {
        let [_, _, _, _, s0, s1, s2, s3, a0, a1, a2, a3, offset, flags, ..] = *header;
        let payload = length.saturating_sub(u32::from(offset >> 4) << 2);
        let ones = u32::from(flags & FIN != 0).wrapping_add((flags & SYN != 0).into());
        let ack = u32::from_be_bytes([a0, a1, a2, a3]);
        Self {
            seq: u32::from_be_bytes([s0, s1, s2, s3]),
            ack: (flags & ACK != 0).then_some(ack),
            len: payload.wrapping_add(ones),
            is_rst: flags & RST != 0,
        }
    }

    /// Returns sequence and acknowledgment numbers of the RST to the sender (RFC 9293, section
    /// 3.5.2).
    pub(crate) fn reset(&self) -> (u32, Option<u32>) {
        match self.ack {
            Some(ack) => (ack, None),
            None => (0, Some(self.seq.wrapping_add(self.len))),
        }
    }
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with sequence number `0x01020304`, acknowledgment `0x05060708`, and options.
    fn header(flags: u8) -> [u8; 20] {
        let mut header = [0; 20];
        header[4..12].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        (header[12], header[13]) = (8 << 4, flags);
        header
    }

    #[test]
    fn a_segment_with_ack_is_answered_by_its_ack() {
        let numbers = SegmentNumbers::of(&header(ACK), 1000);
        assert_eq!(numbers.reset(), (0x0506_0708, None));
        assert!(!numbers.is_rst && SegmentNumbers::of(&header(ACK | RST), 32).is_rst);
    }

    #[test]
    fn a_segment_without_ack_is_acknowledged() {
        let answer = |flags, length| SegmentNumbers::of(&header(flags), length).reset();
        assert_eq!(answer(SYN, 32), (0, Some(0x0102_0305)));
        assert_eq!(answer(FIN, 42), (0, Some(0x0102_030f)));
        // Shorter than its header says.
        assert_eq!(answer(0, 20), (0, Some(0x0102_0304)));
    }
}
