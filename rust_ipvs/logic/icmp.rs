// SPDX-License-Identifier: GPL-2.0

//! ICMP errors and the packets in them (RFC 792, RFC 4443; I-1 to I-3).
//!
//! An error contains the beginning of the packet that caused it: its IP header and at least 8 bytes
//! more. That includes the ports, which identify the connection.

pub(crate) mod relay;

use super::checksum::{
    self,
    Change,
    SumState, //
};
use super::family::{
    Endpoint,
    Family,
    Side,
    V4,
    V6, //
};
use super::packet::{
    as_key_exchange,
    Fragment,
    Header,
    ParseError,
    Transport,
    ICMP,
    ICMPV6,
    SCTP,
    TCP,
    UDP, //
};

/// Length of an ICMP or ICMPv6 header, in bytes.
pub(crate) const HEADER: usize = 8;
/// ICMP type: destination unreachable.
const UNREACHABLE: u8 = 3;
/// Code of [`UNREACHABLE`]: fragmentation needed and DF set.
const FRAGMENTATION_NEEDED: u8 = 4;
/// ICMP type: source quench, obsolete since RFC 6633.
const SOURCE_QUENCH: u8 = 4;
/// ICMP type: time exceeded.
const TIME_EXCEEDED: u8 = 11;
/// ICMPv6: the first type that is not an error (RFC 4443, section 2.1).
const V6_NO_ERROR: u8 = 128;

/// Length of the two ports, in bytes.
const PORTS: usize = 4;
/// Offset of the checksum in a TCP header.
const TCP_SUM: usize = 16;
/// Offset of the checksum in a UDP header.
const UDP_SUM: usize = 6;

/// ICMP of an address family: everything that differs between ICMP and ICMPv6.
pub(crate) trait Icmp: Family {
    /// IP protocol number.
    const NUMBER: u8;

    /// Returns true if a message of this type is an error that concerns connections (I-1).
    fn is_error(kind: u8) -> bool;

    /// Returns the change of a sum that includes an address if the address changes.
    fn change(from: Self::Addr, to: Self::Addr) -> Change;

    /// Returns the change of the message's checksum if an address of the packet that carries it
    /// changes.
    fn own_change(from: Self::Addr, to: Self::Addr) -> Change;
}

impl Icmp for V4 {
    const NUMBER: u8 = ICMP;

    fn is_error(kind: u8) -> bool {
        matches!(kind, UNREACHABLE | SOURCE_QUENCH | TIME_EXCEEDED)
    }

    fn change(from: [u8; 4], to: [u8; 4]) -> Change {
        Change::NONE.and4(from, to)
    }

    /// ICMP has no pseudo header, so the sum does not change.
    fn own_change(_from: [u8; 4], _to: [u8; 4]) -> Change {
        Change::NONE
    }
}

impl Icmp for V6 {
    const NUMBER: u8 = ICMPV6;

    fn is_error(kind: u8) -> bool {
        kind < V6_NO_ERROR
    }

    fn change(from: [u8; 16], to: [u8; 16]) -> Change {
        Change::NONE.and16(from, to)
    }

    fn own_change(from: [u8; 16], to: [u8; 16]) -> Change {
        Self::change(from, to)
    }
}

/// Fixed header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The type.
    pub(crate) kind: u8,
    /// The code, which qualifies the type.
    pub(crate) code: u8,
    /// The last four bytes, in host byte order. Their meaning depends on the type.
    pub(crate) info: u32,
}

impl Message {
    /// Parses the message at offset `at` of a packet.
    ///
    /// # Errors
    ///
    /// [`ParseError::Short`] if the header is incomplete.
    pub(crate) fn parse(l3: &[u8], at: usize) -> Result<Self, ParseError> {
        let rest = l3.get(at..).and_then(|rest| rest.first_chunk::<HEADER>());
        let short = ParseError::Short(at.wrapping_add(HEADER));
        let [kind, code, _, _, i0, i1, i2, i3] = *rest.ok_or(short)?;
        Ok(Self {
            kind,
            code,
            info: u32::from_be_bytes([i0, i1, i2, i3]),
        })
    }
}

/// Packet in an ICMP error, which may be truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quoted<F: Family> {
    /// Offset of its IP header from the outer IP header, in bytes.
    pub(crate) at: usize,
    /// Its IP header; [`Header::l4`] is relative to `at`.
    pub(crate) header: Header<F>,
    /// Source of the packet.
    pub(crate) src: Endpoint<F>,
    /// Destination of the packet.
    pub(crate) dst: Endpoint<F>,
}

/// Returns true if the header of a protocol begins with two ports.
fn has_ports(protocol: u8) -> bool {
    matches!(protocol, TCP | UDP | SCTP)
}

/// Converts an error whose offset is relative to `at` to one relative to the outer IP header.
fn from_outer(error: ParseError, at: usize) -> ParseError {
    match error {
        ParseError::Short(needed) => ParseError::Short(at.saturating_add(needed)),
        ParseError::Malformed => ParseError::Malformed,
    }
}

impl<F: Icmp> Quoted<F> {
    /// Parses the IP header of the inner packet at offset `at`.
    ///
    /// # Errors
    ///
    /// As [`Family::parse`], with offsets from the outer IP header.
    pub(crate) fn header(l3: &[u8], at: usize) -> Result<Header<F>, ParseError> {
        let quote = l3.get(at..).ok_or(ParseError::Short(at))?;
        F::parse(quote).map_err(|error| from_outer(error, at))
    }

