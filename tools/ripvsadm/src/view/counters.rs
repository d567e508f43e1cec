// SPDX-License-Identifier: GPL-2.0

//! The columns of `--stats` and `--rate`: counters, and how large ones fit.

use ipvs_netlink::Stats;

/// The header of `--stats`.
pub const STATS_HEADER: [&str; 5] = ["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"];

/// The header of `--rate`.
pub const RATE_HEADER: [&str; 5] = ["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"];

/// Five words above five columns.
pub fn header(words: [&str; 5]) -> String {
    let columns: Vec<String> = words.iter().map(|word| format!(" {word:>8}")).collect();
    columns.concat()
}

/// The totals.
pub fn stats(stats: &Stats, exact: bool) -> String {
    columns(
        [
            stats.connections,
            stats.incoming_packets,
            stats.outgoing_packets,
            stats.incoming_bytes,
            stats.outgoing_bytes,
        ],
        exact,
    )
}

/// The rates, per second.
pub fn rate(stats: &Stats, exact: bool) -> String {
    columns(
        [
            stats.connection_rate,
            stats.incoming_packet_rate,
            stats.outgoing_packet_rate,
            stats.incoming_byte_rate,
            stats.outgoing_byte_rate,
        ],
        exact,
    )
}

fn columns(values: [u64; 5], exact: bool) -> String {
    values.iter().map(|value| number(*value, exact)).collect()
}

/// One number and the blank before it, for which a unit makes up: up to eight digits as they
/// are, longer ones in thousands, millions, milliards or billions (of 1000), cut off.
fn number(value: u64, exact: bool) -> String {
    let (divisor, unit) = match value {
        _ if exact => return format!(" {value:>8}"),
        0..=99_999_999 => return format!(" {value:>8}"),
        100_000_000..=999_999_999 => (1_000, 'K'),
        1_000_000_000..=99_999_999_999 => (1_000_000, 'M'),
        100_000_000_000..=99_999_999_999_999 => (1_000_000_000, 'G'),
        _ => (1_000_000_000_000, 'T'),
    };
    format!("{:>8}{unit}", value / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

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
