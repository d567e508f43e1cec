// SPDX-License-Identifier: GPL-2.0

//! Occupancy of the hash tables: /proc/net/ip_vs_status (K-9).

use core::fmt::{
    self,
    Display,
    Formatter, //
};

/// Number of chain lengths that are counted apart; the last one includes all longer chains.
const LENGTHS: usize = 8;

/// Buckets of a table, counted by the length of their chains.
pub(crate) struct ChainLengths {
    lfactor: i32,
    of_length: [u64; LENGTHS],
}

impl ChainLengths {
    /// Starts with a table without buckets of the given load factor.
    pub(crate) fn new(lfactor: i32) -> Self {
        Self {
            lfactor,
            of_length: [0; LENGTHS],
        }
    }

    /// Adds a bucket with `length` entries.
    pub(crate) fn count(&mut self, length: usize) {
        let at = length.min(LENGTHS.saturating_sub(1));
        if let Some(count) = self.of_length.get_mut(at) {
            *count = count.saturating_add(1);
        }
    }

    /// Writes the number of buckets and, if there are entries, the number of buckets of each
    /// length.
    fn write(&self, f: &mut Formatter<'_>, what: &str, entries: usize) -> fmt::Result {
        let all = self
            .of_length
            .iter()
            .fold(0u64, |sum, n| sum.saturating_add(*n));
        // The size of two tables, one for each address family, together need not be a power of two.
        let bits = all.checked_ilog2().unwrap_or(0);
        let lfactor = if all == 0 { 0 } else { self.lfactor };
        writeln!(f, "{what} buckets:\t{all} ({bits} bits, lfactor {lfactor})")?;
        if entries == 0 {
            return Ok(());
        }
        let percent = |part: u64, of: u64| {
            let hundredfold = part.saturating_mul(100);
            hundredfold.checked_div(of).unwrap_or(hundredfold)
        };
        let [empty, rest @ ..] = &self.of_length;
        writeln!(
            f,
            "{what} buckets empty:\t{empty} ({}%)",
            percent(*empty, all)
        )?;
        let used = all.saturating_sub(*empty);
        for (length, count) in (1..).zip(rest).filter(|(_, count)| **count != 0) {
            let percent = percent(*count, used);
            writeln!(f, "{what} buckets len-{length}:\t{count} ({percent}%)")?;
        }
        Ok(())
    }
}

/// Occupancy of the tables of a namespace.
pub(crate) struct Fill {
    /// Number of connections, templates included.
    pub(crate) connections: usize,
    /// Number of services.
    pub(crate) services: usize,
    /// Buckets of the connection tables.
    pub(crate) connection_buckets: ChainLengths,
    /// Buckets of the service tables.
    pub(crate) service_buckets: ChainLengths,
}

impl Display for Fill {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "Conns:\t{}", self.connections)?;
        self.connection_buckets.write(f, "Conn", self.connections)?;
        writeln!(f, "Services:\t{}", self.services)?;
        self.service_buckets.write(f, "Service", self.services)?;
        // There are no estimator threads.
        f.write_str("Stats thread slots:\t0 (max 0)\n")?;
        f.write_str("Stats chain max len:\t0\nStats thread ests:\t0\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // K-9
    #[test]
    fn nothing_is_there() {
        let fill = Fill {
            connections: 0,
            services: 0,
            connection_buckets: ChainLengths::new(-4),
            service_buckets: ChainLengths::new(-3),
        };
        assert_eq!(
            fill.to_string(),
            "Conns:\t0\nConn buckets:\t0 (0 bits, lfactor 0)\nServices:\t0\n\
             Service buckets:\t0 (0 bits, lfactor 0)\nStats thread slots:\t0 (max 0)\n\
             Stats chain max len:\t0\nStats thread ests:\t0\n"
        );
    }

    // K-9
    #[test]
    fn buckets_by_their_lengths() {
        let mut connections = ChainLengths::new(-4);
        for length in [0, 0, 0, 0, 0, 1, 1, 1, 2, 7, 8, 900, 0, 0, 0, 0] {
            connections.count(length);
        }
        let mut services = ChainLengths::new(-3);
        for length in [1, 0, 0, 0] {
            services.count(length);
        }
        let fill = Fill {
            connections: 920,
            services: 1,
            connection_buckets: connections,
            service_buckets: services,
        };
        let text = fill.to_string();
        assert!(text.starts_with(
            "Conns:\t920\nConn buckets:\t16 (4 bits, lfactor -4)\nConn buckets empty:\t9 (56%)\n\
             Conn buckets len-1:\t3 (42%)\nConn buckets len-2:\t1 (14%)\n\
             Conn buckets len-7:\t3 (42%)\n\
             Services:\t1\nService buckets:\t4 (2 bits, lfactor -3)\n\
             Service buckets empty:\t3 (75%)\n\
             Service buckets len-1:\t1 (100%)\nStats"
        ));
    }
}
