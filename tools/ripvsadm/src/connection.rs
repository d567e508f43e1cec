// SPDX-License-Identifier: GPL-2.0

//! Connections, as `/proc/net/ip_vs_conn` has them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// File in which the kernel lists them.
pub const PATH: &str = "/proc/net/ip_vs_conn";

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub address: IpAddr,
    pub port: u16,
}

/// One connection, or one template of a persistent service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `TCP`, `UDP`, …; `IP` for the template of a firewall mark.
    pub protocol: String,
    pub client: Endpoint,
    /// The service; its address is the mark for the template of a firewall mark.
    pub virtual_server: Endpoint,
    pub real_server: Endpoint,
    /// The state of the protocol.
    pub state: String,
    /// Seconds until it expires.
    pub expires: u32,
    /// The persistence engine and its data.
    pub engine: Option<(String, String)>,
}

/// Reads the whole file: a header, then a line for each connection.
///
/// # Errors
/// The line that cannot be read.
pub fn parse(text: &str) -> Result<Vec<Connection>, String> {
    text.lines().skip(1).map(line).collect()
}

/// Reads a line other than the header.
///
/// # Errors
/// The line, if it cannot be read.
pub fn line(line: &str) -> Result<Connection, String> {
    parse_line(line).ok_or_else(|| format!("unexpected line \"{line}\" in {PATH}"))
}

/// Returns the mark of a template of a mark, which it has for an address.
pub fn mark(connection: &Connection) -> Option<u32> {
    if connection.protocol != "IP" {
        return None;
    }
    Some(match connection.virtual_server.address {
        IpAddr::V4(mark) => mark.into(),
        // In its first bits.
        IpAddr::V6(mark) => (mark.to_bits() >> 96) as u32,
    })
}

fn parse_line(line: &str) -> Option<Connection> {
    let mut words = line.split_ascii_whitespace();
    let protocol = words.next()?.to_owned();
    let mut endpoint = || {
        Some(Endpoint {
            address: parse_address(words.next()?)?,
            port: u16::from_str_radix(words.next()?, 16).ok()?,
        })
    };
    let (client, virtual_server, real_server) = (endpoint()?, endpoint()?, endpoint()?);
    Some(Connection {
        protocol,
        client,
        virtual_server,
        real_server,
        state: words.next()?.to_owned(),
        expires: words.next()?.parse().ok()?,
        engine: match (words.next(), words.next()) {
            (Some(name), Some(data)) => Some((name.to_owned(), data.to_owned())),
            _ => None,
        },
    })
}

/// Eight hexadecimal digits, or an IPv6 address.
fn parse_address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Some(address.into());
    }
    let bits = u32::from_str_radix(text, 16)
        .ok()
        .filter(|_| text.len() == 8)?;
    Some(Ipv4Addr::from(bits).into())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Lines of the C implementation.
    pub const LINES: &str = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP CB007105 D89C C0000201 0050 C6336401 0050 SYN_RECV         57
UDP CB007105 0000 C0000201 13C4 C6336401 13C4 NONE           4999 sip abcdef@203.0.113.5
TCP CB007105 8E0E C0000201 20FB 2001:0db8:0000:0000:0000:0000:0000:0001 20FB SYN_RECV         58
TCP 2001:0db8:000f:0000:0000:0000:0000:0001 DB04 2001:0db8:000f:0000:0000:0000:0000:0002 0051 \
C6336401 0051 ESTABLISHED     899
IP  CB007105 0000 00000063 0000 C6336401 0000 NONE            359
";

    #[test]
    fn read() {
        let connections = parse(LINES).unwrap();
        assert_eq!(connections.len(), 5);
        assert_eq!(
            connections[0],
            Connection {
                protocol: "TCP".into(),
                client: Endpoint {
                    address: "203.0.113.5".parse().unwrap(),
                    port: 55452
                },
                virtual_server: Endpoint {
                    address: "192.0.2.1".parse().unwrap(),
                    port: 80
                },
                real_server: Endpoint {
                    address: "198.51.100.1".parse().unwrap(),
                    port: 80
                },
                state: "SYN_RECV".into(),
                expires: 57,
                engine: None,
            }
        );
        let engine = connections[1].engine.as_ref().unwrap();
        assert_eq!(*engine, ("sip".to_owned(), "abcdef@203.0.113.5".to_owned()));
        assert!(connections[2].client.address.is_ipv4());
        assert!(connections[2].real_server.address.is_ipv6());
        assert_eq!(
            connections[4].virtual_server.address,
            IpAddr::from([0, 0, 0, 0x63])
        );
    }

    #[test]
    fn odd_lines() {
        assert_eq!(parse("").unwrap(), []);
        assert_eq!(parse("Pro FromIP\n").unwrap(), []);
        for line in [
            "TCP",
            "TCP C0000201 D89C C0000201 0050 C6336401 0050 SYN_RECV",
            "TCP C0000201 D89C C0000201 0050 C6336401 0050 SYN_RECV soon",
            "TCP C0000201 D89CC C0000201 0050 C6336401 0050 SYN_RECV 5",
            "TCP 201 D89C C0000201 0050 C6336401 0050 SYN_RECV 5",
            "TCP x D89C C0000201 0050 C6336401 0050 SYN_RECV 5",
        ] {
            let error = parse(&format!("header\n{line}\n")).unwrap_err();
            assert!(error.contains(line), "{error}");
        }
    }
}
