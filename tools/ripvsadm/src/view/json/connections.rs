// SPDX-License-Identifier: GPL-2.0

//! Connections as JSON.

use std::net::IpAddr;

use serde::Serialize;

use super::document::document;
use crate::connection::{self, Connection, Endpoint};

#[derive(Serialize)]
struct ConnectionsDocument<'a> {
    connections: Vec<ConnectionObject<'a>>,
}

#[derive(Serialize)]
pub struct ConnectionObject<'a> {
    protocol: String,
    client: EndpointObject,
    service: VirtualObject,
    destination: EndpointObject,
    state: &'a str,
    expires_seconds: u32,
    engine: Option<EngineObject<'a>>,
}

#[derive(Serialize)]
struct EndpointObject {
    address: IpAddr,
    port: u16,
}

#[derive(Serialize)]
#[serde(untagged)]
enum VirtualObject {
    Address(EndpointObject),
    Fwmark { fwmark: u32 },
}

#[derive(Serialize)]
struct EngineObject<'a> {
    name: &'a str,
    data: &'a str,
}

/// Connections, and the templates of persistent services.
pub fn connections(connections: &[Connection]) -> String {
    document(&ConnectionsDocument {
        connections: connections.iter().map(object).collect(),
    })
}

/// A connection as an object.
pub fn object(connection: &Connection) -> ConnectionObject<'_> {
    ConnectionObject {
        protocol: connection.protocol.to_lowercase(),
        client: endpoint(&connection.client),
        service: match connection::mark(connection) {
            Some(fwmark) => VirtualObject::Fwmark { fwmark },
            None => VirtualObject::Address(endpoint(&connection.virtual_server)),
        },
        destination: endpoint(&connection.real_server),
        state: &connection.state,
        expires_seconds: connection.expires,
        engine: connection
            .engine
            .as_ref()
            .map(|(name, data)| EngineObject { name, data }),
    }
}

fn endpoint(end: &Endpoint) -> EndpointObject {
    EndpointObject {
        address: end.address,
        port: end.port,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::parse;
    use crate::connection::tests::LINES;
    use crate::view::json::document::tests::read;
    use serde_json::json;

    #[test]
    fn all_connections() {
        let found = read(&connections(&parse(LINES).unwrap()));
        let found = found["connections"].as_array().unwrap();
        assert_eq!(
            found[0],
            json!({
                "protocol": "tcp",
                "client": {"address": "203.0.113.5", "port": 55452},
                "service": {"address": "192.0.2.1", "port": 80},
                "destination": {"address": "198.51.100.1", "port": 80},
                "state": "SYN_RECV", "expires_seconds": 57, "engine": null,
            })
        );
        assert_eq!(
            found[1]["engine"],
            json!({"name": "sip", "data": "abcdef@203.0.113.5"})
        );
        assert_eq!(found[4]["service"], json!({"fwmark": 0x63}));

        let six = "header\nIP  2001:0db8:0000:0000:0000:0000:0000:0001 0000 \
            0000:0007:0000:0000:0000:0000:0000:0000 0000 \
            2001:0db8:0000:0000:0000:0000:0000:0005 0000 NONE 359\n";
        let found = read(&connections(&parse(six).unwrap()));
        assert_eq!(found["connections"][0]["service"], json!({"fwmark": 7}));
    }
}
