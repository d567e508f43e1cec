// SPDX-License-Identifier: GPL-2.0

//! The two address families, as a type parameter: [`V4`] and [`V6`].
//!
//! A hook knows the family of its packets. It decides once, and all behind it is compiled twice,
//! without a question at run time.

use super::checksum::SumState;
use super::config::{
    AddressFamily,
    Ip, //
};
use super::hash::HashKey;
use core::fmt;

/// IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct V4;

/// IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct V6;

/// Address family: everything that differs between IPv4 and IPv6.
///
/// `l3` is always a packet from its IP header on, as far as it lies in one piece; it may end before
/// the packet does.
pub(crate) trait Family: Sized + Copy + Eq + fmt::Debug + Send + Sync + 'static {
    /// An address, bytes in network order.
    type Addr: Copy + Eq + fmt::Debug + AsRef<[u8]> + Send + Sync + 'static;

    /// This family, as a value.
    const FAMILY: AddressFamily;

    /// The address of all zeros.
    const UNSPECIFIED: Self::Addr;

    /// An address of either family, of this family's.
    fn ip(a: Self::Addr) -> Ip;

    /// The way back; `None` where the address is of the other family.
    fn from_ip(ip: Ip) -> Option<Self::Addr>;

    /// The network that an address belongs to, by the netmask of a service: for IPv4 the mask,
    /// bytes in network order read as a native integer; for IPv6 the length of the prefix (P-2).
    fn masked(a: Self::Addr, netmask: u32) -> Self::Addr;

    /// A firewall mark in place of an address: in its first 32 bits, in network order (P-3).
    fn of_mark(mark: u32) -> Self::Addr;

    /// Reads the IP header, and for IPv6 the extension headers, up to the transport header (H-9).
    ///
    /// # Errors
    ///
    /// [`ParseError::Short`] where more of the packet is needed, [`ParseError::Malformed`] where it
    /// is no packet of this family.
    fn parse(l3: &[u8]) -> Result<Header<Self>, ParseError>;

    /// Hashes a flow; both directions hash alike: `hash(k, a, b, p) == hash(k, b, a, p)`.
    fn hash(key: &HashKey, a: &Endpoint<Self>, b: &Endpoint<Self>, protocol: u8) -> u32;

    /// Gives a packet another source or destination, port included, and repairs its checksums
    /// (T-16).
    ///
    /// `header` is what [`Family::parse`] found in this packet. A later fragment has no ports; of
    /// it only the address changes (T-20). The checksum of an IPv4 header with options is made
    /// anew, as the kernel writes into options without repairing it.
    ///
    /// # Errors
    ///
    /// [`ParseError::Short`] where the transport header is not all there, and
    /// [`ParseError::Malformed`] for a protocol other than TCP and UDP; then nothing was changed.
    fn rewrite(
        l3: &mut [u8],
        header: &Header<Self>,
        side: Side,
        to: &Endpoint<Self>,
        sum: SumState,
    ) -> Result<(), ParseError>;

    /// Takes one from the TTL or hop limit. If `l4`, the offset of the transport header, says
    /// that an IPv4 header has options, its checksum is made anew, as by [`Family::rewrite`].
    ///
    /// Returns `false`, and leaves the packet alone, where it may not be forwarded: there was at
    /// most 1 left, or there is no whole IP header.
    fn dec_ttl(l3: &mut [u8], l4: u16) -> bool;
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint<F: Family> {
    /// The address.
    pub(crate) addr: F::Addr,
    /// The port, in host byte order.
    pub(crate) port: u16,
}

/// End of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// Part of a datagram that a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fragment {
    /// All of it.
    Whole,
    /// The first fragment: it has the transport header.
    First,
    /// A later fragment: what follows the IP header is data.
    Later,
}

/// Parsed IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header<F: Family> {
    /// The source address.
    pub(crate) src: F::Addr,
    /// The destination address.
    pub(crate) dst: F::Addr,
    /// The transport protocol; for IPv6 that behind the extension headers.
    pub(crate) protocol: u8,
    /// Offset of the transport header, in bytes from the IP header.
    pub(crate) l4: u16,
    /// Whether the packet is a fragment.
    pub(crate) fragment: Fragment,
    /// Length of the packet in bytes, IP header included, or 0 where it does not say: packets of
    /// more than 64 KiB that offloading makes are as long as their buffer.
    pub(crate) length: u32,
    /// IPv4: whether it must not be fragmented. IPv6 has no such bit: `false`.
    pub(crate) dont_fragment: bool,
    /// Type of service, or traffic class.
    pub(crate) tos: u8,
    /// Time to live, or hop limit.
    pub(crate) ttl: u8,
}

/// Errors of parsing a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// It takes this many bytes from the IP header on to say more. A packet that has no more bytes
    /// is truncated.
    Short(usize),
    /// It is wrong, however much of it there is.
    Malformed,
}
