// SPDX-License-Identifier: GPL-2.0

//! The two address families as a type parameter: [`V4`] and [`V6`].
//!
//! A hook is registered for one family. Everything it calls is compiled for each family, without a
//! test at run time.

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
/// `l3` is a packet from its IP header on, as far as it is linear. It may end before the packet
/// does.
pub(crate) trait Family: Sized + Copy + Eq + fmt::Debug + Send + Sync + 'static {
    /// Address in network byte order.
    type Addr: Copy + Eq + fmt::Debug + AsRef<[u8]> + Send + Sync + 'static;

    /// The family as a value.
    const FAMILY: AddressFamily;

    /// The address of all zeros.
    const UNSPECIFIED: Self::Addr;

    /// Converts an address to [`Ip`].
    fn ip(a: Self::Addr) -> Ip;

    /// Converts from [`Ip`]; `None` if the address is of the other family.
    fn from_ip(ip: Ip) -> Option<Self::Addr>;

    /// Returns the network of an address by the netmask of a service (P-2). IPv4: the mask in
    /// network byte order, read as a native integer. IPv6: the prefix length.
    fn masked(a: Self::Addr, netmask: u32) -> Self::Addr;

    /// Returns a firewall mark in place of an address: in its first 32 bits, in network byte order
    /// (P-3).
    fn of_mark(mark: u32) -> Self::Addr;

    /// Parses the IP header, and for IPv6 the extension headers, up to the transport header (H-9).
    ///
    /// # Errors
    ///
    /// [`ParseError::Short`] if more of the packet is needed, [`ParseError::Malformed`] if it is
    /// not a valid packet of this family.
    fn parse(l3: &[u8]) -> Result<Header<Self>, ParseError>;

    /// Returns source and destination of a TCP or UDP packet that is no fragment and has no
    /// extension headers; `None` for any other. It costs a fraction of [`parse`](Self::parse), for
    /// packets that concern no service, and does not check the version.
    fn whole_addresses(l3: &[u8]) -> Option<(Self::Addr, Self::Addr)>;

    /// Hashes a flow, with the same result for both directions: `hash(k, a, b, p) == hash(k, b, a,
    /// p)`.
    fn hash(key: &HashKey, a: &Endpoint<Self>, b: &Endpoint<Self>, protocol: u8) -> u32;

    /// Replaces the source or destination of a packet, port included, and updates its checksums
    /// (T-16).
    ///
    /// `header` is the result of [`Family::parse`] on this packet. A later fragment has no ports,
    /// so only its address changes (T-20). The checksum of an IPv4 header with options is
    /// recomputed, as the kernel writes into options without an update.
    ///
    /// # Errors
    ///
    /// [`ParseError::Short`] if the transport header is incomplete, and [`ParseError::Malformed`]
    /// for a protocol other than TCP and UDP. The packet is unchanged then.
    fn rewrite(
        l3: &mut [u8],
        header: &Header<Self>,
        side: Side,
        to: &Endpoint<Self>,
        sum: SumState,
    ) -> Result<(), ParseError>;

    /// Decrements the TTL or hop limit. `l4` is the offset of the transport header. If it
    /// shows that an IPv4 header has options, the checksum is recomputed as by [`Family::rewrite`].
    ///
    /// Returns `false` and leaves the packet unchanged if it may not be forwarded: its TTL was at
    /// most 1, or the IP header is incomplete.
    fn dec_ttl(l3: &mut [u8], l4: u16) -> bool;
}

/// Address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint<F: Family> {
    /// The address.
    pub(crate) addr: F::Addr,
    /// The port, in host byte order.
    pub(crate) port: u16,
}

/// The source or the destination of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// Fragment of a datagram that a packet contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fragment {
    /// The whole datagram.
    Whole,
    /// The first fragment, which has the transport header.
    First,
    /// A later fragment: data follows the IP header.
    Later,
}

/// Parsed IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header<F: Family> {
    /// The source address.
    pub(crate) src: F::Addr,
    /// The destination address.
    pub(crate) dst: F::Addr,
    /// The transport protocol; for IPv6 the one after the extension headers.
    pub(crate) protocol: u8,
    /// Offset of the transport header, in bytes from the IP header.
    pub(crate) l4: u16,
    /// Fragment that the packet is.
    pub(crate) fragment: Fragment,
    /// Length of the packet in bytes, IP header included. 0 if the header does not give it: a GSO
    /// packet of more than 64 KiB is as long as its buffer.
    pub(crate) length: u32,
    /// IPv4: the DF bit. IPv6: `false`.
    pub(crate) dont_fragment: bool,
    /// Type of service, or traffic class.
    pub(crate) tos: u8,
    /// Time to live, or hop limit.
    pub(crate) ttl: u8,
}

/// Errors of parsing a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// Number of bytes needed from the IP header on. A packet without that many is truncated.
    Short(usize),
    /// The packet is invalid whatever follows.
    Malformed,
}
