// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The synchronisation daemons and their attributes (`IPVS_DAEMON_ATTR_*`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::attr::{self, attributes};
use crate::decode::DecodeError;
use crate::uapi::daemon_attr::{
    MCAST_GROUP, MCAST_GROUP6, MCAST_IFN, MCAST_PORT, MCAST_TTL, STATE, SYNC_ID, SYNC_MAXLEN,
};
use crate::uapi::daemon_state::{BACKUP, MASTER};

/// The role of a synchronisation daemon (`IP_VS_STATE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DaemonState {
    /// Sends the director's connections.
    Master,
    /// Receives another director's connections.
    Backup,
}

impl From<DaemonState> for u32 {
    fn from(state: DaemonState) -> u32 {
        match state {
            DaemonState::Master => MASTER,
            DaemonState::Backup => BACKUP,
        }
    }
}

impl TryFrom<u32> for DaemonState {
    type Error = DecodeError;

    fn try_from(number: u32) -> Result<Self, DecodeError> {
        match number {
            MASTER => Ok(DaemonState::Master),
            BACKUP => Ok(DaemonState::Backup),
            _ => Err(DecodeError::new("IPVS_DAEMON_ATTR_STATE", "is unknown")),
        }
    }
}

/// A synchronisation daemon. What is `None` in a request is left to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Its role.
    pub state: DaemonState,
    /// The interface it speaks on, at most 15 bytes.
    pub interface: String,
    /// Sync ID of messages that belong together; 0 in a backup accepts all.
    pub sync_id: u32,
    /// The greatest length of a message.
    pub max_length: Option<u16>,
    /// The multicast group.
    pub group: Option<IpAddr>,
    /// The UDP port, in host order here and on the wire.
    pub port: Option<u16>,
    /// The time to live of its messages.
    pub ttl: Option<u8>,
}

impl Daemon {
    /// Adds the attributes of the daemon to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode_state(self.state, out);
        attr::put_str(out, MCAST_IFN, &self.interface);
        attr::put(out, SYNC_ID, &self.sync_id.to_ne_bytes());
        if let Some(length) = self.max_length {
            attr::put(out, SYNC_MAXLEN, &length.to_ne_bytes());
        }
        if let Some(port) = self.port {
            attr::put(out, MCAST_PORT, &port.to_ne_bytes());
        }
        if let Some(ttl) = self.ttl {
            attr::put(out, MCAST_TTL, &[ttl]);
        }
        match self.group {
            Some(IpAddr::V4(v4)) => attr::put(out, MCAST_GROUP, &v4.octets()),
            Some(IpAddr::V6(v6)) => attr::put(out, MCAST_GROUP6, &v6.octets()),
            None => {}
        }
    }

    /// Reads a daemon out of its attributes.
    ///
    /// # Errors
    /// Names the attribute that is missing, unknown or of a wrong length.
    pub fn decode(nest: &[u8]) -> Result<Self, DecodeError> {
        const NAME: &str = "IPVS daemon";
        let (mut state, mut interface, mut sync_id) = (None, None, None);
        let (mut max_length, mut group, mut port, mut ttl) = (None, None, None, None);
        for attribute in attributes(nest, NAME) {
            let (number, payload) = attribute?;
            match number {
                STATE => state = Some(DaemonState::try_from(attr::read_u32(payload, NAME)?)?),
                MCAST_IFN => interface = Some(attr::read_str(payload, NAME)?.to_owned()),
                SYNC_ID => sync_id = Some(attr::read_u32(payload, NAME)?),
                SYNC_MAXLEN => max_length = Some(attr::read_u16(payload, NAME)?),
                MCAST_GROUP => {
                    group = Some(Ipv4Addr::from(attr::bytes::<4>(payload, NAME)?).into());
                }
                MCAST_GROUP6 => {
                    group = Some(Ipv6Addr::from(attr::bytes::<16>(payload, NAME)?).into());
                }
                MCAST_PORT => port = Some(attr::read_u16(payload, NAME)?),
                MCAST_TTL => ttl = Some(attr::read_u8(payload, NAME)?),
                _ => {}
            }
        }
        Ok(Daemon {
            state: state.ok_or(DecodeError::new("IPVS_DAEMON_ATTR_STATE", "is missing"))?,
            interface: interface
                .ok_or(DecodeError::new("IPVS_DAEMON_ATTR_MCAST_IFN", "is missing"))?,
            sync_id: sync_id.ok_or(DecodeError::new("IPVS_DAEMON_ATTR_SYNC_ID", "is missing"))?,
            max_length,
            group,
            port,
            ttl,
        })
    }
}

/// Adds the role, by which a daemon is stopped.
pub(crate) fn encode_state(state: DaemonState, out: &mut Vec<u8>) {
    attr::put(out, STATE, &u32::from(state).to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::{filled, without};

    // What the kernel lists after `ipvsadm --start-daemon master --mcast-interface lo
    // --syncid 7`.
    #[cfg(target_endian = "little")]
    #[rustfmt::skip]
    const LISTED: &[u8] = &[
        0x08, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00,
        0x07, 0x00, 0x02, 0x00, 0x6c, 0x6f, 0x00, 0x00,
        0x08, 0x00, 0x03, 0x00, 0x07, 0x00, 0x00, 0x00,
        0x06, 0x00, 0x04, 0x00, 0xc0, 0x05, 0x00, 0x00,
        0x06, 0x00, 0x07, 0x00, 0x90, 0x22, 0x00, 0x00,
        0x05, 0x00, 0x08, 0x00, 0x01, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x05, 0x00, 0xe0, 0x00, 0x00, 0x51,
    ];

    fn master() -> Daemon {
        Daemon {
            state: DaemonState::Master,
            interface: "lo".into(),
            sync_id: 7,
            max_length: Some(1472),
            group: Some("224.0.0.81".parse().unwrap()),
            port: Some(8848),
            ttl: Some(1),
        }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn decodes_what_the_kernel_lists() {
        assert_eq!(Daemon::decode(LISTED).unwrap(), master());
        assert_eq!(filled(|out| master().encode(out)), LISTED);
    }

    #[test]
    fn an_ipv6_group_and_nothing_else() {
        let backup = Daemon {
            state: DaemonState::Backup,
            max_length: None,
            group: Some("ff02::5".parse().unwrap()),
            port: None,
            ttl: None,
            ..master()
        };
        let nest = filled(|out| backup.encode(out));
        assert_eq!(Daemon::decode(&nest).unwrap(), backup);
        for required in [STATE, MCAST_IFN, SYNC_ID] {
            assert!(Daemon::decode(&without(&nest, required)).is_err());
        }
    }

    #[test]
    fn states() {
        assert!(DaemonState::try_from(0).is_err());
        assert!(DaemonState::try_from(3).is_err());
    }
}
