// SPDX-License-Identifier: GPL-2.0

//! What the kernel says about itself, and its protocol timeouts.

use netlink_packet_core::DecodeError;

use crate::attr::missing;
use crate::message::Attribute;

/// The answer to [`Command::GetInfo`](crate::Command::GetInfo).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// The version of IPVS, a byte each for its three parts: 1.2.1 is `0x010201`.
    pub version: u32,
    /// The number of buckets of the connection table at this moment.
    pub connection_table_size: u32,
}

impl Info {
    /// The three parts of the version.
    pub fn version_parts(&self) -> (u32, u32, u32) {
        (
            (self.version >> 16) & 0xff,
            (self.version >> 8) & 0xff,
            self.version & 0xff,
        )
    }

    /// The attributes of the answer.
    pub fn to_attributes(&self) -> Vec<Attribute> {
        vec![
            Attribute::Version(self.version),
            Attribute::ConnectionTableSize(self.connection_table_size),
        ]
    }

    /// Reads the answer.
    pub fn from_attributes(attributes: &[Attribute]) -> Result<Self, DecodeError> {
        let (mut version, mut size) = (None, None);
        for attribute in attributes {
            match attribute {
                Attribute::Version(value) => version = Some(*value),
                Attribute::ConnectionTableSize(value) => size = Some(*value),
                _ => {}
            }
        }
        Ok(Info {
            version: version.ok_or_else(|| missing("IPVS information", "VERSION"))?,
            connection_table_size: size
                .ok_or_else(|| missing("IPVS information", "CONN_TAB_SIZE"))?,
        })
    }
}

/// Timeouts of connections, in seconds. In a request 0 keeps what is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Of established TCP connections.
    pub tcp: u32,
    /// Of TCP connections after a FIN.
    pub tcp_fin: u32,
    /// Of UDP.
    pub udp: u32,
}

impl Timeouts {
    /// The attributes of request and answer.
    pub fn to_attributes(&self) -> Vec<Attribute> {
        vec![
            Attribute::TimeoutTcp(self.tcp),
            Attribute::TimeoutTcpFin(self.tcp_fin),
            Attribute::TimeoutUdp(self.udp),
        ]
    }

    /// Reads the answer. A kernel without TCP or UDP leaves its timeouts out: they read as 0.
    pub fn from_attributes(attributes: &[Attribute]) -> Self {
        let mut timeouts = Timeouts::default();
        for attribute in attributes {
            match attribute {
                Attribute::TimeoutTcp(seconds) => timeouts.tcp = *seconds,
                Attribute::TimeoutTcpFin(seconds) => timeouts.tcp_fin = *seconds,
                Attribute::TimeoutUdp(seconds) => timeouts.udp = *seconds,
                _ => {}
            }
        }
        timeouts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info() {
        let info = Info {
            version: 0x010201,
            connection_table_size: 4096,
        };
        assert_eq!(info.version_parts(), (1, 2, 1));
        assert_eq!(Info::from_attributes(&info.to_attributes()).unwrap(), info);
        assert!(Info::from_attributes(&info.to_attributes()[..1]).is_err());
        assert!(Info::from_attributes(&info.to_attributes()[1..]).is_err());
    }

    #[test]
    fn timeouts() {
        let timeouts = Timeouts {
            tcp: 900,
            tcp_fin: 120,
            udp: 300,
        };
        assert_eq!(
            Timeouts::from_attributes(&timeouts.to_attributes()),
            timeouts
        );
        assert_eq!(Timeouts::from_attributes(&[]), Timeouts::default());
    }
}
