// SPDX-License-Identifier: GPL-2.0

//! The synchronisation daemons and their attributes (`IPVS_DAEMON_ATTR_*`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{DecodeError, DefaultNla, ErrorContext, Nla, NlaBuffer, Parseable};

use crate::attr;

const STATE: u16 = 1;
const MCAST_IFN: u16 = 2;
const SYNC_ID: u16 = 3;
const SYNC_MAXLEN: u16 = 4;
const MCAST_GROUP: u16 = 5;
const MCAST_GROUP6: u16 = 6;
const MCAST_PORT: u16 = 7;
const MCAST_TTL: u16 = 8;

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
            DaemonState::Master => 1,
            DaemonState::Backup => 2,
        }
    }
}

impl TryFrom<u32> for DaemonState {
    type Error = DecodeError;

    fn try_from(number: u32) -> Result<Self, DecodeError> {
        match number {
            1 => Ok(DaemonState::Master),
            2 => Ok(DaemonState::Backup),
            _ => Err(DecodeError::from(format!(
                "unknown state {number} of a daemon"
            ))),
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
    /// Which messages belong together; 0 in a backup accepts all.
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
    /// The attributes that start the daemon.
    pub fn to_attributes(&self) -> Vec<DaemonAttr> {
        let mut attributes = vec![
            DaemonAttr::State(self.state.into()),
            DaemonAttr::Interface(self.interface.clone()),
            DaemonAttr::SyncId(self.sync_id),
        ];
        attributes.extend(self.max_length.map(DaemonAttr::MaxLength));
        attributes.extend(self.port.map(DaemonAttr::Port));
        attributes.extend(self.ttl.map(DaemonAttr::Ttl));
        attributes.extend(self.group.map(|group| match group {
            IpAddr::V4(v4) => DaemonAttr::Group4(v4),
            IpAddr::V6(v6) => DaemonAttr::Group6(v6),
        }));
        attributes
    }

    /// Reads a daemon out of its attributes.
    pub fn from_attributes(attributes: &[DaemonAttr]) -> Result<Self, DecodeError> {
        let (mut state, mut interface, mut sync_id) = (None, None, None);
        let (mut max_length, mut group, mut port, mut ttl) = (None, None, None, None);
        for attribute in attributes {
            match attribute {
                DaemonAttr::State(value) => state = Some(DaemonState::try_from(*value)?),
                DaemonAttr::Interface(name) => interface = Some(name.clone()),
                DaemonAttr::SyncId(value) => sync_id = Some(*value),
                DaemonAttr::MaxLength(value) => max_length = Some(*value),
                DaemonAttr::Group4(address) => group = Some(IpAddr::V4(*address)),
                DaemonAttr::Group6(address) => group = Some(IpAddr::V6(*address)),
                DaemonAttr::Port(value) => port = Some(*value),
                DaemonAttr::Ttl(value) => ttl = Some(*value),
                DaemonAttr::Other(_) => {}
            }
        }
        let missing = |name| attr::missing("IPVS daemon", name);
        Ok(Daemon {
            state: state.ok_or_else(|| missing("STATE"))?,
            interface: interface.ok_or_else(|| missing("MCAST_IFN"))?,
            sync_id: sync_id.ok_or_else(|| missing("SYNC_ID"))?,
            max_length,
            group,
            port,
            ttl,
        })
    }
}

/// One attribute of a daemon, as on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DaemonAttr {
    /// `STATE`.
    State(u32),
    /// `MCAST_IFN`.
    Interface(String),
    /// `SYNC_ID`.
    SyncId(u32),
    /// `SYNC_MAXLEN`.
    MaxLength(u16),
    /// `MCAST_GROUP`.
    Group4(Ipv4Addr),
    /// `MCAST_GROUP6`.
    Group6(Ipv6Addr),
    /// `MCAST_PORT`, in host order even on the wire.
    Port(u16),
    /// `MCAST_TTL`.
    Ttl(u8),
    /// A number unknown here.
    Other(DefaultNla),
}

impl Nla for DaemonAttr {
    fn value_len(&self) -> usize {
        match self {
            DaemonAttr::State(_) | DaemonAttr::SyncId(_) | DaemonAttr::Group4(_) => 4,
            DaemonAttr::Interface(name) => attr::string_len(name),
            DaemonAttr::MaxLength(_) | DaemonAttr::Port(_) => 2,
            DaemonAttr::Group6(_) => 16,
            DaemonAttr::Ttl(_) => 1,
            DaemonAttr::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            DaemonAttr::State(_) => STATE,
            DaemonAttr::Interface(_) => MCAST_IFN,
            DaemonAttr::SyncId(_) => SYNC_ID,
            DaemonAttr::MaxLength(_) => SYNC_MAXLEN,
            DaemonAttr::Group4(_) => MCAST_GROUP,
            DaemonAttr::Group6(_) => MCAST_GROUP6,
            DaemonAttr::Port(_) => MCAST_PORT,
            DaemonAttr::Ttl(_) => MCAST_TTL,
            DaemonAttr::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            DaemonAttr::State(value) | DaemonAttr::SyncId(value) => {
                attr::write(buffer, &value.to_ne_bytes())
            }
            DaemonAttr::Interface(name) => attr::write_string(buffer, name),
            DaemonAttr::MaxLength(value) | DaemonAttr::Port(value) => {
                attr::write(buffer, &value.to_ne_bytes())
            }
            DaemonAttr::Group4(address) => attr::write(buffer, &address.octets()),
            DaemonAttr::Group6(address) => attr::write(buffer, &address.octets()),
            DaemonAttr::Ttl(value) => attr::write(buffer, &[*value]),
            DaemonAttr::Other(other) => other.emit_value(buffer),
        }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> Parseable<NlaBuffer<&'a T>> for DaemonAttr {
    fn parse(buf: &NlaBuffer<&'a T>) -> Result<Self, DecodeError> {
        let (kind, payload) = (buf.kind(), buf.value());
        let parsed = match kind {
            STATE => attr::read_u32(payload).map(DaemonAttr::State),
            MCAST_IFN => attr::read_string(payload).map(DaemonAttr::Interface),
            SYNC_ID => attr::read_u32(payload).map(DaemonAttr::SyncId),
            SYNC_MAXLEN => attr::read_u16(payload).map(DaemonAttr::MaxLength),
            MCAST_GROUP => {
                attr::read_4(payload).map(|bytes| DaemonAttr::Group4(Ipv4Addr::from(bytes)))
            }
            MCAST_GROUP6 => {
                attr::read_address(payload).map(|bytes| DaemonAttr::Group6(Ipv6Addr::from(bytes)))
            }
            MCAST_PORT => attr::read_u16(payload).map(DaemonAttr::Port),
            MCAST_TTL => attr::read_u8(payload).map(DaemonAttr::Ttl),
            _ => DefaultNla::parse(buf).map(DaemonAttr::Other),
        };
        parsed.with_context(|| format!("IPVS_DAEMON_ATTR number {kind}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::{emit, parse};

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
        let attributes: Vec<DaemonAttr> = parse(LISTED).unwrap();
        assert_eq!(Daemon::from_attributes(&attributes).unwrap(), master());
        assert_eq!(emit(&master().to_attributes()), LISTED);
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
        let parsed: Vec<DaemonAttr> = parse(&emit(&backup.to_attributes())).unwrap();
        assert_eq!(Daemon::from_attributes(&parsed).unwrap(), backup);
    }

    #[test]
    fn states() {
        assert!(DaemonState::try_from(0).is_err());
        assert!(DaemonState::try_from(3).is_err());
        assert!(Daemon::from_attributes(&[DaemonAttr::State(3)]).is_err());
    }
}
