// SPDX-License-Identifier: GPL-2.0

//! ICMP errors and the packets that they quote (RFC 792, RFC 4443; I-1 to I-3).
//!
//! An error quotes the beginning of the packet that it is about: its IP header and, of what
//! follows, at least 8 bytes. That is enough for the ports, by which the connection is found.

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

/// Bytes of an ICMP or ICMPv6 header.
pub(crate) const HEADER: usize = 8;
/// ICMP: a destination cannot be reached.
pub(crate) const UNREACHABLE: u8 = 3;
/// The code of [`UNREACHABLE`] that says that a packet is too big for the next link.
pub(crate) const FRAGMENTATION_NEEDED: u8 = 4;
/// ICMP: slow down; obsolete since RFC 6633.
const SOURCE_QUENCH: u8 = 4;
/// ICMP: the time to live was used up.
const TIME_EXCEEDED: u8 = 11;
/// ICMPv6: types from here on are no errors (RFC 4443, section 2.1).
const V6_NO_ERROR: u8 = 128;

/// Bytes of the two ports.
const PORTS: usize = 4;
/// Offset of the checksum in a TCP header.
const TCP_SUM: usize = 16;
/// Offset of the checksum in a UDP header.
const UDP_SUM: usize = 6;

/// ICMP of an address family: everything that differs between ICMP and ICMPv6.
pub(crate) trait Icmp: Family {
    /// The protocol's number.
    const NUMBER: u8;

    /// Returns whether a message of this type is an error that concerns connections (I-1).
    fn is_error(kind: u8) -> bool;

    /// Returns what sums over an address gain where that becomes another.
    fn change(from: Self::Addr, to: Self::Addr) -> Change;

    /// Returns what the checksum of a message gains where an address of its own packet becomes
    /// another.
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

    /// Nothing: the sum is over the message alone.
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

/// The fixed header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The type.
    pub(crate) kind: u8,
    /// The code, which says more.
    pub(crate) code: u8,
    /// The last four bytes, whose meaning depends on the type, in host byte order.
    pub(crate) info: u32,
}

impl Message {
    /// Reads the message at offset `at` of a packet.
    ///
    /// # Errors
    ///
    /// [`ParseError::Short`] where not all of the header is there.
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

/// A packet that is quoted, as far as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quoted<F: Family> {
    /// Offset of its IP header, in bytes from that of the packet that quotes it.
    pub(crate) at: usize,
    /// Its IP header; [`Header::l4`] counts from there.
    pub(crate) header: Header<F>,
    /// Sender of the packet.
    pub(crate) src: Endpoint<F>,
    /// To whom.
    pub(crate) dst: Endpoint<F>,
}

/// Returns whether a protocol's header begins with two ports.
fn has_ports(protocol: u8) -> bool {
    matches!(protocol, TCP | UDP | SCTP)
}

/// Says of an error where it counts from the outer IP header.
fn from_outer(error: ParseError, at: usize) -> ParseError {
    match error {
        ParseError::Short(needed) => ParseError::Short(at.saturating_add(needed)),
        ParseError::Malformed => ParseError::Malformed,
    }
}

impl<F: Icmp> Quoted<F> {
    /// Reads the IP header of the packet that is quoted at offset `at`.
    ///
    /// # Errors
    ///
    /// As [`Family::parse`]; offsets count from the outer packet.
    pub(crate) fn header(l3: &[u8], at: usize) -> Result<Header<F>, ParseError> {
        let quote = l3.get(at..).ok_or(ParseError::Short(at))?;
        F::parse(quote).map_err(|error| from_outer(error, at))
    }

    /// Reads the packet that is quoted at offset `at`, with its ports (I-1, I-2).
    ///
    /// # Errors
    ///
    /// As [`Quoted::header`]; [`ParseError::Malformed`] also where the packet has no ports: it is
    /// of another protocol, or a later fragment. AH and ESP, and their later fragments, follow
    /// their key exchange.
    pub(crate) fn parse(l3: &[u8], at: usize) -> Result<Self, ParseError> {
        let header = Self::header(l3, at)?;
        if let Some(exchange) = as_key_exchange(&header) {
            // All that is written is in the IP header, options included.
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

    /// Returns how many bytes of the packet that quotes it [`translate`] may write, if they are
    /// there.
    pub(crate) fn reach(&self) -> usize {
        self.at
            .saturating_add(self.header.l4.into())
            .saturating_add(TCP_SUM + 2)
    }
}

/// Translates an error: the packet of `header` goes to or comes from `to` from now on, by `side`,
/// and the packet that it quotes came from, or went, there (I-3).
///
/// `l3` reaches as far as [`Quoted::reach`] says, or as the packet does. The checksums of both IP
/// headers, of the message, and of the quoted transport header, where the quote has it, are
/// repaired; `sum` tells what the message's is.
///
/// # Errors
///
/// [`ParseError::Short`] where the headers are not all there; then nothing was changed.
pub(crate) fn translate<F: Icmp>(
    l3: &mut [u8],
    header: &Header<F>,
    quoted: &Quoted<F>,
    side: Side,
    to: &Endpoint<F>,
    sum: SumState,
) -> Result<(), ParseError> {
    let message = usize::from(header.l4);
    // What follows can then not fail half-way.
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
    // ICMP has no ports, so that only the address changes, as of a later fragment.
    let bare = Header {
        fragment: Fragment::Later,
        ..*header
    };
    F::rewrite(l3, &bare, side, to, sum)
}

/// Translates the quoted packet, whose end opposite to `side` becomes `to`.
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
    // The address only: of the transport header there may be less than a packet must have.
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
