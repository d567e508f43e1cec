// SPDX-License-Identifier: GPL-2.0

//! IPv4 packets (RFC 791).

use super::checksum::{
    self,
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
    ParseError,
    TCP,
    UDP, //
};
use super::rewrite;

/// Length of a header without options, in bytes.
const HEADER: usize = 20;
/// Bit of the fragment field: DF.
const DONT_FRAGMENT: u16 = 0x4000;
/// Bit of the fragment field: MF.
const MORE: u16 = 0x2000;
/// Bits of the fragment field with the offset.
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

    fn masked(a: [u8; 4], netmask: u32) -> [u8; 4] {
        (u32::from_ne_bytes(a) & netmask).to_ne_bytes()
    }

    fn of_mark(mark: u32) -> [u8; 4] {
        mark.to_be_bytes()
    }

    #[inline(always)]
    fn parse(l3: &[u8]) -> Result<Header<Self>, ParseError> {
        let [ver, tos, l0, l1, _, _, f0, f1, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
            *l3.first_chunk::<HEADER>()
                .ok_or(ParseError::Short(HEADER))?;
        let l4 = u16::from(ver & 0xf) << 2;
        let length = u16::from_be_bytes([l0, l1]);
        // Version 4 and a header of at least five words. A length of 0 is that of a GSO packet of
        // more than 64 KiB.
        let known = (0x45..=0x4f).contains(&ver);
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

    #[inline(always)]
    fn whole_addresses(l3: &[u8]) -> Option<([u8; 4], [u8; 4])> {
        let [_, _, _, _, _, _, f0, f1, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
            *l3.first_chunk::<HEADER>()?;
        let is_whole = u16::from_be_bytes([f0, f1]) & (MORE | OFFSET) == 0;
        (matches!(protocol, TCP | UDP) && is_whole).then_some(([s0, s1, s2, s3], [d0, d1, d2, d3]))
    }

    #[inline(always)]
    fn hash(key: &HashKey, a: &Endpoint<Self>, b: &Endpoint<Self>, protocol: u8) -> u32 {
        // One word each, so that a single comparison sorts them.
        let a = (u64::from(u32::from_ne_bytes(a.addr)) << 16) | u64::from(a.port);
        let b = (u64::from(u32::from_ne_bytes(b.addr)) << 16) | u64::from(b.port);
        key.two(a.min(b), a.max(b) | (u64::from(protocol) << 48))
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
            .split_first_chunk_mut::<10>()
            .ok_or(ParseError::Malformed)?;
        let (field, rest) = rest
            .split_first_chunk_mut::<2>()
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
        *field = change.of_sum(*field);
        *addr = to.addr;
        if at != HEADER {
            sum_anew(ip);
        }
        Ok(())
    }

    #[inline(always)]
    fn dec_ttl(l3: &mut [u8], l4: u16) -> bool {
        if usize::from(l4) != HEADER {
            return age_with_options(l3, l4);
        }
        match l3.first_chunk_mut() {
            Some(header) => age_header(header),
            None => false,
        }
    }
}

/// Decrements the TTL and updates the checksum; returns `false` if the TTL is at most 1.
#[inline(always)]
fn age_header([_, _, _, _, _, _, _, _, ttl, _, c0, c1, ..]: &mut [u8; HEADER]) -> bool {
    if *ttl <= 1 {
        return false;
    }
    *ttl = ttl.wrapping_sub(1);
    [*c0, *c1] = checksum::of_dec_ttl([*c0, *c1]);
    true
}

/// As [`V4::dec_ttl`], for a header with options that ends at `l4`.
#[cold]
#[inline(never)]
fn age_with_options(l3: &mut [u8], l4: u16) -> bool {
    let aged = l3.first_chunk_mut().is_some_and(age_header);
    if aged {
        sum_anew(l3.get_mut(..l4.into()).unwrap_or_default());
    }
    aged
}

/// Recomputes the checksum of the header `ip`, options included.
///
/// The kernel writes into record route and timestamp options on input and leaves the checksum to
/// the forwarding code (`ip_options_compile()`, `ip_forward_options()`). So the checksum is not
/// valid before an incremental update.
#[cold]
#[inline(never)]
fn sum_anew(ip: &mut [u8]) {
    if let Some([_, _, _, _, _, _, _, _, _, _, c0, c1, ..]) = ip.first_chunk_mut::<HEADER>() {
        [*c0, *c1] = [0; 2];
        let sum = u16::from_ne_bytes(checksum::of_bytes(ip));
        if let Some([_, _, _, _, _, _, _, _, _, _, c0, c1, ..]) = ip.first_chunk_mut::<HEADER>() {
            [*c0, *c1] = (!sum).to_ne_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::{TCP, UDP};
    use super::*;

    /// A UDP datagram with a correct checksum, from 192.168.0.1:53 to 192.168.0.199:1024.
    fn datagram() -> Vec<u8> {
        let mut bytes = vec![
            0x45, 0x00, 0x00, 0x1e, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0xb6, 0xc0, 0xa8,
            0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7, 0x00, 0x35, 0x04, 0x00, 0x00, 0x0a, 0x78, 0x8a,
            0x01, 0x02,
        ];
        assert_eq!(transport_sum(&bytes), 0xffff);
        assert_eq!(sum(&bytes[..20]), 0xffff);
        bytes.extend([0; 4]);
        bytes
    }

    fn sum(bytes: &[u8]) -> u32 {
        let mut sum = 0;
        for pair in bytes.chunks(2) {
            sum += (u32::from(pair[0]) << 8) | u32::from(*pair.get(1).unwrap_or(&0));
        }
        while sum >> 16 != 0 {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        sum
    }

    fn transport_sum(packet: &[u8]) -> u32 {
        let length = (packet.len() - 20) as u8;
        let mut bytes = packet[12..].to_vec();
        bytes.extend([0, packet[9], 0, length]);
        sum(&bytes)
    }

    // H-9
    #[test]
    fn fields() {
        let header = V4::parse(&datagram()).unwrap();
        let expected = Header {
            src: [192, 168, 0, 1],
            dst: [192, 168, 0, 199],
            protocol: UDP,
            l4: 20,
            fragment: Fragment::Whole,
            length: 30,
            dont_fragment: true,
            tos: 0,
            ttl: 64,
        };
        assert_eq!(header, expected);
    }

    // H-9
    #[test]
    fn liars_are_malformed() {
        let with = |at: usize, byte: u8| {
            let mut bytes = datagram();
            bytes[at] = byte;
            V4::parse(&bytes)
        };
        assert_eq!(with(0, 0x65), Err(ParseError::Malformed), "version 6");
        assert_eq!(with(0, 0x05), Err(ParseError::Malformed), "version 0");
        for ihl in 0x40..0x45 {
            assert_eq!(with(0, ihl), Err(ParseError::Malformed), "ihl below 5");
        }
        assert_eq!(with(0, 0x48), Err(ParseError::Malformed), "32 of 30 bytes");
        assert_eq!(with(0, 0x47).map(|header| header.l4), Ok(28));
        assert_eq!(with(3, 19), Err(ParseError::Malformed), "19 bytes in all");
        // The packet is as long as its buffer.
        assert_eq!(with(3, 0).map(|header| header.length), Ok(0));
        for present in 0..20 {
            assert_eq!(
                V4::parse(&datagram()[..present]),
                Err(ParseError::Short(20))
            );
        }
    }

    // H-19
    #[test]
    fn fragments() {
        let with = |f0: u8, f1: u8| {
            let mut bytes = datagram();
            bytes[6] = f0;
            bytes[7] = f1;
            let header = V4::parse(&bytes).unwrap();
            (header.fragment, header.dont_fragment)
        };
        assert_eq!(with(0x00, 0), (Fragment::Whole, false));
        assert_eq!(with(0x40, 0), (Fragment::Whole, true));
        assert_eq!(with(0x80, 0), (Fragment::Whole, false));
        assert_eq!(with(0x20, 0), (Fragment::First, false));
        assert_eq!(with(0x20, 1), (Fragment::Later, false));
        assert_eq!(with(0x00, 1), (Fragment::Later, false));
        assert_eq!(with(0x5f, 0xff), (Fragment::Later, true));
    }

    // T-16, X-12, X-25
    #[test]
    fn rewriting_keeps_checksums_right() {
        for side in [Side::Source, Side::Destination] {
            let mut bytes = datagram();
            let header = V4::parse(&bytes).unwrap();
            let to = Endpoint {
                addr: [10, 1, 2, 3],
                port: 8080,
            };
            V4::rewrite(&mut bytes, &header, side, &to, SumState::Full).unwrap();
            bytes.truncate(30);
            assert_eq!(sum(&bytes[..20]), 0xffff);
            assert_eq!(transport_sum(&bytes), 0xffff);
            let (addr, port) = match side {
                Side::Source => (&bytes[12..16], &bytes[20..22]),
                Side::Destination => (&bytes[16..20], &bytes[22..24]),
            };
            assert_eq!((addr, port), (&[10, 1, 2, 3][..], &[0x1f, 0x90][..]));
        }
    }

    /// Departure from T-17: a UDP checksum of 0 stays 0.
    #[test]
    fn no_udp_checksum_stays_none() {
        let mut bytes = datagram();
        bytes[26..28].fill(0);
        let header = V4::parse(&bytes).unwrap();
        let to = Endpoint {
            addr: [10, 1, 2, 3],
            port: 8080,
        };
        V4::rewrite(&mut bytes, &header, Side::Destination, &to, SumState::Full).unwrap();
        assert_eq!(bytes[26..28], [0, 0]);
        assert_eq!(bytes[22..24], [0x1f, 0x90]);
    }

    // T-17
    #[test]
    fn computed_zero_is_written_as_ffff() {
        let mut bytes = datagram();
        let header = V4::parse(&bytes).unwrap();
        let mut to = Endpoint {
            addr: header.dst,
            port: 0,
        };
        // With this port the sum is 0xffff, whose complement is 0.
        bytes[22..24].fill(0);
        bytes[26..28].fill(0);
        to.port = (0xffff - transport_sum(&bytes[..30])) as u16;
        let mut bytes = datagram();
        V4::rewrite(&mut bytes, &header, Side::Destination, &to, SumState::Full).unwrap();
        assert_eq!(bytes[26..28], [0xff, 0xff]);
        assert_eq!(transport_sum(&bytes[..30]), 0xffff);
    }

    // T-16
    #[test]
    fn partial_sums_know_addresses_only() {
        let mut bytes = datagram();
        let pseudo = |bytes: &[u8]| {
            let mut header = bytes[12..20].to_vec();
            header.extend([0, bytes[9], 0, 10]);
            (sum(&header) as u16).to_be_bytes()
        };
        let field = pseudo(&bytes);
        bytes[26..28].copy_from_slice(&field);
        let header = V4::parse(&bytes).unwrap();
        let to = Endpoint {
            addr: [10, 1, 2, 3],
            port: 8080,
        };
        V4::rewrite(&mut bytes, &header, Side::Source, &to, SumState::Partial).unwrap();
        assert_eq!(bytes[26..28], pseudo(&bytes));
        assert_eq!(bytes[20..22], [0x1f, 0x90]);
    }

    #[test]
    fn a_rewrite_that_fails_changes_nothing() {
        let to = Endpoint {
            addr: [10, 1, 2, 3],
            port: 8080,
        };
        for (protocol, needed) in [(TCP, 40), (UDP, 28)] {
            let mut bytes = datagram();
            bytes.extend([0; 20]);
            bytes[9] = protocol;
            let header = V4::parse(&bytes).unwrap();
            for present in 0..needed {
                let mut part = bytes[..present].to_vec();
                let short = V4::rewrite(&mut part, &header, Side::Source, &to, SumState::Full);
                let expected = if present < 20 { 20 } else { needed };
                assert_eq!(short, Err(ParseError::Short(expected)));
                assert_eq!(part, bytes[..present]);
            }
        }
    }

    // T-14
    #[test]
    fn without_ports_only_the_address_changes() {
        let to = Endpoint {
            addr: [10, 1, 2, 3],
            port: 8080,
        };
        let change = |at: usize, byte: u8| {
            let mut bytes = datagram();
            bytes[at] = byte;
            bytes[10..12].fill(0);
            let fixed = super::super::checksum::of_header(bytes.first_chunk().unwrap());
            bytes[10..12].copy_from_slice(&fixed);
            let before = bytes.clone();
            let header = V4::parse(&bytes).unwrap();
            V4::rewrite(&mut bytes, &header, Side::Source, &to, SumState::Full).unwrap();
            assert_eq!(bytes[20..], before[20..]);
            assert_eq!(bytes[12..16], to.addr);
            assert_eq!(sum(&bytes[..20]), 0xffff);
        };
        // A later fragment.
        change(7, 1);
    }

    // T-14, T-19
    #[test]
    fn other_protocols_are_refused() {
        let to = Endpoint {
            addr: [10, 1, 2, 3],
            port: 8080,
        };
        for protocol in [0, 1, 50, 51, 58, 132] {
            let mut bytes = datagram();
            bytes[9] = protocol;
            let before = bytes.clone();
            let header = V4::parse(&bytes).unwrap();
            for side in [Side::Source, Side::Destination] {
                let refused = V4::rewrite(&mut bytes, &header, side, &to, SumState::Full);
                assert_eq!(refused, Err(ParseError::Malformed));
            }
            assert_eq!(bytes, before);
        }
    }

    //
    #[test]
    fn dec_ttl_takes_one() {
        let mut bytes = datagram();
        for ttl in (1..64).rev() {
            assert!(V4::dec_ttl(&mut bytes, 20));
            assert_eq!(bytes[8], ttl);
            assert_eq!(sum(&bytes[..20]), 0xffff);
        }
        let before = bytes.clone();
        assert!(!V4::dec_ttl(&mut bytes, 20));
        assert_eq!(bytes, before);
        bytes[8] = 0;
        assert!(!V4::dec_ttl(&mut bytes, 20));
        assert_eq!(bytes[8], 0);
        assert!(!V4::dec_ttl(&mut bytes[..19], 20));
    }

    // the kernel writes into options and leaves the checksum as it was.
    #[test]
    fn options_are_summed_anew() {
        let to = Endpoint {
            addr: [10, 1, 2, 3],
            port: 8080,
        };
        for words in 1..=10u8 {
            let length = 4 * usize::from(words);
            let mut bytes = datagram();
            let options: Vec<u8> = (0..length).map(|i| 0xf1u8.wrapping_mul(i as u8)).collect();
            bytes.splice(20..20, options);
            bytes[0] = 0x45 + words;
            bytes[3] += length as u8;
            let header = V4::parse(&bytes).unwrap();
            for side in [Side::Source, Side::Destination] {
                let mut bytes = bytes.clone();
                V4::rewrite(&mut bytes, &header, side, &to, SumState::Full).unwrap();
                assert_eq!(sum(&bytes[..20 + length]), 0xffff, "{length} bytes");
            }
            let before = bytes.clone();
            assert!(V4::dec_ttl(&mut bytes, header.l4));
            assert_eq!(sum(&bytes[..20 + length]), 0xffff, "{length} bytes");
            assert_eq!(bytes[12..], before[12..]);
            // If less than the header is writable, no byte beyond is changed.
            assert!(V4::dec_ttl(&mut bytes[..20], header.l4));
        }
    }

    // M-22
    #[test]
    fn both_directions_hash_alike() {
        let key = HashKey::new(core::array::from_fn(|i| {
            (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        }));
        let endpoint = |last, port| Endpoint::<V4> {
            addr: [192, 0, 2, last],
            port,
        };
        let (a, b) = (endpoint(1, 80), endpoint(2, 40000));
        assert_eq!(V4::hash(&key, &a, &b, 6), V4::hash(&key, &b, &a, 6));
        // The hash differs if ports are exchanged between addresses.
        let (c, d) = (endpoint(1, 40000), endpoint(2, 80));
        assert_ne!(V4::hash(&key, &a, &b, 6), V4::hash(&key, &c, &d, 6));
        assert_ne!(V4::hash(&key, &a, &b, 6), V4::hash(&key, &a, &b, 17));
    }
}
