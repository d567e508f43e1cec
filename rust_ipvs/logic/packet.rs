// SPDX-License-Identifier: GPL-2.0

//! Parsed packets: the IP header, in [`Header`], and the ports and flags, in [`Transport`].

use super::family::Family;
pub(crate) use super::family::{
    Fragment,
    Header,
    ParseError, //
};
use super::sctp::{
    self,
    SCTP_LEN, //
};
use super::tcp::TcpFlags;

/// ICMP's protocol number.
pub(crate) const ICMP: u8 = 1;
/// TCP's protocol number.
pub(crate) const TCP: u8 = 6;
/// UDP's protocol number.
pub(crate) const UDP: u8 = 17;
/// ESP's protocol number.
pub(crate) const ESP: u8 = 50;
/// AH's protocol number.
pub(crate) const AH: u8 = 51;
/// ICMPv6's protocol number.
pub(crate) const ICMPV6: u8 = 58;
/// SCTP's protocol number.
pub(crate) const SCTP: u8 = 132;

/// Bytes of a TCP header without options.
pub(crate) const TCP_LEN: usize = 20;
/// Bytes of a UDP header.
pub(crate) const UDP_LEN: usize = 8;

/// Parsed transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transport {
    /// The source port, in host byte order.
    pub(crate) src_port: u16,
    /// The destination port, in host byte order.
    pub(crate) dst_port: u16,
    /// Flags of TCP; none for UDP. For SCTP, SYN stands for a packet that opens an association and
    /// RST for an ABORT (S-2, H-12), so that callers need not check the protocol.
    pub(crate) flags: TcpFlags,
    /// Event of the SCTP chunks for the state machine; meaningless for other protocols.
    pub(crate) event: sctp::SctpEvent,
}

/// Returns the header of an AH or ESP packet as that of a packet of the key exchange between the
/// same hosts (C-10, T-14), to be used with [`Transport::KEY_EXCHANGE`]. `None` for other
/// protocols.
///
/// AH and ESP have no ports, and no checksum that covers addresses. So the header is marked as that
/// of a later fragment, of which only addresses are read and written.
pub(crate) fn as_key_exchange<F: Family>(header: &Header<F>) -> Option<Header<F>> {
    matches!(header.protocol, AH | ESP).then_some(Header {
        protocol: UDP,
        fragment: Fragment::Later,
        ..*header
    })
}

impl Transport {
    /// Transport header of a packet without ports, as of an ICMP error.
    pub(crate) const NONE: Self = Self {
        src_port: 0,
        dst_port: 0,
        flags: TcpFlags::NONE,
        event: sctp::SctpEvent::Data,
    };

    /// Transport header used for AH and ESP, which have no ports: they use the connection of their
    /// key exchange (C-10, T-14).
    pub(crate) const KEY_EXCHANGE: Self = Self {
        src_port: 500,
        dst_port: 500,
        flags: TcpFlags::NONE,
        event: sctp::SctpEvent::Data,
    };

    /// Parses the transport header at offset `l4` of a packet (S-4).
    ///
    /// # Errors
    ///
    /// [`ParseError::Short`] if the header without options is incomplete; [`ParseError::Malformed`]
    /// for a protocol other than TCP, UDP and SCTP.
    #[inline(always)]
    pub(crate) fn parse(protocol: u8, l3: &[u8], l4: u16) -> Result<Self, ParseError> {
        let at = usize::from(l4);
        match protocol {
            TCP => {
                let [s0, s1, d0, d1, _, _, _, _, _, _, _, _, _, flags, ..] =
                    chunk::<TCP_LEN>(l3, at)?;
                Ok(Self {
                    src_port: u16::from_be_bytes([*s0, *s1]),
                    dst_port: u16::from_be_bytes([*d0, *d1]),
                    flags: TcpFlags::new(*flags),
                    event: sctp::SctpEvent::Data,
                })
            }
            UDP => {
                let [s0, s1, d0, d1, ..] = chunk::<UDP_LEN>(l3, at)?;
                Ok(Self {
                    src_port: u16::from_be_bytes([*s0, *s1]),
                    dst_port: u16::from_be_bytes([*d0, *d1]),
                    flags: TcpFlags::NONE,
                    event: sctp::SctpEvent::Data,
                })
            }
            SCTP => Self::parse_sctp(l3, at),
            _ => Err(ParseError::Malformed),
        }
    }

