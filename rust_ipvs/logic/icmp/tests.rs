// SPDX-License-Identifier: GPL-2.0

//! Tests of ICMP errors and the packets in them.

use super::*;

const CLIENT: [u8; 4] = [10, 0, 1, 1];
const VIRTUAL: Endpoint<V4> = Endpoint {
    addr: [10, 0, 9, 1],
    port: 80,
};
const REAL: Endpoint<V4> = Endpoint {
    addr: [10, 0, 2, 11],
    port: 8080,
};

fn v6(last: u8) -> [u8; 16] {
    let mut addr = [0; 16];
    addr[0] = 0xfd;
    addr[15] = last;
    addr
}

/// Returns the complemented sum of bytes: 0 if they include a correct checksum.
fn sum(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += (u32::from(pair[0]) << 8) | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum >> 16 != 0 {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

fn put_sum(bytes: &mut [u8], at: usize, sum: u16) {
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// A transport header with data: ports and a correct checksum.
fn transport(pseudo: &[u8], protocol: u8, sport: u16, dport: u16) -> Vec<u8> {
    let mut l4 = [sport.to_be_bytes(), dport.to_be_bytes()].concat();
    match protocol {
        TCP => l4.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0]),
        UDP => l4.extend([0, 13, 0, 0]),
        _ => l4.extend([0; 8]),
    }
    l4.extend(b"hello");
    let at = match protocol {
        TCP => 16,
        UDP => 6,
        _ => return l4,
    };
    let end = [0, 0, 0, protocol, 0, l4.len() as u8];
    let field = sum(&[pseudo, &end, &l4]);
    put_sum(&mut l4, at, field);
    l4
}

fn ip4(src: [u8; 4], dst: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![
        0x45,
        0,
        0,
        (20 + payload.len()) as u8,
        0,
        7,
        0,
        0,
        9,
        protocol,
        0,
        0,
    ];
    bytes.extend(src);
    bytes.extend(dst);
    let field = sum(&[&bytes]);
    put_sum(&mut bytes, 10, field);
    bytes.extend(payload);
    bytes
}

fn ip6(src: [u8; 16], dst: [u8; 16], next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0, 0, payload.len() as u8, next, 9];
    bytes.extend(src);
    bytes.extend(dst);
    bytes.extend(payload);
    bytes
}

/// An error from `src` to `dst` about a packet.
fn error4(src: [u8; 4], dst: [u8; 4], kind: u8, about: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 1, 0, 0, 0, 0, 0x05, 0xdc];
    message.extend(about);
    let field = sum(&[&message]);
    put_sum(&mut message, 2, field);
    ip4(src, dst, ICMP, &message)
}

fn error6(src: [u8; 16], dst: [u8; 16], kind: u8, about: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, 0, 0, 0x05, 0];
    message.extend(about);
    let end = [0, 0, 0, ICMPV6, 0, message.len() as u8];
    let field = sum(&[&src, &dst, &end, &message]);
    put_sum(&mut message, 2, field);
    ip6(src, dst, ICMPV6, &message)
}

/// The first `length` bytes of a client's packet to a VIP or a server.
fn request4(to: &Endpoint<V4>, protocol: u8, length: usize) -> Vec<u8> {
    let pseudo = [CLIENT, to.addr].concat();
    let mut packet = ip4(
        CLIENT,
        to.addr,
        protocol,
        &transport(&pseudo, protocol, 4000, to.port),
    );
    packet.truncate(length);
    packet
}

// I-1
#[test]
fn errors_are_distinguished_from_other_messages() {
    let of = |is: fn(u8) -> bool| (0..=255u8).filter(|kind| is(*kind)).collect::<Vec<_>>();
    assert_eq!(of(V4::is_error), [3, 4, 11]);
    assert_eq!(of(V6::is_error), (0..128).collect::<Vec<_>>());
}

// I-2
#[test]
fn what_is_quoted() {
    let packet = error4(REAL.addr, CLIENT, 11, &request4(&REAL, UDP, 28));
    let message = Message::parse(&packet, 20).unwrap();
    assert_eq!((message.kind, message.code, message.info), (11, 1, 0x5dc));
    let quoted = Quoted::<V4>::parse(&packet, 28).unwrap();
    assert_eq!((quoted.src.addr, quoted.src.port), (CLIENT, 4000));
    assert_eq!(quoted.dst, REAL);
    assert_eq!(quoted.header.ttl, 9);
}

