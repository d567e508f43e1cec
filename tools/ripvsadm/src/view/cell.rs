// SPDX-License-Identifier: GPL-2.0

//! Numbers and addresses appended to a line, padded to a column.
//!
//! A listing has hundreds of thousands of them, and `format!` takes several hundred instructions
//! for each.

use std::net::Ipv4Addr;

/// More blanks than a column is wide.
const BLANKS: &str = "                                                                ";

/// Appends a number.
pub fn number(text: &mut String, value: u64) {
    text.push_str(itoa::Buffer::new().format(value));
}

/// Appends a number at the right of a column, from which a long one protrudes.
pub fn right(text: &mut String, value: u64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value);
    blanks(text, width.saturating_sub(digits.len()));
    text.push_str(digits);
}

/// Appends a number at the left of a column, from which a long one protrudes.
pub fn left(text: &mut String, value: u64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value);
    text.push_str(digits);
    blanks(text, width.saturating_sub(digits.len()));
}

/// Appends blanks.
pub fn blanks(text: &mut String, count: usize) {
    match BLANKS.get(..count) {
        Some(blanks) => text.push_str(blanks),
        None => text.extend(std::iter::repeat_n(' ', count)),
    }
}

/// Appends an IPv4 address.
pub fn ipv4(text: &mut String, address: Ipv4Addr) {
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place != 0 {
            text.push('.');
        }
        number(text, octet.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(make: impl FnOnce(&mut String)) -> String {
        let mut text = String::from("|");
        make(&mut text);
        text
    }

    #[test]
    fn as_format_has_them() {
        for value in [0, 7, 99_999_999, 100_000_000, u64::MAX] {
            for width in [0, 6, 8, 100] {
                let (right, left) = (
                    made(|text| right(text, value, width)),
                    made(|text| left(text, value, width)),
                );
                assert_eq!(right, format!("|{value:>width$}"));
                assert_eq!(left, format!("|{value:<width$}"));
            }
        }
        for address in ["0.0.0.0", "192.0.2.1", "255.255.255.255"] {
            let text = made(|text| ipv4(text, address.parse().unwrap()));
            assert_eq!(text, format!("|{address}"));
        }
    }
}
