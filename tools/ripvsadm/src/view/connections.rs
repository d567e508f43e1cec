// SPDX-License-Identifier: GPL-2.0

//! The list of `-c`.

use ipvs_netlink::Protocol;

use super::address::shortened;
use crate::connection::{Connection, Endpoint};
use crate::names::Names;

/// Connections, a line each; with their persistence engine's data where `engine_data`.
pub fn connections(connections: &[Connection], engine_data: bool, names: &dyn Names) -> String {
    let mut text = headings(engine_data);
    for connection in connections {
        text.push_str(&line(connection, engine_data, names));
        text.push('\n');
    }
    text
}

/// The title and the headings.
pub fn headings(engine_data: bool) -> String {
    let common = format!(
        "IPVS connection entries\npro expire {:<11} {:<18} {:<18}",
        "state", "source", "virtual"
    );
    match engine_data {
        true => format!("{common} {:<18} {:<16} pe_data\n", "destination", "pe name"),
        false => format!("{common} destination\n"),
    }
}

/// A connection in a line, without its end.
pub fn line(connection: &Connection, engine_data: bool, names: &dyn Names) -> String {
    let protocol = match connection.protocol.as_str() {
        "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        "SCTP" => Some(Protocol::Sctp),
        _ => None,
    };
    let shown = |end: &Endpoint| shortened(end.address, end.port, protocol, names);
    let expires = format!(
        "{:02}:{:02}",
        connection.expires / 60,
        connection.expires % 60
    );
    let common = format!(
        "{:<3} {expires:<6} {:<11} {:<18} {:<18}",
        connection.protocol,
        connection.state,
        shown(&connection.client),
        shown(&connection.virtual_server),
    );
    let server = shown(&connection.real_server);
    match connection.engine.as_ref().filter(|_| engine_data) {
        Some((engine, data)) => format!("{common} {server:<16} {engine:<18} {data}"),
        None => format!("{common} {server}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::parse;
    use crate::connection::tests::LINES;
    use crate::names::tests::Fixed;
    use crate::names::Numeric;

    #[test]
    fn numbers() {
        assert_eq!(
            connections(&parse(LINES).unwrap(), false, &Numeric),
            "\
IPVS connection entries
pro expire state       source             virtual            destination
TCP 00:57  SYN_RECV    203.0.113.5:55452  192.0.2.1:80       198.51.100.1:80
UDP 83:19  NONE        203.0.113.5:0      192.0.2.1:5060     198.51.100.1:5060
TCP 00:58  SYN_RECV    203.0.113.5:36366  192.0.2.1:8443     [2001:db8::1]:8443
TCP 14:59  ESTABLISHED [2001:db8:f::1]:56068 [2001:db8:f::2]:81 198.51.100.1:81
IP  05:59  NONE        203.0.113.5:0      0.0.0.99:0         198.51.100.1:0
"
        );
    }

    #[test]
    fn names_and_engine_data() {
        let shown = connections(&parse(LINES).unwrap()[..3], true, &Fixed);
        let expected = [
            "IPVS connection entries",
            "pro expire state       source             virtual            destination        \
             pe name          pe_data",
            "TCP 00:57  SYN_RECV    203.0.113.5:55452  web.example.org:http 198.51.100.1:http",
            "UDP 83:19  NONE        203.0.113.5:0      web.example.org:5060 198.51.100.1:5060 \
             sip                abcdef@203.0.113.5",
            "TCP 00:58  SYN_RECV    203.0.113.5:36366  web.example.org:8443 \
             [six.example.org]:8443",
        ];
        assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
    }
}
