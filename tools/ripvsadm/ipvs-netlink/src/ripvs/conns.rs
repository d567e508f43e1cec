// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Connections as the kernel shows them (`RIPVS_CONN_*`), and the answers about them.

use std::net::{IpAddr, Ipv4Addr};

use super::snapshot::read_address;
use super::uapi::{conn_attr, msg_attr};
use crate::attr::{self, attributes};
use crate::decode::DecodeError;
use crate::forward::ForwardMethod;

/// A connection or template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The protocol number; 0 for a template of a service by mark.
    pub protocol: u8,
    /// The client; of a template the network, and port 0.
    pub client: (IpAddr, u16),
    /// The VIP; `None` for a template of a service by mark.
    pub vip: Option<(IpAddr, u16)>,
    /// The destination.
    pub server: (IpAddr, u16),
    /// The mark of the service, if it is one by mark.
    pub mark: Option<u32>,
    /// The forwarding method.
    pub forward: ForwardMethod,
    /// The number of the state.
    pub state: u8,
    /// The name of the state.
    pub state_name: String,
    /// The seconds until it expires without a packet.
    pub expires: u32,
    /// The seconds since the last packet.
    pub idle: u32,
    /// The flags ([`super::conn_flags`]).
    pub flags: u32,
    /// The name of a template's persistence engine, and its key.
    pub engine: Option<(String, Vec<u8>)>,
}

/// The answer to a deletion of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The number of connections that were deleted.
    pub deleted: u32,
    /// The number of those that stay because a connection that they control began meanwhile. No
    /// packet finds them.
    pub held: u32,
}

/// Reads the connection in a message of the dump.
pub(super) fn read_message(answer: &[u8]) -> Result<Connection, DecodeError> {
    const NAME: &str = "connections of the family RIPVS";
    for attribute in attributes(answer, NAME) {
        if let (msg_attr::CONNECTION, nest) = attribute? {
            return read(nest);
        }
    }
    Err(DecodeError::new("a message", "has no connection"))
}

fn read(nest: &[u8]) -> Result<Connection, DecodeError> {
    const NAME: &str = "a connection (RIPVS_CONN_*)";
    let nowhere = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let (mut vip, mut vip_port) = (None, 0);
    let (mut engine, mut key) = (None, Vec::new());
    let mut found = Connection {
        protocol: 0,
        client: nowhere,
        vip: None,
        server: nowhere,
        mark: None,
        forward: ForwardMethod::Masquerade,
        state: 0,
        state_name: String::new(),
        expires: 0,
        idle: 0,
        flags: 0,
        engine: None,
    };
    for attribute in attributes(nest, NAME) {
        let (number, payload) = attribute?;
        match number {
            conn_attr::PROTOCOL => {
                let protocol = attr::read_u16(payload, NAME)?;
                found.protocol = u8::try_from(protocol)
                    .map_err(|_| DecodeError::new(NAME, "has an impossible protocol"))?;
            }
            conn_attr::CLIENT_ADDR => found.client.0 = read_address(payload, NAME)?,
            conn_attr::CLIENT_PORT => found.client.1 = attr::read_be16(payload, NAME)?,
            conn_attr::VIP_ADDR => vip = Some(read_address(payload, NAME)?),
            conn_attr::VIP_PORT => vip_port = attr::read_be16(payload, NAME)?,
            conn_attr::SERVER_ADDR => found.server.0 = read_address(payload, NAME)?,
            conn_attr::SERVER_PORT => found.server.1 = attr::read_be16(payload, NAME)?,
            conn_attr::FWMARK => found.mark = Some(attr::read_u32(payload, NAME)?),
            conn_attr::FWD_METHOD => found.forward = attr::read_u32(payload, NAME)?.into(),
            conn_attr::STATE => found.state = attr::read_u8(payload, NAME)?,
            conn_attr::STATE_NAME => found.state_name = attr::read_str(payload, NAME)?.into(),
            conn_attr::EXPIRES => found.expires = attr::read_u32(payload, NAME)?,
            conn_attr::IDLE => found.idle = attr::read_u32(payload, NAME)?,
            conn_attr::FLAGS => found.flags = attr::read_u32(payload, NAME)?,
            conn_attr::PE_NAME => engine = Some(attr::read_str(payload, NAME)?.to_string()),
            conn_attr::PE_DATA => key = payload.to_vec(),
            _ => {}
        }
    }
    found.vip = vip.map(|address| (address, vip_port));
    found.engine = engine.map(|name| (name, key));
    Ok(found)
}

/// Reads the answer to a deletion.
pub(super) fn read_deleted(answer: &[u8]) -> Result<Deleted, DecodeError> {
    let mut done = Deleted::default();
    for attribute in attributes(answer, "an answer") {
        match attribute? {
            (msg_attr::DELETED, payload) => {
                done.deleted = attr::read_u32(payload, "the number of deleted connections")?;
            }
            (msg_attr::HELD, payload) => {
                done.held = attr::read_u32(payload, "the number of held connections")?;
            }
            _ => {}
        }
    }
    Ok(done)
}

/// Reads the answer to a count.
pub(super) fn read_count(answer: &[u8]) -> Result<u32, DecodeError> {
    for attribute in attributes(answer, "an answer") {
        if let (msg_attr::CONNECTIONS, payload) = attribute? {
            return attr::read_u32(payload, "the number of connections");
        }
    }
    Err(DecodeError::new(
        "an answer",
        "has no number of connections",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::filled;

    #[test]
    fn a_template_by_mark_has_no_vip() {
        let answer = filled(|out| {
            attr::put(
                out,
                12,
                &filled(|out| {
                    attr::put(out, 2, &0u16.to_ne_bytes());
                    attr::put(out, 3, &[10, 0, 0, 0]);
                    attr::put(out, 4, &[0, 0]);
                    attr::put(out, 7, &[0xfd; 16]);
                    attr::put(out, 8, &[0, 80]);
                    attr::put(out, 9, &7u32.to_ne_bytes());
                    attr::put(out, 10, &2u32.to_ne_bytes());
                    attr::put(out, 11, &[1]);
                    attr::put(out, 12, b"ASSURED\0");
                    attr::put(out, 13, &300u32.to_ne_bytes());
                    attr::put(out, 14, &2u32.to_ne_bytes());
                    attr::put(out, 15, &5u32.to_ne_bytes());
                }),
            );
        });
        let expected = Connection {
            protocol: 0,
            client: ([10, 0, 0, 0].into(), 0),
            vip: None,
            server: ([0xfd; 16].into(), 80),
            mark: Some(7),
            forward: ForwardMethod::Tunnel,
            state: 1,
            state_name: "ASSURED".to_string(),
            expires: 300,
            idle: 2,
            flags: 5,
            engine: None,
        };
        assert_eq!(read_message(&answer), Ok(expected));
    }

    #[test]
    fn what_is_too_short_is_an_error() {
        let wrong = filled(|out| attr::put(out, 12, &filled(|out| attr::put(out, 13, &[1]))));
        assert!(read_message(&wrong).is_err());
        assert!(read_message(&[]).is_err());
        assert!(read_count(&[]).is_err());
        assert!(read_deleted(&filled(|out| attr::put(out, 13, &[1]))).is_err());
    }
}
