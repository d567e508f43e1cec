// SPDX-License-Identifier: GPL-2.0

//! FTP control connections: formatted texts are parsed again, and malformed ones cause no panic.

use crate::exercise;
use crate::logic::config::Ip;
use crate::logic::family::{Endpoint, V4, V6};
use crate::logic::ftp::{answer, command, EndpointText, FtpCommand, Mode};
use crate::reference::Random;
use proptest::prelude::*;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 2 } else { cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(4_096))]

    // F-5, F-6: commands of clients.
    #[test]
    fn commands_are_read(addr: [u8; 4], addr6: [u8; 16], port in 1u16.., delimiter in 33u8..=126) {
        let [a, b, c, d] = addr;
        let line = format!("PORT {a},{b},{c},{d},{},{}\r\n", port >> 8, port & 255);
        let expected = Some(FtpCommand::Active(Endpoint { addr, port }));
        prop_assert_eq!(command::<V4>(line.as_bytes()), expected);
        prop_assert_eq!(command::<V6>(line.as_bytes()), None);

        let i = char::from(delimiter);
        let (text, text6) = (std::net::Ipv4Addr::from(addr), std::net::Ipv6Addr::from(addr6));
        // A delimiter that is part of the address is excluded, as the result is ambiguous.
        let clear = |text: &str| !text.contains(i);
        let line = format!("eprt {i}1{i}{text}{i}{port}{i}\r\n");
        if clear(&format!("1{text}{port}")) {
            prop_assert_eq!(command::<V4>(line.as_bytes()), expected);
        }
        let line = format!("EPRT {i}2{i}{text6}{i}{port}{i}\r\n");
        if clear(&format!("2{text6}{port}")) {
            let expected = Some(FtpCommand::Active(Endpoint { addr: addr6, port }));
            prop_assert_eq!(command::<V6>(line.as_bytes()), expected);
        }
    }

    // F-7, F-8: the replacement of an answer is an answer.
    #[test]
    fn texts_are_read(addr: [u8; 4], port in 1u16.., words in "[A-Za-z ]{0,30}", end in "[).\r\n]{1,4}") {
        for (mode, code) in [(Mode::Plain, "227"), (Mode::Extended, "229")] {
            let text = EndpointText::new(mode, Ip::V4(addr), port);
            let text = std::str::from_utf8(text.as_bytes()).unwrap();
            let line = format!("{code} {words}({text}{end}");
            let found = answer::<V4>(mode, line.as_bytes()).unwrap();
            prop_assert_eq!(found.port, port);
            prop_assert_eq!(&line[found.place.0..found.place.1], text);
            prop_assert_eq!(answer::<V6>(mode, line.as_bytes()).is_some(), mode == Mode::Extended);
        }
    }
}

/// A payload as programs send it.
fn segment(random: &mut Random) -> Vec<u8> {
    let numbers = (0..6).map(|_| random.byte().to_string());
    let tuple = numbers.collect::<Vec<_>>().join(",");
    let port = random.below(65536);
    match random.below(6) {
        0 => format!("PORT {tuple}\r\n"),
        1 => format!("EPRT |1|10.0.1.{}|{port}|\r\n", random.byte()),
        2 => format!("EPRT |2|fd00::{:x}|{port}|\r\n", random.byte()),
        3 => format!("227 Entering Passive Mode ({tuple}).\r\n"),
        4 => format!("229 Entering Extended Passive Mode (|||{port}|)\r\n"),
        _ => ["PASV\r\n", "EPSV\r\n", "EPSV 2\r\n"][random.below(3)].to_string(),
    }
    .into_bytes()
}

// F-5 to F-8
#[test]
fn broken_segments() {
    let runs = if cfg!(miri) { 20 } else { 300_000 };
    let mut random = Random::new(21);
    let mut taken = 0;
    for i in 0..runs {
        let mut bytes = if i % 16 == 0 {
            let length = random.below(128);
            random.bytes(length)
        } else {
            segment(&mut random)
        };
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte = [b'\r', b'|', b',', b' ', b'(', b'9', random.byte()][random.below(7)];
            }
        }
        if random.chance(8) {
            bytes.truncate(random.below(bytes.len() + 1));
        }
        taken += usize::from(exercise::ftp_segment(&bytes) > 0);
    }
    println!("{runs} segments: {taken} with something in them");
    assert!(cfg!(miri) || taken > runs / 4 && taken < runs * 19 / 20);
}

// F-8
#[test]
fn parts_of_any_packet() {
    let runs = if cfg!(miri) { 20 } else { 100_000 };
    let mut random = Random::new(8);
    for i in 0..runs {
        let length = random.below(160) + 3;
        let mut bytes = random.bytes(length);
        if let Some(first) = bytes.get_mut(3) {
            *first = if i % 2 == 0 { 0x45 } else { 0x60 };
        }
        exercise::replacement(&bytes);
    }
}
