// SPDX-License-Identifier: GPL-2.0

//! The columns of `--stats` and `--rate`: counters, and how large ones fit.

use ipvs_netlink::Stats;

use super::cell;

/// The width of a column, without the blank before it.
const WIDTH: usize = 8;

/// The header of `--stats`.
pub const STATS_HEADER: [&str; 5] = ["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"];

/// The header of `--rate`.
pub const RATE_HEADER: [&str; 5] = ["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"];

/// Five words above five columns.
pub fn header(words: [&str; 5]) -> String {
    let columns: Vec<String> = words.iter().map(|word| format!(" {word:>8}")).collect();
    columns.concat()
}

/// Appends the totals.
pub fn stats(text: &mut String, stats: &Stats, exact: bool) {
    for value in [
        stats.connections,
        stats.incoming_packets,
        stats.outgoing_packets,
        stats.incoming_bytes,
        stats.outgoing_bytes,
    ] {
        number(text, value, exact);
    }
}

/// Appends the rates, per second.
pub fn rate(text: &mut String, stats: &Stats, exact: bool) {
    for value in [
        stats.connection_rate,
        stats.incoming_packet_rate,
        stats.outgoing_packet_rate,
        stats.incoming_byte_rate,
        stats.outgoing_byte_rate,
    ] {
        number(text, value, exact);
    }
}

/// Appends one number and the blank before it, for which a unit makes up: up to eight digits as
/// they are, longer ones in thousands, millions, milliards or billions (of 1000), cut off.
fn number(text: &mut String, value: u64, exact: bool) {
    let (divisor, unit) = match value {
        0..=99_999_999 => (1, None),
        _ if exact => (1, None),
        100_000_000..=999_999_999 => (1_000, Some('K')),
        1_000_000_000..=99_999_999_999 => (1_000_000, Some('M')),
        100_000_000_000..=99_999_999_999_999 => (1_000_000_000, Some('G')),
        _ => (1_000_000_000_000, Some('T')),
    };
    match unit {
        None => {
            text.push(' ');
            cell::right(text, value, WIDTH);
        }
        Some(unit) => {
            cell::right(text, value / divisor, WIDTH);
            text.push(unit);
        }
    }
}

#[cfg(test)]
mod tests {
    fn number(value: u64, exact: bool) -> String {
        let mut text = String::new();
        super::number(&mut text, value, exact);
        text
    }

    // Each pair as ipvsadm 1.31 prints it.
    #[test]
    fn large_numbers() {
        for (value, text) in [
            (0, "        0"),
            (99_999_999, " 99999999"),
            (100_000_000, "  100000K"),
            (999_999_999, "  999999K"),
            (1_000_000_000, "    1000M"),
            (99_999_999_999, "   99999M"),
            (100_000_000_000, "     100G"),
            (99_999_999_999_999, "   99999G"),
            (100_000_000_000_000, "     100T"),
            (u64::MAX, "18446744T"),
        ] {
            assert_eq!(number(value, false), text);
        }
        assert_eq!(number(100_000_000, true), " 100000000");
        assert_eq!(number(u64::MAX, true), " 18446744073709551615");
    }
}