    #[cold]
    #[inline(never)]
    fn parse_sctp(l3: &[u8], at: usize) -> Result<Self, ParseError> {
        let l4 = l3.get(at..).unwrap_or(&[]);
        let word = |offset: usize| l4.get(offset..)?.first_chunk().copied();
        Self::of_sctp(word).ok_or(ParseError::Short(at.wrapping_add(SCTP_LEN)))
    }

    /// Parses an SCTP packet. `word` returns four bytes at an offset from the common header.
    ///
    /// Returns `None` if the common header or the header of the first chunk is incomplete (S-4).
    #[inline]
    pub(crate) fn of_sctp(word: impl Fn(usize) -> Option<[u8; 4]>) -> Option<Self> {
        let [s0, s1, d0, d1] = word(0)?;
        let chunks = sctp::chunks(word)?;
        Some(Self {
            src_port: u16::from_be_bytes([s0, s1]),
            dst_port: u16::from_be_bytes([d0, d1]),
            flags: match chunks.first {
                sctp::SctpEvent::Init => TcpFlags::SYN_ONLY,
                sctp::SctpEvent::Abort => TcpFlags::RST_ONLY,
                _ => TcpFlags::NONE,
            },
            event: chunks.event,
        })
    }
}

/// Returns `N` bytes at an offset.
#[inline(always)]
fn chunk<const N: usize>(l3: &[u8], at: usize) -> Result<&[u8; N], ParseError> {
    let end = at.wrapping_add(N);
    l3.get(at..end)
        .and_then(|bytes| bytes.first_chunk())
        .ok_or(ParseError::Short(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYN_ACK: [u8; 20] = [
        0x9c, 0x40, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x12, 0xff, 0xff, 0, 0, 0, 0,
    ];

    #[test]
    fn ports_and_flags() {
        let tcp = Transport::parse(TCP, &SYN_ACK, 0).unwrap();
        assert_eq!((tcp.src_port, tcp.dst_port), (40000, 80));
        assert!(tcp.flags.is_syn() && tcp.flags.is_ack() && !tcp.flags.is_rst());
        let udp = Transport::parse(UDP, &SYN_ACK, 0).unwrap();
        assert_eq!((udp.src_port, udp.dst_port), (40000, 80));
        assert_eq!(udp.flags, TcpFlags::NONE);
    }

    // S-4
    #[test]
    fn truncated_headers_say_what_they_need() {
        let mut packet = vec![0; 24];
        packet.extend(SYN_ACK);
        for (protocol, needed) in [(TCP, 20), (UDP, 8), (SCTP, 16)] {
            for present in 0..needed {
                assert_eq!(
                    Transport::parse(protocol, &packet[..24 + present], 24),
                    Err(ParseError::Short(24 + needed))
                );
            }
            assert!(Transport::parse(protocol, &packet[..24 + needed], 24).is_ok());
            // The transport header starts beyond the end.
            assert_eq!(
                Transport::parse(protocol, &[], u16::MAX),
                Err(ParseError::Short(65535 + needed))
            );
        }
        for protocol in [0, ICMP, ESP, AH, ICMPV6, 133, 255] {
            assert_eq!(
                Transport::parse(protocol, &packet, 24),
                Err(ParseError::Malformed)
            );
        }
    }

    // H-12, S-2, T-11
    #[test]
    fn what_sctp_means() {
        let mut packet = vec![0x9c, 0x40, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 0];
        packet.extend([0, 0, 0, 5, 0, 0, 0, 0, 6, 0, 0, 4]);
        for (kind, syn, rst, event) in [
            (1, true, false, sctp::SctpEvent::Init),
            (6, false, true, sctp::SctpEvent::Abort),
            (0, false, false, sctp::SctpEvent::Data),
            (10, false, false, sctp::SctpEvent::Abort),
        ] {
            packet[12] = kind;
            let sctp = Transport::parse(SCTP, &packet, 0).unwrap();
            assert_eq!((sctp.src_port, sctp.dst_port), (40000, 80));
            assert_eq!((sctp.flags.is_syn(), sctp.flags.is_rst()), (syn, rst));
            assert_eq!(sctp.event, event);
        }
    }
}
