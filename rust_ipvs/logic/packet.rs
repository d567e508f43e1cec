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
    /// Reads the transport header at offset `l4` of a packet (S-4).
    ///
    /// # Errors
    ///
    /// [`ParseError::Short`] where not all of the header is there, options aside;
    /// [`ParseError::Malformed`] for a protocol that is neither TCP nor UDP.
    #[inline]
    pub(crate) fn parse(protocol: u8, l3: &[u8], l4: u16) -> Result<Self, ParseError> {
        let at = usize::from(l4);
        let header = l3.get(at..).unwrap_or(&[]);
        match protocol {
            TCP => {
                let [s0, s1, d0, d1, _, _, _, _, _, _, _, _, _, flags, ..] = header
                    .first_chunk::<TCP_LEN>()
                    .ok_or(ParseError::Short(at.wrapping_add(TCP_LEN)))?;
                Ok(Self {
                    src_port: u16::from_be_bytes([*s0, *s1]),
                    dst_port: u16::from_be_bytes([*d0, *d1]),
                    flags: TcpFlags::new(*flags),
                })
            }
            UDP => {
                let [s0, s1, d0, d1, ..] = header
                    .first_chunk::<UDP_LEN>()
                    .ok_or(ParseError::Short(at.wrapping_add(UDP_LEN)))?;
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
