// SPDX-License-Identifier: GPL-2.0

//! Millions of malformed packets and messages, none of which may cause a panic.
//!
//! A bounded, deterministic substitute for the fuzz targets. Most inputs start as correct ones, as
//! noise alone would be rejected at the first byte.

use crate::exercise::{self, Depth};
use crate::reference::{Packet, Random};

/// Number of runs; fewer under Miri, where each takes a thousand times as long.
fn runs(n: usize) -> usize {
    if cfg!(miri) {
        n / 50_000
    } else {
        n
    }
}

/// Changes a few bytes, mostly near the front, and sometimes truncates.
fn break_it(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..random.below(4) {
        let within = if random.chance(4) {
            bytes.len()
        } else {
            bytes.len().min(64)
        };
        if let Some(byte) = bytes.get_mut(random.below(within.max(1))) {
            *byte = match random.below(4) {
                0 => 0,
                1 => 0xff,
                2 => *byte ^ (1 << random.below(8)),
                _ => random.byte(),
            };
        }
    }
    if random.chance(8) {
        bytes.truncate(random.below(bytes.len() + 1));
    }
}

// H-9, S-4, T-16
#[test]
fn packets() {
    let runs = runs(2_000_000);
    let mut random = Random::new(5);
    let mut depths = [0; 3];
    for i in 0..runs {
        let mut bytes = if i % 16 == 0 {
            let length = random.below(exercise::PACKET_MAX);
            random.bytes(length)
        } else {
            let protocol = [6, 17, 132, 6, 17, 132, 1, 58, 50, 51][random.below(10)];
            let v4 = random.chance(2);
            Packet::random(&mut random, v4, protocol).bytes
        };
        break_it(&mut random, &mut bytes);
        depths[exercise::packet(&bytes) as usize] += 1;
    }
    let [refused, header, transport] = depths;
    println!(
        "{runs} packets: {refused} refused, {header} with a header only, {transport} with ports"
    );
    // Each depth is reached often enough for the run to be meaningful.
    assert_eq!(Depth::Transport as usize, depths.len() - 1);
    assert!(
        depths.iter().all(|count| *count > runs / 20 || cfg!(miri)),
        "{depths:?}"
    );
}

/// A nest of attributes similar to that of a service or destination.
fn nest(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    let service = random.chance(2);
    let (numbers, lengths): (&[u16], &[usize]) = if service {
        (
            &[1, 2, 3, 4, 6, 7, 8, 9, 5, 11],
            &[2, 2, 16, 2, 3, 8, 4, 4, 4, 4],
        )
    } else {
        (
            &[1, 2, 3, 4, 5, 6, 11, 13, 14, 15],
            &[16, 2, 4, 4, 4, 4, 2, 1, 2, 2],
        )
    };
    for (number, length) in numbers.iter().zip(lengths) {
        if random.chance(40) {
            continue;
        }
        let mut length = *length;
        if random.chance(50) {
            length = random.below(24);
        }
        let mut payload = match random.below(4) {
            0 => random.bytes(length),
            _ => vec![0; length],
        };
        match (service, number) {
            (true, 6 | 11) => {
                payload.fill(b'r');
                if let Some(last) = payload.last_mut() {
                    *last = 0;
                }
            }
            (true, 1) | (false, 11) => {
                payload.fill(0);
                if let Some(first) = payload.first_mut() {
                    *first = [2, 10, 0, 2][random.below(4)];
                }
            }
            _ => {}
        }
        let lie = if random.chance(100) {
            random.below(9)
        } else {
            0
        };
        let length = (4 + payload.len() + lie) as u16;
        bytes.extend(length.to_ne_bytes());
        bytes.extend(number.to_ne_bytes());
        bytes.extend(&payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

// 11.2, G-1
#[test]
fn messages() {
    let runs = runs(1_500_000);
    let mut random = Random::new(6);
    let mut taken = 0;
    for i in 0..runs {
        let mut bytes = if i % 16 == 0 {
            let length = random.below(256);
            random.bytes(length)
        } else {
            nest(&mut random)
        };
        if random.chance(2) {
            // As in a whole message: inside an attribute.
            let length = (bytes.len() + 4) as u16;
            let number = 1 + random.below(2) as u16;
            let mut outer = [length.to_ne_bytes(), number.to_ne_bytes()].concat();
            outer.extend(&bytes);
            bytes = outer;
        }
        break_it(&mut random, &mut bytes);
        taken += usize::from(exercise::message(&bytes) != 0);
    }
    println!("{runs} messages: {taken} taken");
    assert!(taken > runs / 20 && taken < runs * 19 / 20, "{taken}");
}
