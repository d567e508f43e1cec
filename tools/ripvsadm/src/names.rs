// SPDX-License-Identifier: GPL-2.0

//! Names of hosts and ports: from arguments to numbers, and from numbers to listings.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, ToSocketAddrs};

use ipvs_netlink::Protocol;

/// Numbers for names, in what a person types.
pub trait Lookup {
    /// The address of a host. A host with both has its IPv4 address.
    fn address(&self, host: &str) -> Option<IpAddr>;

    /// The port of a named service.
    fn port(&self, name: &str, protocol: Protocol) -> Option<u16>;
}

/// Names for numbers, in what a person reads.
pub trait Names {
    /// The name of a host.
    fn host(&self, address: IpAddr) -> Option<String>;

    /// The name of a port. `None` for a protocol where the service has none (firewall marks).
    fn port(&self, port: u16, protocol: Option<Protocol>) -> Option<String>;
}

/// No names at all: `-n`.
pub struct Numeric;

impl Names for Numeric {
    fn host(&self, _address: IpAddr) -> Option<String> {
        None
    }

    fn port(&self, _port: u16, _protocol: Option<Protocol>) -> Option<String> {
        None
    }
}

/// The names this host knows: its resolver's and `/etc/services`.
#[derive(Default)]
pub struct System {
    services: OnceCell<ServiceNames>,
    hosts: RefCell<HashMap<IpAddr, Option<String>>>,
}

impl System {
    /// The contents of `/etc/services`, read when they are first asked for; without such a file
    /// there are no names of ports.
    fn services(&self) -> &ServiceNames {
        self.services.get_or_init(|| {
            let text = fs::read("/etc/services").unwrap_or_default();
            ServiceNames::parse(&String::from_utf8_lossy(&text))
        })
    }
}

impl Lookup for System {
    fn address(&self, host: &str) -> Option<IpAddr> {
        let found: Vec<IpAddr> = (host, 0)
            .to_socket_addrs()
            .ok()?
            .map(|address| address.ip())
            .collect();
        found
            .iter()
            .find(|address| address.is_ipv4())
            .or(found.first())
            .copied()
    }

    fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        self.services().port(name, protocol)
    }
}

impl Names for System {
    fn host(&self, address: IpAddr) -> Option<String> {
        // A table names the same few hosts again and again.
        let mut hosts = self.hosts.borrow_mut();
        hosts
            .entry(address)
            .or_insert_with(|| {
                let name = dns_lookup::lookup_addr(&address).ok()?;
                // Without a name the resolver returns the address.
                (name.parse() != Ok(address)).then_some(name)
            })
            .clone()
    }

    fn port(&self, port: u16, protocol: Option<Protocol>) -> Option<String> {
        self.services().name(port, protocol?).map(str::to_owned)
    }
}

/// The contents of a services(5) file.
struct ServiceNames {
    /// Names, the official one first, with port and protocol.
    entries: Vec<(Vec<String>, u16, String)>,
}

impl ServiceNames {
    /// Reads the file's lines; those that are none are skipped.
    fn parse(text: &str) -> Self {
        let entry = |line: &str| {
            let mut words = line.split('#').next()?.split_whitespace();
            let name = words.next()?;
            let (port, protocol) = words.next()?.split_once('/')?;
            let names = std::iter::once(name)
                .chain(words)
                .map(str::to_owned)
                .collect();
            Some((names, port.parse().ok()?, protocol.to_owned()))
        };
        ServiceNames {
            entries: text.lines().filter_map(entry).collect(),
        }
    }

    fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        let wanted = protocol_name(protocol)?;
        self.entries
            .iter()
            .find(|(names, _, proto)| proto == wanted && names.iter().any(|n| n == name))
            .map(|(_, port, _)| *port)
    }

    fn name(&self, port: u16, protocol: Protocol) -> Option<&str> {
        let wanted = protocol_name(protocol)?;
        self.entries
            .iter()
            .find(|(_, number, proto)| *number == port && proto == wanted)
            .and_then(|(names, _, _)| names.first())
            .map(String::as_str)
    }
}

/// A protocol's name in services(5).
fn protocol_name(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Tcp => Some("tcp"),
        Protocol::Udp => Some("udp"),
        Protocol::Sctp => Some("sctp"),
        Protocol::Other(_) => None,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A few names for tests elsewhere.
    pub struct Fixed;

    impl Lookup for Fixed {
        fn address(&self, host: &str) -> Option<IpAddr> {
            match host {
                "web.example.org" => Some("192.0.2.1".parse().unwrap()),
                "six.example.org" => Some("2001:db8::1".parse().unwrap()),
                _ => None,
            }
        }

        fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
            match (name, protocol) {
                ("http", Protocol::Tcp) => Some(80),
                ("domain", Protocol::Tcp | Protocol::Udp) => Some(53),
                _ => None,
            }
        }
    }

    impl Names for Fixed {
        fn host(&self, address: IpAddr) -> Option<String> {
            let name = match address.to_string().as_str() {
                "192.0.2.1" => "web.example.org",
                "2001:db8::1" => "six.example.org",
                "198.51.100.9" => "a-real-server-with-quite-a-long-name.example.org",
                "2001:db8::9" => "a-real-server-with-a-name-longer-than-any-column.example.org",
                _ => return None,
            };
            Some(name.to_owned())
        }

        fn port(&self, port: u16, protocol: Option<Protocol>) -> Option<String> {
            match (port, protocol?) {
                (80, Protocol::Tcp) => Some("http".to_owned()),
                (53, Protocol::Tcp | Protocol::Udp) => Some("domain".to_owned()),
                _ => None,
            }
        }
    }

    const FILE: &str = "# services\n\
        http\t\t80/tcp\t\twww # WorldWideWeb\n\
        domain 53/tcp\n\
        domain 53/udp\n\
        broken\n\
        worse x/tcp\n\
        other 80/tcp\n";

    #[test]
    fn services_by_name() {
        let services = ServiceNames::parse(FILE);
        assert_eq!(services.port("http", Protocol::Tcp), Some(80));
        assert_eq!(services.port("www", Protocol::Tcp), Some(80));
        assert_eq!(services.port("http", Protocol::Udp), None);
        assert_eq!(services.port("domain", Protocol::Udp), Some(53));
        assert_eq!(services.port("domain", Protocol::Sctp), None);
        assert_eq!(services.port("worse", Protocol::Tcp), None);
    }

    #[test]
    fn services_by_port() {
        let services = ServiceNames::parse(FILE);
        assert_eq!(services.name(80, Protocol::Tcp), Some("http"));
        assert_eq!(services.name(80, Protocol::Udp), None);
        assert_eq!(services.name(53, Protocol::Udp), Some("domain"));
        assert_eq!(services.name(53, Protocol::Other(47)), None);
    }
}
