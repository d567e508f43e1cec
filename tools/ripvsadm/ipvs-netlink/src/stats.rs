// SPDX-License-Identifier: GPL-2.0

//! Counters and rates of a service or destination (`IPVS_STATS_ATTR_*`).
//!
//! The kernel sends them twice: `STATS`, where all but the byte counters are `u32` and wrap, and
//! `STATS64`, where all are `u64`. The attributes have the same numbers in both.

use netlink_packet_core::{DecodeError, DefaultNla, ErrorContext, Nla, NlaBuffer, Parseable};

use crate::attr;

const CONNS: u16 = 1;
const INPKTS: u16 = 2;
const OUTPKTS: u16 = 3;
const INBYTES: u16 = 4;
const OUTBYTES: u16 = 5;
const CPS: u16 = 6;
const INPPS: u16 = 7;
const OUTPPS: u16 = 8;
const INBPS: u16 = 9;
const OUTBPS: u16 = 10;

/// What passed through a service or destination: totals since it was last zeroed, and rates.
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
    /// Collects the counters of one nest; all ten must be there.
    pub fn from_attributes(attributes: &[StatsAttr]) -> Result<Self, DecodeError> {
        let find = |kind: u16, name: &str| {
            attributes
                .iter()
                .find_map(|attribute| match attribute {
                    StatsAttr::Counter32(k, value) if *k == kind => Some(u64::from(*value)),
                    StatsAttr::Counter64(k, value) if *k == kind => Some(*value),
                    _ => None,
                })
                .ok_or_else(|| attr::missing("IPVS statistics", name))
        };
        Ok(Stats {
            connections: find(CONNS, "CONNS")?,
            incoming_packets: find(INPKTS, "INPKTS")?,
            outgoing_packets: find(OUTPKTS, "OUTPKTS")?,
            incoming_bytes: find(INBYTES, "INBYTES")?,
            outgoing_bytes: find(OUTBYTES, "OUTBYTES")?,
            connection_rate: find(CPS, "CPS")?,
            incoming_packet_rate: find(INPPS, "INPPS")?,
            outgoing_packet_rate: find(OUTPPS, "OUTPPS")?,
            incoming_byte_rate: find(INBPS, "INBPS")?,
            outgoing_byte_rate: find(OUTBPS, "OUTBPS")?,
        })
    }

    /// The counters in the order of their attribute numbers.
    fn values(&self) -> [(u16, u64); 10] {
        [
            (CONNS, self.connections),
            (INPKTS, self.incoming_packets),
            (OUTPKTS, self.outgoing_packets),
            (INBYTES, self.incoming_bytes),
            (OUTBYTES, self.outgoing_bytes),
            (CPS, self.connection_rate),
            (INPPS, self.incoming_packet_rate),
            (OUTPPS, self.outgoing_packet_rate),
            (INBPS, self.incoming_byte_rate),
            (OUTBPS, self.outgoing_byte_rate),
        ]
    }

    /// The `STATS` nest: 32 bits, cut off, for all but the byte counters.
    pub fn to_attributes_32(&self) -> Vec<StatsAttr> {
        self.values()
            .into_iter()
            .map(|(kind, value)| match kind {
                INBYTES | OUTBYTES => StatsAttr::Counter64(kind, value),
                // The low half is what a wrapped 32-bit counter would show.
                _ => StatsAttr::Counter32(kind, (value & u64::from(u32::MAX)) as u32),
            })
            .collect()
    }

    /// The `STATS64` nest.
    pub fn to_attributes_64(&self) -> Vec<StatsAttr> {
        self.values()
            .into_iter()
            .map(|(kind, value)| StatsAttr::Counter64(kind, value))
            .collect()
    }
}

/// One attribute of a `STATS` or `STATS64` nest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatsAttr {
    /// Counter number 1 to 10, 32 bits wide.
    Counter32(u16, u32),
    /// Counter number 1 to 10, 64 bits wide.
    Counter64(u16, u64),
    /// Padding (the kernel aligns 64-bit values with it), or a number unknown here.
    Other(DefaultNla),
}

impl Nla for StatsAttr {
    fn value_len(&self) -> usize {
        match self {
            StatsAttr::Counter32(..) => 4,
            StatsAttr::Counter64(..) => 8,
            StatsAttr::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            StatsAttr::Counter32(kind, _) | StatsAttr::Counter64(kind, _) => *kind,
            StatsAttr::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            StatsAttr::Counter32(_, value) => attr::write(buffer, &value.to_ne_bytes()),
            StatsAttr::Counter64(_, value) => attr::write(buffer, &value.to_ne_bytes()),
            StatsAttr::Other(other) => other.emit_value(buffer),
        }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> Parseable<NlaBuffer<&'a T>> for StatsAttr {
    fn parse(buf: &NlaBuffer<&'a T>) -> Result<Self, DecodeError> {
        let (kind, payload) = (buf.kind(), buf.value());
        match (kind, payload.len()) {
            (CONNS..=OUTBPS, 4) => Ok(StatsAttr::Counter32(kind, attr::read_u32(payload)?)),
            (CONNS..=OUTBPS, _) => attr::read_counter(payload)
                .map(|value| StatsAttr::Counter64(kind, value))
                .with_context(|| format!("IPVS_STATS_ATTR number {kind}")),
            _ => Ok(StatsAttr::Other(DefaultNla::parse(buf)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::{emit, parse};

    fn sample() -> Stats {
        Stats {
            connections: 1,
            incoming_packets: 2,
            outgoing_packets: 3,
            incoming_bytes: 1 << 40,
            outgoing_bytes: 5,
            connection_rate: 6,
            incoming_packet_rate: 7,
            outgoing_packet_rate: 8,
            incoming_byte_rate: 9,
            outgoing_byte_rate: u64::from(u32::MAX),
        }
    }

    #[test]
    fn both_nests_come_back() {
        for attributes in [sample().to_attributes_32(), sample().to_attributes_64()] {
            let parsed: Vec<StatsAttr> = parse(&emit(&attributes)).unwrap();
            assert_eq!(parsed, attributes);
            assert_eq!(Stats::from_attributes(&parsed).unwrap(), sample());
        }
    }

    #[test]
    fn narrow_counters_wrap() {
        let big = Stats {
            connections: (1 << 32) + 9,
            ..sample()
        };
        let narrow = Stats::from_attributes(&big.to_attributes_32()).unwrap();
        assert_eq!(narrow.connections, 9);
        let wide = Stats::from_attributes(&big.to_attributes_64()).unwrap();
        assert_eq!(wide, big);
    }

    #[test]
    fn each_counter_is_required() {
        for index in 0..10 {
            let mut attributes = sample().to_attributes_64();
            attributes.remove(index);
            assert!(Stats::from_attributes(&attributes).is_err());
        }
    }

    #[test]
    fn padding_is_kept_and_ignored() {
        let mut attributes = vec![StatsAttr::Other(DefaultNla::new(11, vec![]))];
        attributes.extend(sample().to_attributes_64());
        let parsed: Vec<StatsAttr> = parse(&emit(&attributes)).unwrap();
        assert_eq!(parsed, attributes);
        assert_eq!(Stats::from_attributes(&parsed).unwrap(), sample());
    }
}