// I-1
#[test]
fn quotes_cut_short_say_what_they_need() {
    let packet = error4(REAL.addr, CLIENT, 3, &request4(&REAL, UDP, 28));
    for present in 0..packet.len() {
        let part = &packet[..present];
        let message = Message::parse(part, 20).err();
        assert_eq!(message, (present < 28).then_some(ParseError::Short(28)));
        let quoted = Quoted::<V4>::parse(part, 28).err();
        let needed = match present {
            0..28 => Some(ParseError::Short(28)),
            28..48 => Some(ParseError::Short(48)),
            48..52 => Some(ParseError::Short(52)),
            _ => None,
        };
        // If the offset of the inner packet is not known yet, the parser needs more bytes step by
        // step.
        assert_eq!(quoted.is_some(), needed.is_some(), "{present} bytes");
        if present >= 28 {
            assert_eq!(quoted, needed, "{present} bytes");
        }
    }
}

// I-1
#[test]
fn what_has_no_ports_is_not_followed() {
    for protocol in [1, 4, 47, 58] {
        let packet = error4(REAL.addr, CLIENT, 3, &request4(&REAL, protocol, 28));
        assert_eq!(Quoted::<V4>::parse(&packet, 28), Err(ParseError::Malformed));
        assert!(Quoted::<V4>::header(&packet, 28).is_ok());
    }
    let mut about = request4(&REAL, UDP, 28);
    about[7] = 1;
    let packet = error4(REAL.addr, CLIENT, 3, &about);
    assert_eq!(Quoted::<V4>::parse(&packet, 28), Err(ParseError::Malformed));
    about[6] = 0x20;
    about[7] = 0;
    let packet = error4(REAL.addr, CLIENT, 3, &about);
    assert!(Quoted::<V4>::parse(&packet, 28).is_ok(), "a first fragment");
}

// I-3: an error from a server becomes one from the VIP, about a packet to the VIP.
#[test]
fn outgoing_errors_become_those_of_the_vip() {
    for protocol in [TCP, UDP, SCTP] {
        for length in [24, 28, 34, 38, 40, 60] {
            let about = request4(&REAL, protocol, length);
            let mut packet = error4(REAL.addr, CLIENT, 3, &about);
            let header = V4::parse(&packet).unwrap();
            let quoted = Quoted::<V4>::parse(&packet, 28).unwrap();
            let whole = SumState::Full;
            translate(&mut packet, &header, &quoted, Side::Source, &VIRTUAL, whole).unwrap();
            let about = request4(&VIRTUAL, protocol, length);
            let expected = error4(VIRTUAL.addr, CLIENT, 3, &about);
            assert_eq!(packet, expected, "protocol {protocol}, {length} bytes");
        }
    }
}

// I-1, I-3, T-14: AH and ESP use the connection of their key exchange, also in fragments, and only
// addresses change.
#[test]
fn errors_about_ah_and_esp() {
    for (protocol, fragment) in [(50, 0), (51, 0), (50, 100)] {
        let of = |to: &Endpoint<V4>| {
            let mut about = request4(to, UDP, 36);
            about[9] = protocol;
            about[7] = fragment;
            about[10..12].fill(0);
            let sum = sum(&[&about[..20]]);
            put_sum(&mut about, 10, sum);
            about
        };
        // Not ports: the bytes at their offset are unchanged.
        let (real, virt) = (
            REAL,
            Endpoint {
                port: REAL.port,
                ..VIRTUAL
            },
        );
        let mut packet = error4(real.addr, CLIENT, 3, &of(&real));
        let header = V4::parse(&packet).unwrap();
        let quoted = Quoted::<V4>::parse(&packet, 28).unwrap();
        assert_eq!((quoted.src.port, quoted.dst.port), (500, 500));
        assert_eq!(quoted.header.protocol, UDP);
        translate(
            &mut packet,
            &header,
            &quoted,
            Side::Source,
            &virt,
            SumState::Full,
        )
        .unwrap();
        assert_eq!(
            packet[28 + 20..],
            of(&real)[20..],
            "what follows the quoted header"
        );
        assert_eq!(packet[28 + 16..28 + 20], virt.addr);
        assert_eq!(sum(&[&packet[28..48]]), 0, "the quoted header's checksum");
        assert_eq!(sum(&[&packet[20..]]), 0, "the message's checksum");
    }
}