    /// Parses the inner packet at offset `at`, with its ports (I-1, I-2).
    ///
    /// # Errors
    ///
    /// As [`Quoted::header`]. Also [`ParseError::Malformed`] if the packet has no ports: it is of
    /// another protocol or a later fragment. AH and ESP, and their later fragments, are returned as
    /// packets of their key exchange.
    pub(crate) fn parse(l3: &[u8], at: usize) -> Result<Self, ParseError> {
        let header = Self::header(l3, at)?;
        if let Some(exchange) = as_key_exchange(&header) {
            // Only bytes of the IP header are written, options included.
            let end = at.saturating_add(header.l4.into());
            l3.get(at..end).ok_or(ParseError::Short(end))?;
            let of = |addr| Endpoint {
                addr,
                port: Transport::KEY_EXCHANGE.src_port,
            };
            return Ok(Self {
                at,
                header: exchange,
                src: of(header.src),
                dst: of(header.dst),
            });
        }
        if !has_ports(header.protocol) || header.fragment == Fragment::Later {
            return Err(ParseError::Malformed);
        }
        let ports = at.saturating_add(header.l4.into());
        let rest = l3.get(ports..).and_then(|rest| rest.first_chunk::<PORTS>());
        let short = ParseError::Short(ports.saturating_add(PORTS));
        let [s0, s1, d0, d1] = *rest.ok_or(short)?;
        Ok(Self {
            at,
            header,
            src: Endpoint {
                addr: header.src,
                port: u16::from_be_bytes([s0, s1]),
            },
            dst: Endpoint {
                addr: header.dst,
                port: u16::from_be_bytes([d0, d1]),
            },
        })
    }

    /// Returns the number of bytes of the outer packet that [`translate`] may write, if present.
    pub(crate) fn reach(&self) -> usize {
        self.at
            .saturating_add(self.header.l4.into())
            .saturating_add(TCP_SUM + 2)
    }
}

/// Translates an error (I-3): replaces the `side` of the outer packet by `to`, and the opposite
/// side of the inner packet.
///
/// `l3` is at least as long as [`Quoted::reach`], or holds the whole packet. The checksums of both
/// IP headers, of the message and, if present, of the inner transport header are updated. `sum` is
/// the state of the message's checksum.
///
/// # Errors
///
/// [`ParseError::Short`] if headers are incomplete. The packet is unchanged then.
pub(crate) fn translate<F: Icmp>(
    l3: &mut [u8],
    header: &Header<F>,
    quoted: &Quoted<F>,
    side: Side,
    to: &Endpoint<F>,
    sum: SumState,
) -> Result<(), ParseError> {
    let message = usize::from(header.l4);
    // Nothing below fails half-way then.
    Message::parse(l3, message)?;
    Quoted::<F>::parse(l3, quoted.at)?;
    let before = checksum::of_bytes(l3.get(quoted.at..).unwrap_or_default());
    quote(l3, quoted, side, to)?;
    let after = checksum::of_bytes(l3.get(quoted.at..).unwrap_or_default());

    let from = match side {
        Side::Source => header.src,
        Side::Destination => header.dst,
    };
    let own = F::own_change(from, to.addr);
    let field = message.wrapping_add(2)..message.wrapping_add(4);
    if let Some([c0, c1]) = l3.get_mut(field) {
        [*c0, *c1] = match sum {
            SumState::Full => own.and2(before, after).of_sum([*c0, *c1]),
            SumState::Partial => own.of_partial([*c0, *c1]),
        };
    }
    // ICMP has no ports, so only the address changes, as in a later fragment.
    let bare = Header {
        fragment: Fragment::Later,
        ..*header
    };
    F::rewrite(l3, &bare, side, to, sum)
}

/// Translates the inner packet: replaces its side opposite to `side` by `to`.
fn quote<F: Icmp>(
    l3: &mut [u8],
    quoted: &Quoted<F>,
    side: Side,
    to: &Endpoint<F>,
) -> Result<(), ParseError> {
    let short = ParseError::Short(quoted.at);
    let bytes = l3.get_mut(quoted.at..).ok_or(short)?;
    let (side, from) = match side {
        Side::Source => (Side::Destination, quoted.dst),
        Side::Destination => (Side::Source, quoted.src),
    };
    // Changes the address only, as the transport header may be truncated.
    let bare = Header {
        fragment: Fragment::Later,
        ..quoted.header
    };
    F::rewrite(bytes, &bare, side, to, SumState::Full)?;
    if quoted.header.fragment == Fragment::Later {
        // AH or ESP.
        return Ok(());
    }
    let l4 = bytes.get_mut(quoted.header.l4.into()..).ok_or(short)?;
    let at = match side {
        Side::Source => 0usize,
        Side::Destination => 2,
    };
    if let Some([p0, p1]) = l4.get_mut(at..at.wrapping_add(2)) {
        [*p0, *p1] = to.port.to_be_bytes();
    }
    let change = F::change(from.addr, to.addr).and2(from.port.to_be_bytes(), to.port.to_be_bytes());
    let sum_at = match quoted.header.protocol {
        TCP => TCP_SUM,
        UDP => UDP_SUM,
        _ => return Ok(()),
    };
    match l4.get_mut(sum_at..sum_at.wrapping_add(2)) {
        Some([0, 0]) if quoted.header.protocol == UDP => {}
        Some([c0, c1]) => {
            [*c0, *c1] = match (quoted.header.protocol, change.of_sum([*c0, *c1])) {
                (UDP, [0, 0]) => [0xff, 0xff],
                (_, field) => field,
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
