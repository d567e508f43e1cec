// SPDX-License-Identifier: GPL-2.0

//! Persistence: template keys and Call-IDs, compared with slow implementations and run on malformed
//! messages.

use crate::exercise;
use crate::logic::config::{Ip, ServiceKey};
use crate::logic::family::{Endpoint, Family, V4, V6};
use crate::logic::persistence::{KeyForm, TemplateKey};
use crate::logic::sip;
use crate::reference::Random;
use proptest::prelude::*;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 2 } else { cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Finds the Call-ID by lines: continued lines are joined first, with the end of a line kept as
/// `\n`.
fn slow_call_id(message: &[u8]) -> Option<Vec<u8>> {
    let mut lines = vec![Vec::new()];
    let mut bytes = message.iter().peekable();
    while let Some(&byte) = bytes.next() {
        if byte == b'\r' && bytes.peek() == Some(&&b'\n') {
            bytes.next();
        }
        if byte == b'\r' || byte == b'\n' {
            lines.push(Vec::new());
        } else {
            lines.last_mut().unwrap().push(byte);
        }
    }
    // The last part is not a complete line.
    lines.pop();
    let mut headers: Vec<Vec<u8>> = Vec::new();
    for line in lines.iter().skip(1).take_while(|line| !line.is_empty()) {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            headers.push(line.clone());
        } else if let Some(header) = headers.last_mut() {
            header.push(b'\n');
            header.extend(line);
        }
    }
    headers.iter().find_map(|header| slow_value(header))
}

fn slow_value(header: &[u8]) -> Option<Vec<u8>> {
    let text: String = header.iter().map(|&byte| char::from(byte)).collect();
    let (name, value) = text.split_once(':')?;
    let blank = |c| matches!(c, ' ' | '\t' | '\n');
    let name = name.trim_end_matches(blank).to_ascii_lowercase();
    if name != "call-id" && name != "i" {
        return None;
    }
    let value = value.trim_start_matches(blank);
    let id = value.split('\n').next()?;
    let words: Vec<&str> = id.split('@').collect();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~()<>:\\\"/[]?{}".contains(c);
    let correct = words.len() <= 2
        && words
            .iter()
            .all(|word| !word.is_empty() && word.chars().all(allowed));
    (correct && id.len() <= 255).then(|| id.bytes().collect())
}

/// Messages assembled from pieces, some of them correct.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just("\r\n".to_string()),
        2 => Just("\n".to_string()),
        1 => Just("\r".to_string()),
        3 => Just("Call-ID".to_string()),
        2 => Just("i".to_string()),
        3 => Just(":".to_string()),
        2 => Just(" ".to_string()),
        1 => Just("\t".to_string()),
        3 => Just("a84b4c76@10.0.1.2".to_string()),
        1 => Just("@".to_string()),
        1 => Just("x".repeat(130)),
        1 => "[ -~]{0,6}",
        1 => Just("\u{e9}\0".to_string()),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|parts| {
        let head = "INVITE sip:x SIP/2.0";
        [head, &parts.concat()].concat().into_bytes()
    })
}

/// A message as programs send it.
fn message(random: &mut Random) -> Vec<u8> {
    let mut lines = vec!["INVITE sip:b@example.net SIP/2.0".to_string()];
    let id = format!("{}@10.0.1.{}", random.word(), random.byte());
    for _ in 0..random.below(6) {
        lines.push(format!("Via: SIP/2.0/UDP 10.0.1.2:{}", random.below(65536)));
    }
    lines.push(format!(
        "{}: {id}",
        ["Call-ID", "i", "CALL-ID"][random.below(3)]
    ));
    lines.push("Content-Length: 0\r\n\r\n".to_string());
    lines.join("\r\n").into_bytes()
}

