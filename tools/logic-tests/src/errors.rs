// SPDX-License-Identifier: GPL-2.0

//! ICMP errors: translation of truncated inner packets, and robustness against malformed ones.

use crate::logic::checksum::SumState;
use crate::logic::family::{Endpoint, ParseError, Side, V4, V6};
use crate::logic::icmp::{self, Icmp, Message, Quoted};
use crate::logic::{gre, gue};
use crate::reference::{internet_checksum, Packet, Random};

/// An error about a packet, with correct checksums.
fn error(v4: bool, src: &[u8], dst: &[u8], about: &[u8]) -> Vec<u8> {
    let length = (8 + about.len()) as u16;
    let mut message = vec![if v4 { 11 } else { 3 }, 0, 0, 0, 1, 2, 3, 4];
    message.extend(about);
    let mut covered = Vec::new();
    if !v4 {
        covered.extend(src);
        covered.extend(dst);
        covered.extend([0, 0, (length >> 8) as u8, length as u8, 0, 0, 0, 58]);
    }
    covered.extend(&message);
    let sum = internet_checksum(&covered);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut packet = Vec::new();
    if v4 {
        packet.extend([0x45, 0]);
        packet.extend((20 + length).to_be_bytes());
        packet.extend([0, 1, 0, 0, 60, 1, 0, 0]);
        packet.extend(src);
        packet.extend(dst);
        let sum = internet_checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    } else {
        packet.extend([0x60, 0, 0, 0]);
        packet.extend(length.to_be_bytes());
        packet.extend([58, 60]);
        packet.extend(src);
        packet.extend(dst);
    }
    packet.extend(message);
    packet
}

/// Translates an error with `present` bytes of a correct packet, and compares it with an error
/// about the translated packet.
fn as_made_anew<F: Icmp>(packet: &Packet, present: usize, side: Side, to: &Endpoint<F>) {
    let whole = F::parse(&packet.bytes).unwrap();
    let v4 = packet.bytes[0] >> 4 == 4;
    let quoted = &packet.bytes[..present];
    let (inner, src, dst) = match side {
        Side::Source => (Side::Destination, whole.dst, whole.src),
        Side::Destination => (Side::Source, whole.dst, whole.src),
    };
    let mut bytes = error(v4, src.as_ref(), dst.as_ref(), quoted);
    let header = F::parse(&bytes).unwrap();
    let at = usize::from(header.l4) + icmp::HEADER;
    let found = Quoted::<F>::parse(&bytes, at).unwrap();
    icmp::translate(&mut bytes, &header, &found, side, to, SumState::Full).unwrap();

    let mut changed = packet.bytes.clone();
    F::rewrite(&mut changed, &whole, inner, to, SumState::Full).unwrap();
    let (src, dst) = match side {
        Side::Source => (to.addr, dst),
        Side::Destination => (src, to.addr),
    };
    let expected = error(v4, src.as_ref(), dst.as_ref(), &changed[..present]);
    // 0 and 0xffff are equivalent in a checksum; all other bytes are equal.
    for (i, (a, b)) in bytes.iter().zip(&expected).enumerate() {
        assert!(
            a == b || matches!((a, b), (0, 0xff) | (0xff, 0)),
            "byte {i}, {present} quoted"
        );
    }
}

// I-3
#[test]
fn translations_are_as_made_anew() {
    let mut random = Random::new(11);
    for _ in 0..if cfg!(miri) { 4 } else { 40_000 } {
        let v4 = random.chance(2);
        let protocol = [6, 17][random.below(2)];
        let packet = Packet::random(&mut random, v4, protocol);
        let least = packet.l4 + 8;
        let present = least + random.below(packet.bytes.len() - least + 1);
        if protocol == 6 && present == packet.l4 + 17 {
            // A checksum of which one byte is present is unchanged.
            continue;
        }
        let side = [Side::Source, Side::Destination][random.below(2)];
        let port = random.word() as u16;
        if v4 {
            let addr = random.bytes(4).try_into().unwrap();
            as_made_anew::<V4>(&packet, present, side, &Endpoint { addr, port });
        } else {
            let addr = random.bytes(16).try_into().unwrap();
            as_made_anew::<V6>(&packet, present, side, &Endpoint { addr, port });
        }
    }
}

/// Parses and translates an error that may be malformed; returns true if it was translated.
fn survives<F: Icmp>(data: &[u8], to: &Endpoint<F>) -> bool {
    let Ok(header) = F::parse(data) else {
        return false;
    };
    let at = usize::from(header.l4);
    if let Err(error) = Message::parse(data, at) {
        assert!(matches!(error, ParseError::Short(needed) if needed > data.len()));
        return false;
    }
    let quoted = match Quoted::<F>::parse(data, at + icmp::HEADER) {
        Ok(quoted) => quoted,
        Err(ParseError::Short(needed)) => {
            assert!(needed > data.len());
            return false;
        }
        Err(ParseError::Malformed) => return false,
    };
    for side in [Side::Source, Side::Destination] {
        for sum in [SumState::Full, SumState::Partial] {
            let mut bytes = data.to_vec();
            icmp::translate(&mut bytes, &header, &quoted, side, to, sum).unwrap();
            assert_eq!(bytes.len(), data.len());
            // No byte beyond the writable part changed.
            let reach = quoted.reach().min(data.len());
            assert_eq!(bytes[reach..], data[reach..]);
            // A translation that fails on a shorter part leaves it unchanged.
            let mut part = data[..at + icmp::HEADER].to_vec();
            let done = icmp::translate(&mut part, &header, &quoted, side, to, sum);
            assert!(done.is_err() && part == data[..part.len()]);
        }
    }
    true
}

// I-1, I-3, I-5
#[test]
fn broken_errors_do_no_harm() {
    let runs = if cfg!(miri) { 20 } else { 1_000_000 };
    let mut random = Random::new(12);
    let mut translated = 0;
    for _ in 0..runs {
        let v4 = random.chance(2);
        let protocol = [6, 17, 132, 4, 47][random.below(5)];
        let about = Packet::random(&mut random, v4, protocol).bytes;
        let present = random.below(about.len() + 1);
        let size = if v4 { 4 } else { 16 };
        let (src, dst) = (random.bytes(size), random.bytes(size));
        let mut bytes = error(v4, &src, &dst, &about[..present]);
        for _ in 0..random.below(4) {
            let place = random.below(bytes.len());
            bytes[place] = random.byte();
        }
        if random.chance(8) {
            bytes.truncate(random.below(bytes.len() + 1));
        }
        let port = random.word() as u16;
        let four = Endpoint {
            addr: [10, 1, 2, 3],
            port,
        };
        let six = Endpoint {
            addr: [0xfd; 16],
            port,
        };
        translated += usize::from(survives::<V4>(&bytes, &four) || survives::<V6>(&bytes, &six));
        for bytes in [&bytes[..], &about[..present]] {
            if let Some((_, Some((_, at)))) = gue::parse(bytes) {
                assert!((12..=12 + 31 * 4).contains(&at));
            }
            if let Some((_, at)) = gre::parse(bytes) {
                assert!(at == 4 || at == 8);
            }
        }
    }
    println!("{translated} of {runs} errors translated");
    assert!(translated > runs / 20 || cfg!(miri));
}
