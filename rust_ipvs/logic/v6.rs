// SPDX-License-Identifier: GPL-2.0

//! IPv6 packets (RFC 8200).

use super::checksum::{
    Change,
    SumState, //
};
use super::config::{
    AddressFamily,
    Ip, //
};
use super::family::{
    Endpoint,
    Family,
    Side,
    V6, //
};
use super::hash::HashKey;
use super::packet::{
    Fragment,
    Header,
    ParseError,
    TCP,
    UDP, //
};
use super::rewrite;

/// Length of the fixed header, in bytes.
const HEADER: usize = 40;
/// Hop-by-hop options.
const HOP_BY_HOP: u8 = 0;
/// A routing header.
const ROUTING: u8 = 43;
/// A fragment header.
const FRAGMENT: u8 = 44;
/// Destination options.
const DESTINATION: u8 = 60;

/// Maximum number of extension headers to walk (`IP6_MAX_EXT_HDRS_CNT`).
const EXTENSIONS: usize = 12;

/// Returns true if a next-header value is an extension header to walk. AH and ESP are not: they are
/// protocols (S-3).
#[inline]
fn is_extension(next: u8) -> bool {
    matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION)
}

/// Result of walking a chain of extension headers.
struct Chain {
    protocol: u8,
    l4: u16,
    fragment: Fragment,
}

/// Walks the extension headers after the fixed header. `next` is the type of the first one, which
/// need not be an extension header.
///
/// Out of line, as few packets have any.
#[cold]
#[inline(never)]
fn walk(l3: &[u8], mut next: u8) -> Result<Chain, ParseError> {
    let mut at = HEADER;
    let mut fragment = Fragment::Whole;
    for _ in 0..EXTENSIONS {
        if !is_extension(next) {
            break;
        }
        let end = at.wrapping_add(8);
        let [following, length, o0, o1, ..] = l3
            .get(at..)
            .and_then(|rest| rest.first_chunk::<8>())
            .ok_or(ParseError::Short(end))?;
        if next == FRAGMENT {
            let word = u16::from_be_bytes([*o0, *o1]);
            at = end;
            // In a later fragment data follows, whatever the next-header value.
            if word & 0xfff8 != 0 {
                return Ok(Chain {
                    protocol: *following,
                    l4: u16::try_from(at).map_err(|_| ParseError::Malformed)?,
                    fragment: Fragment::Later,
                });
            }
            if word & 1 != 0 {
                fragment = Fragment::First;
            }
        } else {
            at = end.wrapping_add(usize::from(*length) << 3);
        }
        next = *following;
    }
    if is_extension(next) {
        return Err(ParseError::Malformed);
    }
    Ok(Chain {
        protocol: next,
        l4: u16::try_from(at).map_err(|_| ParseError::Malformed)?,
        fragment,
    })
}

/// Returns source and destination address.
#[inline(always)]
fn addresses(fixed: &[u8; HEADER]) -> [[u8; 16]; 2] {
    let of = |at: usize| {
        let rest = fixed.get(at..)?;
        rest.first_chunk().copied()
    };
    [8, 24].map(|at| of(at).unwrap_or_default())
}

/// Returns the halves of an address.
#[inline(always)]
fn halves(addr: u128) -> [u64; 2] {
    [addr as u64, (addr >> 64) as u64]
}

impl Family for V6 {
    type Addr = [u8; 16];

    const FAMILY: AddressFamily = AddressFamily::V6;

    const UNSPECIFIED: [u8; 16] = [0; 16];

    #[inline]
    fn ip(a: [u8; 16]) -> Ip {
        Ip::V6(a)
    }

    #[inline]
    fn from_ip(ip: Ip) -> Option<[u8; 16]> {
        match ip {
            Ip::V4(_) => None,
            Ip::V6(a) => Some(a),
        }
    }

    fn masked(a: [u8; 16], netmask: u32) -> [u8; 16] {
        let host = 128u32.saturating_sub(netmask);
        let mask = u128::MAX.checked_shl(host).unwrap_or(0);
        (u128::from_be_bytes(a) & mask).to_be_bytes()
    }

