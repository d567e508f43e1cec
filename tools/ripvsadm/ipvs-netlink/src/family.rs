// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Address families and transport protocols, as services name them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::decode::DecodeError;

/// The family of a service's or destination's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum AddressFamily {
    /// IPv4.
    Inet = 2,
    /// IPv6.
    Inet6 = 10,
}

impl AddressFamily {
    /// The family that `address` belongs to.
    pub fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        }
    }

    /// The all-zero address of the family.
    pub fn unspecified(self) -> IpAddr {
        match self {
            AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
            AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// Reads the address out of the 16 bytes that the wire has for either family.
    pub fn address(self, bytes: [u8; 16]) -> IpAddr {
        match self {
            AddressFamily::Inet => {
                let [a, b, c, d, ..] = bytes;
                Ipv4Addr::new(a, b, c, d).into()
            }
            AddressFamily::Inet6 => Ipv6Addr::from(bytes).into(),
        }
    }
}

/// The 16 bytes the wire has for an address: IPv4 fills the first four.
pub(crate) fn address_bytes(address: &IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

impl From<AddressFamily> for u16 {
    fn from(family: AddressFamily) -> u16 {
        family as u16
    }
}

impl TryFrom<u16> for AddressFamily {
    type Error = DecodeError;

    fn try_from(number: u16) -> Result<Self, DecodeError> {
        match number {
            2 => Ok(AddressFamily::Inet),
            10 => Ok(AddressFamily::Inet6),
            _ => Err(DecodeError::new("an address family", "is unknown")),
        }
    }
}

/// The transport protocol of a service (`IPPROTO_*`).
///
/// The netlink family takes any number; only TCP, UDP and SCTP ever match a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Protocol 6.
    Tcp,
    /// Protocol 17.
    Udp,
    /// Protocol 132.
    Sctp,
    /// Any other number; never one of the above when it came from [`Protocol::from`].
    Other(u16),
}

impl From<u16> for Protocol {
    fn from(number: u16) -> Self {
        match number {
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            132 => Protocol::Sctp,
            other => Protocol::Other(other),
        }
    }
}

impl From<Protocol> for u16 {
    fn from(protocol: Protocol) -> u16 {
        match protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
            Protocol::Other(number) => number,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Protocol::Tcp => f.pad("TCP"),
            Protocol::Udp => f.pad("UDP"),
            Protocol::Sctp => f.pad("SCTP"),
            Protocol::Other(number) => f.pad(&number.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        assert_eq!(u16::from(AddressFamily::Inet), 2);
        assert_eq!(u16::from(AddressFamily::Inet6), 10);
        assert!(AddressFamily::try_from(0).is_err());
        assert!(AddressFamily::try_from(7).is_err());
    }

    #[test]
    fn addresses_and_their_bytes() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let bytes = address_bytes(&v4);
        assert_eq!(bytes[..4], [192, 0, 2, 1]);
        assert_eq!(bytes[4..], [0; 12]);
        assert_eq!(AddressFamily::of(&v4).address(bytes), v4);

        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(AddressFamily::of(&v6).address(address_bytes(&v6)), v6);
    }

    #[test]
    fn protocols() {
        for number in 0..=300 {
            assert_eq!(u16::from(Protocol::from(number)), number);
        }
        assert_eq!(format!("{:<4}|", Protocol::Tcp), "TCP |");
        assert_eq!(Protocol::Other(47).to_string(), "47");
    }
}
