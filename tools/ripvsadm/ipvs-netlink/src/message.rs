// SPDX-License-Identifier: GPL-2.0

//! A whole message of the family: a command and its attributes (`IPVS_CMD_ATTR_*`).

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, ErrorContext, Nla, NlaBuffer, NlasIterator, Parseable,
    ParseableParametrized, NLA_F_NESTED,
};
use netlink_packet_generic::{GenlFamily, GenlHeader};

use crate::attr;
use crate::command::Command;
use crate::daemon::DaemonAttr;
use crate::destination::DestinationAttr;
use crate::service::ServiceAttr;

/// The name the family is registered under.
pub const FAMILY_NAME: &str = "IPVS";

/// The version of the family.
pub const FAMILY_VERSION: u8 = 1;

const SERVICE: u16 = 1;
const DEST: u16 = 2;
const DAEMON: u16 = 3;
const TIMEOUT_TCP: u16 = 4;
const TIMEOUT_TCP_FIN: u16 = 5;
const TIMEOUT_UDP: u16 = 6;

// The answer to GET_INFO has numbers of its own.
const INFO_VERSION: u16 = 1;
const INFO_CONN_TAB_SIZE: u16 = 2;

/// A request to or an answer of the family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpvsMessage {
    /// What is asked or answered.
    pub command: Command,
    /// The attributes, in the order of the wire.
    pub attributes: Vec<Attribute>,
}

impl GenlFamily for IpvsMessage {
    fn family_name() -> &'static str {
        FAMILY_NAME
    }

    fn command(&self) -> u8 {
        self.command.into()
    }

    fn version(&self) -> u8 {
        FAMILY_VERSION
    }
}

impl Emitable for IpvsMessage {
    fn buffer_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for IpvsMessage {
    fn parse_with_param(payload: &[u8], header: GenlHeader) -> Result<Self, DecodeError> {
        let command = Command::try_from(header.cmd)?;
        let attributes = NlasIterator::new(payload)
            .map(|nla| Attribute::parse(command, &nla?))
            .collect::<Result<_, DecodeError>>()
            .with_context(|| format!("invalid IPVS message {command:?}"))?;
        Ok(IpvsMessage {
            command,
            attributes,
        })
    }
}

/// One attribute of a message, as on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribute {
    /// `SERVICE`.
    Service(Vec<ServiceAttr>),
    /// `DEST`.
    Destination(Vec<DestinationAttr>),
    /// `DAEMON`.
    Daemon(Vec<DaemonAttr>),
    /// `TIMEOUT_TCP`, in seconds.
    TimeoutTcp(u32),
    /// `TIMEOUT_TCP_FIN`, in seconds.
    TimeoutTcpFin(u32),
    /// `TIMEOUT_UDP`, in seconds.
    TimeoutUdp(u32),
    /// `IPVS_INFO_ATTR_VERSION`; only in [`Command::SetInfo`].
    Version(u32),
    /// `IPVS_INFO_ATTR_CONN_TAB_SIZE`; only in [`Command::SetInfo`].
    ConnectionTableSize(u32),
    /// A number unknown here.
    Other(DefaultNla),
}

impl Attribute {
    /// Reads an attribute; what its number means depends on the command.
    fn parse(command: Command, buf: &NlaBuffer<&[u8]>) -> Result<Self, DecodeError> {
        let payload = buf.value();
        if command == Command::SetInfo {
            return match buf.kind() {
                INFO_VERSION => attr::read_u32(payload).map(Attribute::Version),
                INFO_CONN_TAB_SIZE => attr::read_u32(payload).map(Attribute::ConnectionTableSize),
                _ => DefaultNla::parse(buf).map(Attribute::Other),
            };
        }
        match buf.kind() {
            SERVICE => attr::read_nested(payload, "SERVICE").map(Attribute::Service),
            DEST => attr::read_nested(payload, "DEST").map(Attribute::Destination),
            DAEMON => attr::read_nested(payload, "DAEMON").map(Attribute::Daemon),
            TIMEOUT_TCP => attr::read_u32(payload).map(Attribute::TimeoutTcp),
            TIMEOUT_TCP_FIN => attr::read_u32(payload).map(Attribute::TimeoutTcpFin),
            TIMEOUT_UDP => attr::read_u32(payload).map(Attribute::TimeoutUdp),
            _ => DefaultNla::parse(buf).map(Attribute::Other),
        }
    }
}

