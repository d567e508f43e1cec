// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! General information of the kernel, and its protocol timeouts.

use crate::attr::{self, attributes};
use crate::decode::DecodeError;
use crate::uapi::cmd_attr::{TIMEOUT_TCP, TIMEOUT_TCP_FIN, TIMEOUT_UDP};
use crate::uapi::info_attr::{CONN_TAB_SIZE, VERSION};

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

    /// Adds the attributes of the answer to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        attr::put(out, VERSION, &self.version.to_ne_bytes());
        attr::put(
            out,
            CONN_TAB_SIZE,
            &self.connection_table_size.to_ne_bytes(),
        );
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// Names the attribute that is missing or has a wrong length.
    pub fn decode(answer: &[u8]) -> Result<Self, DecodeError> {
        const NAMES: [&str; 2] = ["IPVS_INFO_ATTR_VERSION", "IPVS_INFO_ATTR_CONN_TAB_SIZE"];
        let (mut version, mut size) = (None, None);
        for attribute in attributes(answer, "IPVS information") {
            match attribute? {
                (VERSION, payload) => version = Some(attr::read_u32(payload, NAMES[0])?),
                (CONN_TAB_SIZE, payload) => size = Some(attr::read_u32(payload, NAMES[1])?),
                _ => {}
            }
        }
        Ok(Info {
            version: version.ok_or(DecodeError::new(NAMES[0], "is missing"))?,
            connection_table_size: size.ok_or(DecodeError::new(NAMES[1], "is missing"))?,
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
    /// Adds the attributes of request and answer to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        attr::put(out, TIMEOUT_TCP, &self.tcp.to_ne_bytes());
        attr::put(out, TIMEOUT_TCP_FIN, &self.tcp_fin.to_ne_bytes());
        attr::put(out, TIMEOUT_UDP, &self.udp.to_ne_bytes());
    }

    /// Reads the answer. A kernel without TCP or UDP leaves its timeouts out: they read as 0.
    ///
    /// # Errors
    /// Names the attribute that has a wrong length.
    pub fn decode(answer: &[u8]) -> Result<Self, DecodeError> {
        let mut timeouts = Timeouts::default();
        for attribute in attributes(answer, "IPVS timeouts") {
            let (number, payload) = attribute?;
            let timeout = match number {
                TIMEOUT_TCP => &mut timeouts.tcp,
                TIMEOUT_TCP_FIN => &mut timeouts.tcp_fin,
                TIMEOUT_UDP => &mut timeouts.udp,
                _ => continue,
            };
            *timeout = attr::read_u32(payload, "IPVS_CMD_ATTR_TIMEOUT")?;
        }
        Ok(timeouts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::{filled, without};

    // The attributes of the kernel's answer to GET_INFO.
    #[cfg(target_endian = "little")]
    #[rustfmt::skip]
    const INFO: &[u8] = &[
        0x08, 0x00, 0x01, 0x00, 0x01, 0x02, 0x01, 0x00,
        0x08, 0x00, 0x02, 0x00, 0x00, 0x10, 0x00, 0x00,
    ];

    #[cfg(target_endian = "little")]
    #[test]
    fn info() {
        let info = Info::decode(INFO).unwrap();
        assert_eq!((info.version, info.connection_table_size), (0x010201, 4096));
        assert_eq!(info.version_parts(), (1, 2, 1));
        assert_eq!(filled(|out| info.encode(out)), INFO);
        for number in [VERSION, CONN_TAB_SIZE] {
            assert!(Info::decode(&without(INFO, number)).is_err());
        }
    }

    #[test]
    fn timeouts() {
        let timeouts = Timeouts {
            tcp: 900,
            tcp_fin: 120,
            udp: 300,
        };
        let answer = filled(|out| timeouts.encode(out));
        assert_eq!(Timeouts::decode(&answer).unwrap(), timeouts);
        assert_eq!(Timeouts::decode(&[]).unwrap(), Timeouts::default());
        assert!(Timeouts::decode(&[6, 0, 4, 0, 1, 0]).is_err());
    }
}
