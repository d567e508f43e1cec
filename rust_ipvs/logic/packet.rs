// SPDX-License-Identifier: GPL-2.0

//! What is read from a packet: the IP header, in [`Header`], and the ports and flags, in [`Transport`].

pub(crate) use super::family::{
    Fragment,
    Header,
    ParseError, //
};
use super::tcp::TcpFlags;

/// ICMP's protocol number.
pub(crate) const ICMP: u8 = 1;
/// TCP's protocol number.
pub(crate) const TCP: u8 = 6;
/// UDP's protocol number.
pub(crate) const UDP: u8 = 17;
/// ICMPv6's protocol number.
pub(crate) const ICMPV6: u8 = 58;

/// Bytes of a TCP header without options.
pub(crate) const TCP_LEN: usize = 20;
/// Bytes of a UDP header.
pub(crate) const UDP_LEN: usize = 8;

/// What the transport header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transport {
    /// The source port, in host byte order.
    pub(crate) src_port: u16,
    /// The destination port, in host byte order.
    pub(crate) dst_port: u16,
    /// TCP's flags; none for UDP.
    pub(crate) flags: TcpFlags,
}

impl Transport {
    /// That of a packet without ports, as an ICMP error is.
    pub(crate) const NONE: Self = Self {
        src_port: 0,
        dst_port: 0,
        flags: TcpFlags::NONE,
    };

    /// Reads the transport header at offset `l4` of a packet (S-4).
    ///
    /// # Errors
    ///
    /// [`ParseError::Short`] where not all of the header is there, options aside;
    /// [`ParseError::Malformed`] for a protocol that is neither TCP nor UDP.
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
                })
            }
            UDP => {
                let [s0, s1, d0, d1, ..] = chunk::<UDP_LEN>(l3, at)?;
                Ok(Self {
                    src_port: u16::from_be_bytes([*s0, *s1]),
                    dst_port: u16::from_be_bytes([*d0, *d1]),
                    flags: TcpFlags::NONE,
                })
            }
            _ => Err(ParseError::Malformed),
        }
    }
}

/// `N` bytes at an offset.
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
        for (protocol, needed) in [(TCP, 20), (UDP, 8)] {
            for present in 0..needed {
                assert_eq!(
                    Transport::parse(protocol, &packet[..24 + present], 24),
                    Err(ParseError::Short(24 + needed))
                );
            }
            assert!(Transport::parse(protocol, &packet[..24 + needed], 24).is_ok());
            // The transport header starts beyond what is there.
            assert_eq!(
                Transport::parse(protocol, &[], u16::MAX),
                Err(ParseError::Short(65535 + needed))
            );
        }
        assert_eq!(
            Transport::parse(50, &packet, 24),
            Err(ParseError::Malformed)
        );
    }
}