proptest! {
    #![proptest_config(config(16_384))]

    // P-25
    #[test]
    fn call_ids_as_by_lines(message in pieces()) {
        let fast = sip::call_id(&message).map(<[u8]>::to_vec);
        prop_assert_eq!(fast, slow_call_id(&message));
        exercise::sip_message(&message);
    }

    // P-2, P-3: only the bits of the network count.
    #[test]
    fn a_network_shares_a_template(a: [u8; 16], b: [u8; 16], prefix in 1u32..=128, port: u16, mark in 1u32..) {
        let same = (0..prefix).all(|bit| {
            let (byte, bit) = (bit as usize / 8, 7 - bit % 8);
            ((a[byte] ^ b[byte]) >> bit) & 1 == 0
        });
        let virt = Endpoint { addr: [1; 16], port };
        let address = ServiceKey::Address { protocol: 6, addr: Ip::V6([1; 16]), port };
        for service in [address, ServiceKey::Mark(mark)] {
            let key = |client| TemplateKey::<V6>::new(&service, prefix, 6, client, virt);
            prop_assert_eq!(key(a) == key(b), same);
        }
    }

    // P-2
    #[test]
    fn an_ipv4_network_shares_a_template(a: [u8; 4], b: [u8; 4], mask: [u8; 4], port: u16) {
        let same = (0..4).all(|i| a[i] & mask[i] == b[i] & mask[i]);
        let virt = Endpoint { addr: [1; 4], port };
        let service = ServiceKey::Address { protocol: 6, addr: Ip::V4([1; 4]), port };
        let key = |client| TemplateKey::<V4>::new(&service, u32::from_ne_bytes(mask), 6, client, virt);
        prop_assert_eq!(key(a) == key(b), same);
        prop_assert_eq!(key(a).client, [a[0] & mask[0], a[1] & mask[1], a[2] & mask[2], a[3] & mask[3]]);
    }

    // P-3, P-4, Q-4: template keys of different services for packets of the same client differ if
    // one of the services takes packets that the other does not.
    #[test]
    fn forms_do_not_meet(protocol in prop_oneof![Just(6u8), Just(17)], ports in any::<(u16, u16)>(), mark in 1u32..) {
        let address = |port| ServiceKey::Address { protocol: protocol.into(), addr: Ip::V4([1; 4]), port };
        let key = |service, port| {
            TemplateKey::<V4>::new(&service, u32::MAX, protocol, [9; 4], Endpoint { addr: [1; 4], port })
        };
        let ports = [ports.0, ports.1, 21, 0, 80];
        for one in ports {
            for other in ports {
                let (a, b) = (key(address(one), one), key(address(other), other));
                prop_assert_eq!(a == b, one == other, "ports {} and {}", one, other);
            }
            prop_assert!(key(ServiceKey::Mark(mark), one) != key(address(one), one));
        }
        prop_assert_eq!(key(ServiceKey::Mark(mark), 80).form, KeyForm::Mark);
    }
}

// P-25
#[test]
fn broken_messages() {
    let runs = if cfg!(miri) { 20 } else { 500_000 };
    let mut random = Random::new(7);
    let mut taken = 0;
    for i in 0..runs {
        let mut bytes = if i % 16 == 0 {
            let length = random.below(256);
            random.bytes(length)
        } else {
            message(&mut random)
        };
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte = [b'\r', b'\n', b':', b' ', b'@', 0xff, random.byte()][random.below(7)];
            }
        }
        if random.chance(8) {
            bytes.truncate(random.below(bytes.len() + 1));
        }
        taken += usize::from(exercise::sip_message(&bytes));
    }
    println!("{runs} messages: {taken} with a Call-ID");
    assert!(cfg!(miri) || taken > runs / 2 && taken < runs * 19 / 20);
}

// P-3: a mark in place of an address.
#[test]
fn marks_as_addresses() {
    assert_eq!(V4::of_mark(0x0a00_0001), [10, 0, 0, 1]);
    assert_eq!(V6::of_mark(1)[..4], [0, 0, 0, 1]);
    assert_eq!(V6::of_mark(u32::MAX)[4..], [0; 12]);
}
