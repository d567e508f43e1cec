// SPDX-License-Identifier: GPL-2.0

//! IPv4 packets (RFC 791).

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
    V4, //
};
use super::hash::HashKey;
use super::packet::{
    Fragment,
    Header,
    ParseError, //
};
use super::rewrite;

/// Bytes of a header without options.
const HEADER: usize = 20;
/// The bit of the fragment word that forbids fragmentation.
const DONT_FRAGMENT: u16 = 0x4000;
/// The bit of the fragment word that says that more fragments follow.
const MORE: u16 = 0x2000;
/// The bits of the fragment word that are the offset.
const OFFSET: u16 = 0x1fff;

impl Family for V4 {
    type Addr = [u8; 4];

    const FAMILY: AddressFamily = AddressFamily::V4;

    const UNSPECIFIED: [u8; 4] = [0; 4];

    #[inline]
    fn ip(a: [u8; 4]) -> Ip {
        Ip::V4(a)
    }

    #[inline]
    fn from_ip(ip: Ip) -> Option<[u8; 4]> {
        match ip {
            Ip::V4(a) => Some(a),
            Ip::V6(_) => None,
        }
    }

    #[inline]
    fn parse(l3: &[u8]) -> Result<Header<Self>, ParseError> {
        let [version, tos, l0, l1, _, _, f0, f1, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
            *l3.first_chunk::<HEADER>()
                .ok_or(ParseError::Short(HEADER))?;
        let l4 = u16::from(version & 0xf) << 2;
        let length = u16::from_be_bytes([l0, l1]);
        // Version 4 and at least five words of header. A length of 0 is that of a packet too long to say.
        let known = (0x45..=0x4f).contains(&version);
        if !known || (length < l4 && length != 0) {
            return Err(ParseError::Malformed);
        }
        let word = u16::from_be_bytes([f0, f1]);
        let fragment = match word & (MORE | OFFSET) {
            0 => Fragment::Whole,
            MORE => Fragment::First,
            _ => Fragment::Later,
        };
        Ok(Header {
            src: [s0, s1, s2, s3],
            dst: [d0, d1, d2, d3],
            protocol,
            l4,
            fragment,
            length: length.into(),
            dont_fragment: word & DONT_FRAGMENT != 0,
            tos,
            ttl,
        })
    }

    #[inline]
    fn hash(key: &HashKey, a: &Endpoint<Self>, b: &Endpoint<Self>, protocol: u8) -> u32 {
        // One number each, so that one comparison sorts.
        let a = (u64::from(u32::from_ne_bytes(a.addr)) << 16) | u64::from(a.port);
        let b = (u64::from(u32::from_ne_bytes(b.addr)) << 16) | u64::from(b.port);
        let (a, b) = (a.min(b), a.max(b));
        let ports = ((a as u32) << 16) | (b as u32 & 0xffff);
        key.four((a >> 16) as u32, (b >> 16) as u32, ports, protocol)
    }

    #[inline]
    fn rewrite(
        l3: &mut [u8],
        header: &Header<Self>,
        side: Side,
        to: &Endpoint<Self>,
        sum: SumState,
    ) -> Result<(), ParseError> {
        let at = usize::from(header.l4);
        let (ip, l4) = l3.split_at_mut_checked(at).ok_or(ParseError::Short(at))?;
        let (fixed, rest) = ip
            .split_first_chunk_mut::<12>()
            .ok_or(ParseError::Malformed)?;
        let (src, rest) = rest
            .split_first_chunk_mut::<4>()
            .ok_or(ParseError::Malformed)?;
        let (dst, _) = rest
            .split_first_chunk_mut::<4>()
            .ok_or(ParseError::Malformed)?;
        let addr = match side {
            Side::Source => src,
            Side::Destination => dst,
        };
        let change = Change::NONE.and4(*addr, to.addr);
        if header.fragment != Fragment::Later {
            rewrite::transport(l4, at, header.protocol, side, to.port, change, sum)?;
        }
        let [_, _, _, _, _, _, _, _, _, _, c0, c1] = fixed;
        [*c0, *c1] = change.of_sum([*c0, *c1]);
        *addr = to.addr;
        Ok(())
    }

    #[inline]
    fn age(l3: &mut [u8]) -> bool {
        let Some([_, _, _, _, _, _, _, _, ttl, protocol, c0, c1, ..]) =
            l3.first_chunk_mut::<HEADER>()
        else {
            return false;
        };
        if *ttl <= 1 {
            return false;
        }
        let from = [*ttl, *protocol];
        *ttl = ttl.wrapping_sub(1);
        [*c0, *c1] = Change::NONE
            .and2(from, [*ttl, *protocol])
            .of_sum([*c0, *c1]);
        true
    }
}
