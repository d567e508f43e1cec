// SPDX-License-Identifier: GPL-2.0

//! Replays the inputs with the greatest coverage that the fuzz targets found
//! (tools/logic-tests/fuzz.sh --keep).

use crate::exercise::{self, Depth};

/// Decodes the inputs of a file: one line of hexadecimal digits each, after the first line.
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

/// Replays all inputs, and returns the number of those accepted.
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

/// Fails if a corpus was lost, or its inputs are not accepted any more.
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