// I-3: an error about a reply, whose source is the VIP, goes to the server that sent it.
#[test]
fn incoming_errors_go_to_the_server() {
    let reply = |from: &Endpoint<V4>| {
        let pseudo = [from.addr, CLIENT].concat();
        ip4(
            from.addr,
            CLIENT,
            UDP,
            &transport(&pseudo, UDP, from.port, 4000),
        )
    };
    let router = [10, 0, 1, 254];
    let mut packet = error4(router, VIRTUAL.addr, 11, &reply(&VIRTUAL));
    let header = V4::parse(&packet).unwrap();
    let quoted = Quoted::<V4>::parse(&packet, 28).unwrap();
    let side = Side::Destination;
    translate(&mut packet, &header, &quoted, side, &REAL, SumState::Full).unwrap();
    assert_eq!(packet, error4(router, REAL.addr, 11, &reply(&REAL)));
}

// I-3
#[test]
fn icmpv6_sums_cover_the_addresses() {
    let (virt, real) = (
        Endpoint::<V6> {
            addr: v6(1),
            port: 80,
        },
        Endpoint::<V6> {
            addr: v6(0xb),
            port: 8080,
        },
    );
    let request = |to: &Endpoint<V6>| {
        let pseudo = [v6(2), to.addr].concat();
        ip6(v6(2), to.addr, UDP, &transport(&pseudo, UDP, 4000, to.port))
    };
    let mut packet = error6(real.addr, v6(2), 1, &request(&real));
    let header = V6::parse(&packet).unwrap();
    let quoted = Quoted::<V6>::parse(&packet, 48).unwrap();
    let side = Side::Source;
    translate(&mut packet, &header, &quoted, side, &virt, SumState::Full).unwrap();
    assert_eq!(packet, error6(virt.addr, v6(2), 1, &request(&virt)));

    // The device adds the message's sum to that of the pseudo header.
    let mut packet = error6(real.addr, v6(2), 1, &request(&real));
    let end = [0, 0, 0, ICMPV6, 0, (packet.len() - 40) as u8];
    let field = !sum(&[&real.addr, &v6(2), &end]);
    put_sum(&mut packet, 42, field);
    let partial = SumState::Partial;
    translate(&mut packet, &header, &quoted, side, &virt, partial).unwrap();
    let expected = !sum(&[&virt.addr, &v6(2), &end]);
    assert_eq!(packet[42..44], expected.to_be_bytes());
}

// T-17
#[test]
fn no_udp_checksum_stays_none() {
    let mut about = request4(&REAL, UDP, 33);
    about[26..28].fill(0);
    let mut packet = error4(REAL.addr, CLIENT, 3, &about);
    let header = V4::parse(&packet).unwrap();
    let quoted = Quoted::<V4>::parse(&packet, 28).unwrap();
    let side = Side::Source;
    translate(
        &mut packet,
        &header,
        &quoted,
        side,
        &VIRTUAL,
        SumState::Full,
    )
    .unwrap();
    let mut about = request4(&VIRTUAL, UDP, 33);
    about[26..28].fill(0);
    assert_eq!(packet, error4(VIRTUAL.addr, CLIENT, 3, &about));
}

#[test]
fn a_translation_that_fails_changes_nothing() {
    let whole = error4(REAL.addr, CLIENT, 3, &request4(&REAL, UDP, 28));
    let header = V4::parse(&whole).unwrap();
    let quoted = Quoted::<V4>::parse(&whole, 28).unwrap();
    for present in 0..52 {
        let mut part = whole[..present].to_vec();
        let side = Side::Source;
        let done = translate(&mut part, &header, &quoted, side, &VIRTUAL, SumState::Full);
        assert!(done.is_err(), "{present} bytes");
        assert_eq!(part, whole[..present]);
    }
}

// U-21: the headers that were read first determine the bytes written, even if the page changes
// meanwhile.
#[test]
fn headers_that_change_are_written_as_they_were_read() {
    let server = REAL.addr;
    let about = request4(&REAL, UDP, usize::MAX);
    let error = error4(server, CLIENT, UNREACHABLE, &about);
    let header = V4::parse(&error).unwrap();
    let quoted = Quoted::<V4>::parse(&error, 28).unwrap();
    // Addresses and checksums of both IP headers, the message's checksum, the ports, and the inner
    // checksum.
    let written = |at: usize| matches!(at, 10..20 | 22..24 | 38..48 | 48..52 | 54..56);
    for at in 0..error.len() {
        for flip in 1..=255 {
            let mut changed = error.clone();
            changed[at] ^= flip;
            let before = changed.clone();
            let (side, sum) = (Side::Source, SumState::Full);
            let done = translate(&mut changed, &header, &quoted, side, &VIRTUAL, sum);
            for (i, (now, then)) in changed.iter().zip(&before).enumerate() {
                assert!(now == then || written(i), "byte {i}, {at} changed");
            }
            assert!(done.is_ok() || changed == before, "byte {at} changed");
        }
    }
}
