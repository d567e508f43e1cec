// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Counters and rates of a service or destination (`IPVS_STATS_ATTR_*`).
//!
//! The kernel sends them twice: `STATS`, where all but the byte counters are `u32` and wrap, and
//! `STATS64`, where all are `u64`. The attributes have the same numbers in both.

use crate::attr::{self, attributes};
use crate::decode::DecodeError;
use crate::uapi::stats_attr::{
    CONNS, CPS, INBPS, INBYTES, INPKTS, INPPS, OUTBPS, OUTBYTES, OUTPKTS, OUTPPS,
};

/// The attributes' names, in the order of their numbers.
const NAMES: [&str; 10] = [
    "IPVS_STATS_ATTR_CONNS",
    "IPVS_STATS_ATTR_INPKTS",
    "IPVS_STATS_ATTR_OUTPKTS",
    "IPVS_STATS_ATTR_INBYTES",
    "IPVS_STATS_ATTR_OUTBYTES",
    "IPVS_STATS_ATTR_CPS",
    "IPVS_STATS_ATTR_INPPS",
    "IPVS_STATS_ATTR_OUTPPS",
    "IPVS_STATS_ATTR_INBPS",
    "IPVS_STATS_ATTR_OUTBPS",
];

/// The attributes' numbers: consecutive, from 1 on.
const NUMBERS: [u16; NAMES.len()] = [
    CONNS, INPKTS, OUTPKTS, INBYTES, OUTBYTES, CPS, INPPS, OUTPPS, INBPS, OUTBPS,
];

/// The places of the byte counters, which are wide in both nests.
const BYTES: std::ops::RangeInclusive<usize> = 3..=4;

/// Statistics of a service or destination: totals since it was last zeroed, and rates.
///
/// The kernel refreshes them every two seconds; a fresh object shows zero until then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub incoming_packets: u64,
    /// Packets to clients that passed the director (none with direct routing and tunnels).
    pub outgoing_packets: u64,
    /// Bytes from clients, network headers included.
    pub incoming_bytes: u64,
    /// Bytes to clients, network headers included.
    pub outgoing_bytes: u64,
    /// Connections per second.
    pub connection_rate: u64,
    /// Packets from clients per second.
    pub incoming_packet_rate: u64,
    /// Packets to clients per second.
    pub outgoing_packet_rate: u64,
    /// Bytes from clients per second.
    pub incoming_byte_rate: u64,
    /// Bytes to clients per second.
    pub outgoing_byte_rate: u64,
}

impl Stats {
    /// Reads either nest; all ten counters must be there.
    ///
    /// # Errors
    /// Names the attribute that is missing or has a wrong length.
    pub fn decode(nest: &[u8]) -> Result<Self, DecodeError> {
        let mut values = [None; NAMES.len()];
        for attribute in attributes(nest, "IPVS statistics") {
            let (number, payload) = attribute?;
            let place = usize::from(number).wrapping_sub(1);
            // Another number is padding, or unknown here.
            if let (Some(value), Some(name)) = (values.get_mut(place), NAMES.get(place)) {
                *value = Some(attr::read_counter(payload, name)?);
            }
        }
        if let Some(place) = values.iter().position(Option::is_none) {
            let name = NAMES.get(place).copied().unwrap_or_default();
            return Err(DecodeError::new(name, "is missing"));
        }
        Ok(Stats::from_values(values.map(Option::unwrap_or_default)))
    }

    /// Adds the attributes of the `STATS` nest to `out`: 32 bits, cut off, for all but the byte
    /// counters.
    pub fn encode_32(&self, out: &mut Vec<u8>) {
        for ((place, number), value) in NUMBERS.into_iter().enumerate().zip(self.values()) {
            match BYTES.contains(&place) {
                true => attr::put(out, number, &value.to_ne_bytes()),
                // The low half is what a wrapped 32-bit counter would show.
                false => attr::put(out, number, &(value as u32).to_ne_bytes()),
            }
        }
    }

    /// Adds the attributes of the `STATS64` nest to `out`.
    pub fn encode_64(&self, out: &mut Vec<u8>) {
        for (number, value) in NUMBERS.into_iter().zip(self.values()) {
            attr::put(out, number, &value.to_ne_bytes());
        }
    }

    /// The counters in the order of their attributes' numbers.
    fn values(&self) -> [u64; NAMES.len()] {
        [
            self.connections,
            self.incoming_packets,
            self.outgoing_packets,
            self.incoming_bytes,
            self.outgoing_bytes,
            self.connection_rate,
            self.incoming_packet_rate,
            self.outgoing_packet_rate,
            self.incoming_byte_rate,
            self.outgoing_byte_rate,
        ]
    }

    /// The reverse of [`Stats::values`].
    fn from_values(values: [u64; NAMES.len()]) -> Self {
        let [connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes, connection_rate, incoming_packet_rate, outgoing_packet_rate, incoming_byte_rate, outgoing_byte_rate] =
            values;
        Stats {
            connections,
            incoming_packets,
            outgoing_packets,
            incoming_bytes,
            outgoing_bytes,
            connection_rate,
            incoming_packet_rate,
            outgoing_packet_rate,
            incoming_byte_rate,
            outgoing_byte_rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::{filled, without};
    use crate::uapi::stats_attr;

    fn sample() -> Stats {
        Stats::from_values([1, 2, 3, 1 << 40, 5, 6, 7, 8, 9, u64::from(u32::MAX)])
    }

    #[test]
    fn numbers_are_consecutive() {
        // `decode` finds a counter's place by its number.
        assert!(NUMBERS.into_iter().eq(1..=10));
    }

    #[test]
    fn both_nests_come_back() {
        for nest in [
            filled(|out| sample().encode_32(out)),
            filled(|out| sample().encode_64(out)),
        ] {
            assert_eq!(Stats::decode(&nest).unwrap(), sample());
        }
        assert_eq!(sample().incoming_bytes, 1 << 40);
        assert_eq!(sample().outgoing_byte_rate, u64::from(u32::MAX));
    }

    #[test]
    fn narrow_counters_wrap() {
        let big = Stats {
            connections: (1 << 32) + 9,
            ..sample()
        };
        let narrow = Stats::decode(&filled(|out| big.encode_32(out))).unwrap();
        assert_eq!(narrow.connections, 9);
        let wide = Stats::decode(&filled(|out| big.encode_64(out))).unwrap();
        assert_eq!(wide, big);
    }

    #[test]
    fn each_counter_is_required() {
        let nest = filled(|out| sample().encode_64(out));
        for (number, name) in NUMBERS.into_iter().zip(NAMES) {
            let error = Stats::decode(&without(&nest, number)).unwrap_err();
            assert_eq!(error.to_string(), format!("{name} is missing"));
        }
    }

    #[test]
    fn padding_is_ignored() {
        let nest = filled(|out| {
            attr::put(out, stats_attr::PAD, &[]);
            sample().encode_64(out);
            attr::put(out, 0, &[]);
        });
        assert_eq!(Stats::decode(&nest).unwrap(), sample());
    }
}