impl Nla for Attribute {
    fn value_len(&self) -> usize {
        match self {
            Attribute::Service(nest) => attr::nested_len(nest),
            Attribute::Destination(nest) => attr::nested_len(nest),
            Attribute::Daemon(nest) => attr::nested_len(nest),
            Attribute::TimeoutTcp(_)
            | Attribute::TimeoutTcpFin(_)
            | Attribute::TimeoutUdp(_)
            | Attribute::Version(_)
            | Attribute::ConnectionTableSize(_) => 4,
            Attribute::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Attribute::Service(_) => SERVICE | NLA_F_NESTED,
            Attribute::Destination(_) => DEST | NLA_F_NESTED,
            Attribute::Daemon(_) => DAEMON | NLA_F_NESTED,
            Attribute::TimeoutTcp(_) => TIMEOUT_TCP,
            Attribute::TimeoutTcpFin(_) => TIMEOUT_TCP_FIN,
            Attribute::TimeoutUdp(_) => TIMEOUT_UDP,
            Attribute::Version(_) => INFO_VERSION,
            Attribute::ConnectionTableSize(_) => INFO_CONN_TAB_SIZE,
            Attribute::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Attribute::Service(nest) => attr::write_nested(buffer, nest),
            Attribute::Destination(nest) => attr::write_nested(buffer, nest),
            Attribute::Daemon(nest) => attr::write_nested(buffer, nest),
            Attribute::TimeoutTcp(value)
            | Attribute::TimeoutTcpFin(value)
            | Attribute::TimeoutUdp(value)
            | Attribute::Version(value)
            | Attribute::ConnectionTableSize(value) => attr::write(buffer, &value.to_ne_bytes()),
            Attribute::Other(other) => other.emit_value(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Info;

    fn header(command: Command) -> GenlHeader {
        GenlHeader {
            cmd: command.into(),
            version: FAMILY_VERSION,
        }
    }

    // The attributes of the kernel's answer to GET_INFO.
    #[cfg(target_endian = "little")]
    #[rustfmt::skip]
    const INFO: &[u8] = &[
        0x08, 0x00, 0x01, 0x00, 0x01, 0x02, 0x01, 0x00,
        0x08, 0x00, 0x02, 0x00, 0x00, 0x10, 0x00, 0x00,
    ];

    #[cfg(target_endian = "little")]
    #[test]
    fn the_numbers_of_info_are_its_own() {
        let message = IpvsMessage::parse_with_param(INFO, header(Command::SetInfo)).unwrap();
        let info = Info::from_attributes(&message.attributes).unwrap();
        assert_eq!((info.version, info.connection_table_size), (0x010201, 4096));

        // Elsewhere number 1 is a nest, which eight such bytes are not.
        assert!(IpvsMessage::parse_with_param(INFO, header(Command::NewService)).is_err());
    }

    #[test]
    fn unknown_attributes_are_kept() {
        let message = IpvsMessage {
            command: Command::SetConfig,
            attributes: vec![
                Attribute::TimeoutUdp(5),
                Attribute::Other(DefaultNla::new(99, vec![1, 2, 3])),
            ],
        };
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        let parsed = IpvsMessage::parse_with_param(&bytes, header(Command::SetConfig)).unwrap();
        assert_eq!(parsed, message);
    }

    #[test]
    fn an_unknown_command_is_an_error() {
        let odd = GenlHeader {
            cmd: 99,
            version: FAMILY_VERSION,
        };
        assert!(IpvsMessage::parse_with_param(&[], odd).is_err());
    }
}
