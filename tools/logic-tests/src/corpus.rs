// SPDX-License-Identifier: GPL-2.0

//! Plays the inputs that the fuzz targets reached most with (tools/logic-tests/fuzz.sh --keep) once
//! more.

use crate::exercise::{self, Depth};

/// Decodes the inputs of a file: after the first line, a line of hexadecimal digits each.
fn inputs(text: &str) -> Vec<Vec<u8>> {
    let byte = |pair: &[u8]| {
        let digits = core::str::from_utf8(pair).unwrap();
        u8::from_str_radix(digits, 16).unwrap()
    };
    text.lines()
        .skip(1)
        .map(|line| line.as_bytes().chunks(2).map(byte).collect())
        .collect()
}

/// Plays all inputs, and returns how many of them were understood.
fn play(text: &str, understood: impl Fn(&[u8]) -> bool) -> usize {
    inputs(text)
        .iter()
        .filter(|input| understood(input))
        .count()
}

macro_rules! corpus {
    ($name:literal) => {
        include_str!(concat!("../corpus/", $name, ".hex"))
    };
}

/// A corpus that was lost, or that nothing understands any more, shows here.
#[test]
fn inputs_that_reached_most_are_understood_and_harm_nothing() {
    let ports = |data: &[u8]| exercise::packet(data) == Depth::Transport;
    assert!(play(corpus!("packet"), ports) > 10);
    assert!(play(corpus!("message"), |data| exercise::message(data) > 0) > 10);
    assert!(play(corpus!("sockopt"), |data| exercise::sockopt(data) > 0) > 5);
    assert!(play(corpus!("sync"), |data| exercise::sync_message(data) > 0) > 2);
    assert!(play(corpus!("ftp"), |data| exercise::ftp_segment(data) > 0) > 10);
    assert!(play(corpus!("sip"), exercise::sip_message) > 10);
}