    fn of_mark(mark: u32) -> [u8; 16] {
        let [a, b, c, d] = mark.to_be_bytes();
        [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    }

    #[inline(always)]
    fn parse(l3: &[u8]) -> Result<Header<Self>, ParseError> {
        // A single length check.
        let fixed = l3
            .first_chunk::<HEADER>()
            .ok_or(ParseError::Short(HEADER))?;
        let [v0, v1, _, _, p0, p1, next, hop_limit, ..] = *fixed;
        let [src, dst] = addresses(fixed);
        if v0 >> 4 != 6 {
            return Err(ParseError::Malformed);
        }
        let end = if matches!(next, TCP | UDP) {
            Chain {
                protocol: next,
                l4: HEADER as u16,
                fragment: Fragment::Whole,
            }
        } else {
            walk(l3, next)?
        };
        let length = match u16::from_be_bytes([p0, p1]) {
            // A GSO packet of more than 64 KiB, or an empty packet, which has no transport header
            // either.
            0 => 0,
            payload => u32::from(payload).wrapping_add(HEADER as u32),
        };
        if length != 0 && u32::from(end.l4) > length {
            return Err(ParseError::Malformed);
        }
        Ok(Header {
            src,
            dst,
            protocol: end.protocol,
            l4: end.l4,
            fragment: end.fragment,
            length,
            dont_fragment: false,
            tos: (v0 << 4) | (v1 >> 4),
            ttl: hop_limit,
        })
    }

    #[inline(always)]
    fn whole_addresses(l3: &[u8]) -> Option<([u8; 16], [u8; 16])> {
        let fixed = l3.first_chunk::<HEADER>()?;
        let [_, _, _, _, _, _, next, ..] = *fixed;
        let [src, dst] = addresses(fixed);
        matches!(next, TCP | UDP).then_some((src, dst))
    }

    #[inline(always)]
    fn hash(key: &HashKey, a: &Endpoint<Self>, b: &Endpoint<Self>, protocol: u8) -> u32 {
        let a = (u128::from_ne_bytes(a.addr), a.port);
        let b = (u128::from_ne_bytes(b.addr), b.port);
        let ((a, pa), (b, pb)) = if a <= b { (a, b) } else { (b, a) };
        let rest = (u64::from(protocol) << 32) | (u64::from(pa) << 16) | u64::from(pb);
        key.five(halves(a), halves(b), rest)
    }

    #[inline(always)]
    fn rewrite(
        l3: &mut [u8],
        header: &Header<Self>,
        side: Side,
        to: &Endpoint<Self>,
        sum: SumState,
    ) -> Result<(), ParseError> {
        let at = usize::from(header.l4);
        let (ip, l4) = l3.split_at_mut_checked(at).ok_or(ParseError::Short(at))?;
        let (_, rest) = ip
            .split_first_chunk_mut::<8>()
            .ok_or(ParseError::Malformed)?;
        let (src, rest) = rest
            .split_first_chunk_mut::<16>()
            .ok_or(ParseError::Malformed)?;
        let (dst, _) = rest
            .split_first_chunk_mut::<16>()
            .ok_or(ParseError::Malformed)?;
        let addr = match side {
            Side::Source => src,
            Side::Destination => dst,
        };
        if header.fragment != Fragment::Later {
            let change = Change::NONE.and16(*addr, to.addr);
            rewrite::transport(l4, at, header.protocol, side, to.port, change, sum)?;
        }
        *addr = to.addr;
        Ok(())
    }

    #[inline(always)]
    fn dec_ttl(l3: &mut [u8], _l4: u16) -> bool {
        let Some([_, _, _, _, _, _, _, hop_limit, ..]) = l3.first_chunk_mut::<HEADER>() else {
            return false;
        };
        if *hop_limit <= 1 {
            return false;
        }
        *hop_limit = hop_limit.wrapping_sub(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet with these extension headers and 24 zero bytes of payload.
    fn packet(first: u8, extensions: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0x6a, 0xb0, 0, 0, 0, 0, first, 64];
        bytes.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        for extension in extensions {
            bytes.extend(*extension);
        }
        bytes.extend([0; 24]);
        let payload = (bytes.len() - 40) as u16;
        bytes[4..6].copy_from_slice(&payload.to_be_bytes());
        bytes
    }

    #[test]
    fn fields() {
        let header = V6::parse(&packet(TCP, &[])).unwrap();
        assert_eq!(header.src[15], 1);
        assert_eq!(header.dst[15], 2);
        assert_eq!((header.protocol, header.l4), (TCP, 40));
        assert_eq!(header.fragment, Fragment::Whole);
        assert_eq!(header.length, 64);
        assert_eq!((header.tos, header.ttl), (0xab, 64));
        assert!(!header.dont_fragment);
    }

    // H-9
    #[test]
    fn extension_headers_are_walked() {
        let options: &[u8] = &[ROUTING, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let routing: &[u8] = &[DESTINATION, 0, 0, 0, 0, 0, 0, 0];
        let destination: &[u8] = &[UDP, 0, 0, 0, 0, 0, 0, 0];
        let bytes = packet(HOP_BY_HOP, &[options, routing, destination]);
        let header = V6::parse(&bytes).unwrap();
        assert_eq!((header.protocol, header.l4), (UDP, 72));
        assert_eq!(header.fragment, Fragment::Whole);
        // A truncated header reports the length that it needs.
        for (present, needed) in [(40, 48), (47, 48), (48, 64), (63, 64), (64, 72), (71, 72)] {
            assert_eq!(V6::parse(&bytes[..present]), Err(ParseError::Short(needed)));
        }
        assert!(V6::parse(&bytes[..72]).is_ok());
    }

    // H-9, H-14
    #[test]
    fn fragments() {
        let with = |o0: u8, o1: u8, next: u8| {
            let bytes = packet(FRAGMENT, &[&[next, 0, o0, o1, 0, 0, 0, 1]]);
            let header = V6::parse(&bytes).unwrap();
            assert_eq!((header.protocol, header.l4), (next, 48));
            header.fragment
        };
        assert_eq!(with(0, 0, TCP), Fragment::Whole);
        assert_eq!(with(0, 1, TCP), Fragment::First);
        assert_eq!(with(0, 8, TCP), Fragment::Later);
        assert_eq!(with(0xff, 0xf9, TCP), Fragment::Later);
        // The reserved bits are ignored.
        assert_eq!(with(0, 6, TCP), Fragment::Whole);
        // Nothing is walked in a later fragment.
        assert_eq!(with(1, 0, DESTINATION), Fragment::Later);
    }

    // H-9
    #[test]
    fn endless_chains_are_malformed() {
        let again: &[u8] = &[DESTINATION, 0, 0, 0, 0, 0, 0, 0];
        let end: &[u8] = &[TCP, 0, 0, 0, 0, 0, 0, 0];
        let mut chain = vec![again; EXTENSIONS - 1];
        chain.push(end);
        let header = V6::parse(&packet(DESTINATION, &chain)).unwrap();
        assert_eq!((header.protocol, header.l4), (TCP, 40 + 96));
        chain.insert(0, again);
        assert_eq!(
            V6::parse(&packet(DESTINATION, &chain)),
            Err(ParseError::Malformed)
        );
    }

    // H-9
    #[test]
    fn liars_are_malformed() {
        let mut bytes = packet(TCP, &[]);
        bytes[0] = 0x45;
        assert_eq!(V6::parse(&bytes), Err(ParseError::Malformed));
        // The extension header is longer than the packet.
        let bytes = packet(DESTINATION, &[&[TCP, 255, 0, 0, 0, 0, 0, 0]]);
        assert_eq!(V6::parse(&bytes), Err(ParseError::Malformed));
        // The header does not give the packet's length.
        let mut bytes = packet(TCP, &[]);
        bytes[4..6].fill(0);
        assert_eq!(V6::parse(&bytes).map(|header| header.length), Ok(0));
        for present in 0..40 {
            assert_eq!(
                V6::parse(&packet(TCP, &[])[..present]),
                Err(ParseError::Short(40))
            );
        }
    }

    // S-3
    #[test]
    fn ah_and_esp_are_protocols() {
        for protocol in [50, 51] {
            let header = V6::parse(&packet(protocol, &[])).unwrap();
            assert_eq!((header.protocol, header.l4), (protocol, 40));
        }
    }

    //
    #[test]
    fn dec_ttl_takes_one() {
        let mut bytes = packet(TCP, &[]);
        bytes[7] = 2;
        assert!(V6::dec_ttl(&mut bytes, 40));
        assert_eq!(bytes[7], 1);
        assert!(!V6::dec_ttl(&mut bytes, 40));
        assert_eq!(bytes[7], 1);
        assert!(!V6::dec_ttl(&mut bytes[..39], 40));
    }

    // T-20
    #[test]
    fn later_fragments_change_their_address_only() {
        let mut bytes = packet(FRAGMENT, &[&[UDP, 0, 1, 0, 0, 0, 0, 1]]);
        let before = bytes.clone();
        let header = V6::parse(&bytes).unwrap();
        let to = Endpoint {
            addr: [0xfd; 16],
            port: 80,
        };
        V6::rewrite(&mut bytes, &header, Side::Destination, &to, SumState::Full).unwrap();
        assert_eq!(bytes[..24], before[..24]);
        assert_eq!(bytes[24..40], to.addr);
        assert_eq!(bytes[40..], before[40..]);
    }
}
