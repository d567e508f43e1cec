// SPDX-License-Identifier: GPL-2.0

//! The rules of `-S`: the command lines that make the table anew.
//!
//! They are ipvsadm's, except that nothing is lost on the way: it saves no thresholds, marks of
//! the upper half as negative numbers that it does not read again, and cuts long host names.

use ipvs_netlink::{
    AddressFamily, Destination, DestinationId, ForwardMethod, Netmask, Protocol, Service,
    ServiceFlags, ServiceId, TunnelFlags, TunnelType,
};

use crate::drain;
use crate::model::Group;
use crate::names::Names;
use crate::own;
use crate::view::{flag_names, full_address};

/// The rules, a line each.
pub fn save(groups: &[Group], names: &dyn Names) -> String {
    let mut text = String::new();
    for group in groups {
        let service = &group.service.service;
        let id = id_words(&service.id, names);
        text.push_str(&format!("-A {id} {}\n", service_words(service)));
        for entry in &group.servers {
            let server = &entry.destination;
            let address = address_words(&service.id, &server.id, names);
            let words = server_words(&service.id, server);
            text.push_str(&format!("-a {id} {address} {words}\n"));
            if let Some(drain) = &entry.drain {
                let words = drain::words(&drain.options);
                text.push_str(&format!("drain {id} {address}{words}\n"));
            }
        }
    }
    text
}

fn protocol(id: &ServiceId) -> Option<Protocol> {
    match id {
        ServiceId::Address { protocol, .. } => Some(*protocol),
        ServiceId::Fwmark { .. } => None,
    }
}

/// The words that name a service: `-t 192.0.2.1:80`.
pub fn id_words(id: &ServiceId, names: &dyn Names) -> String {
    match id {
        ServiceId::Address {
            protocol,
            address,
            port,
        } => {
            let option = match protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
                Protocol::Sctp => "--sctp-service",
                // Such a service can be neither made nor matched.
                Protocol::Other(_) => "--unknown-protocol",
            };
            format!(
                "{option} {}",
                full_address(*address, *port, Some(*protocol), names)
            )
        }
        ServiceId::Fwmark {
            family: AddressFamily::Inet,
            mark,
        } => format!("-f {mark}"),
        ServiceId::Fwmark {
            family: AddressFamily::Inet6,
            mark,
        } => format!("-f {mark} -6"),
    }
}

/// The words that name a real server of a service: `-r 198.51.100.1:80`.
pub fn address_words(service: &ServiceId, server: &DestinationId, names: &dyn Names) -> String {
    let address = full_address(server.address, server.port, protocol(service), names);
    format!("-r {address}")
}

/// The options of a service.
pub fn service_words(service: &Service) -> String {
    let mut words = format!("-s {}", service.scheduler);
    if service.flags.contains(ServiceFlags::PERSISTENT) {
        words.push_str(&format!(" -p {}", service.timeout));
        if service.netmask != Netmask::host(service.id.family()) {
            words.push_str(&match service.netmask {
                Netmask::V4(mask) => format!(" -M {mask}"),
                Netmask::V6(length) => format!(" -M {length}"),
            });
        }
    }
    if let Some(engine) = &service.persistence_engine {
        words.push_str(&format!(" --pe {engine}"));
    }
    if service.flags.contains(ServiceFlags::ONE_PACKET) {
        words.push_str(" -o");
    }
    let flags = flag_names(service.flags, &service.scheduler);
    if !flags.is_empty() {
        words.push_str(&format!(" -b {flags}"));
    }
    for (name, value) in own::values(&service.own) {
        words.push_str(&format!(" --{name} {value}"));
    }
    words
}

/// Returns whether the address of a packet to a real server is replaced. The kernel finds out by
/// itself what is local; then only another port needs it.
pub fn is_translated(service: &ServiceId, server: &Destination) -> bool {
    match (server.forward, service) {
        (ForwardMethod::Masquerade, _) => true,
        (ForwardMethod::Local, ServiceId::Address { port, .. }) => *port != server.id.port,
        _ => false,
    }
}

/// The options of a real server.
pub fn server_words(service: &ServiceId, server: &Destination) -> String {
    let method = match server.forward {
        ForwardMethod::Tunnel => "-i",
        _ if is_translated(service, server) => "-m",
        _ => "-g",
    };
    let mut words = format!("{method} -w {}", server.weight);
    if server.upper_threshold != 0 {
        words.push_str(&format!(" -x {}", server.upper_threshold));
    }
    if server.lower_threshold != 0 {
        words.push_str(&format!(" -y {}", server.lower_threshold));
    }
    if server.forward == ForwardMethod::Tunnel {
        words.push_str(&tunnel_words(server));
    }
    words
}

fn tunnel_words(server: &Destination) -> String {
    let checksum = if server.tunnel.flags.contains(TunnelFlags::CHECKSUM) {
        "--tun-csum"
    } else if server.tunnel.flags.contains(TunnelFlags::REMOTE_CHECKSUM) {
        "--tun-remcsum"
    } else {
        "--tun-nocsum"
    };
    match server.tunnel.kind {
        TunnelType::Gue => {
            format!(
                " --tun-type gue --tun-port {} {checksum}",
                server.tunnel.port
            )
        }
        TunnelType::Gre => format!(" --tun-type gre {checksum}"),
        TunnelType::Ipip => " --tun-type ipip".to_owned(),
        TunnelType::Other(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;
    use crate::model::Action;
    use crate::names::tests::Fixed;
    use crate::names::Numeric;
    use ipvs_netlink::{ripvs, Change, DestinationEntry, ServiceEntry, Stats, Tunnel};

    fn group(service: Service, servers: Vec<Destination>) -> Group {
        let entry = |destination| DestinationEntry {
            destination,
            active_connections: 0,
            inactive_connections: 0,
            persistent_connections: 0,
            drain: None,
            stats: Stats::default(),
        };
        Group {
            service: ServiceEntry {
                service,
                stats: Stats::default(),
            },
            servers: servers.into_iter().map(entry).collect(),
        }
    }

    fn tunnelled(address: &str, tunnel: Tunnel) -> Destination {
        Destination {
            forward: ForwardMethod::Tunnel,
            tunnel,
            ..Destination::new(address.parse().unwrap(), 80)
        }
    }

    fn groups() -> Vec<Group> {
        let web = ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 80);
        let nat = Destination {
            forward: ForwardMethod::Masquerade,
            weight: 3,
            upper_threshold: 10,
            lower_threshold: 5,
            ..Destination::new("198.51.100.1".parse().unwrap(), 8080)
        };
        let (gue, gre) = (TunnelType::Gue, TunnelType::Gre);
        let servers = vec![
            nat,
            Destination::new("198.51.100.2".parse().unwrap(), 80),
            tunnelled("198.51.100.3", Tunnel::default()),
            tunnelled(
                "198.51.100.4",
                Tunnel {
                    kind: gue,
                    port: 6080,
                    flags: TunnelFlags::CHECKSUM,
                },
            ),
            tunnelled(
                "198.51.100.5",
                Tunnel {
                    kind: gue,
                    port: 6080,
                    flags: TunnelFlags::REMOTE_CHECKSUM,
                },
            ),
            tunnelled(
                "198.51.100.9",
                Tunnel {
                    kind: gre,
                    ..Tunnel::default()
                },
            ),
        ];
        let sip = ServiceId::address(Protocol::Udp, "2001:db8::9".parse().unwrap(), 5060);
        let sip = Service {
            persistence_engine: Some("sip".to_owned()),
            flags: ServiceFlags(0x1 | 0x4 | 0x10),
            timeout: 60,
            netmask: Netmask::V6(64),
            ..Service::new(sip, "sh")
        };
        let mark = ServiceId::fwmark(AddressFamily::Inet6, 0xffff_fff9);
        let sctp = ServiceId::address(Protocol::Sctp, "192.0.2.1".parse().unwrap(), 36412);
        vec![
            group(Service::new(web, "rr"), servers),
            group(sip, vec![]),
            group(
                Service {
                    flags: ServiceFlags::PERSISTENT,
                    timeout: 300,
                    ..Service::new(mark, "wlc")
                },
                vec![Destination::new("2001:db8::5".parse().unwrap(), 0)],
            ),
            group(Service::new(sctp, "none"), vec![]),
        ]
    }

    #[test]
    fn numbers() {
        assert_eq!(
            save(&groups(), &Numeric),
            "\
-A -t 192.0.2.1:80 -s rr
-a -t 192.0.2.1:80 -r 198.51.100.1:8080 -m -w 3 -x 10 -y 5
-a -t 192.0.2.1:80 -r 198.51.100.2:80 -g -w 1
-a -t 192.0.2.1:80 -r 198.51.100.3:80 -i -w 1 --tun-type ipip
-a -t 192.0.2.1:80 -r 198.51.100.4:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
-a -t 192.0.2.1:80 -r 198.51.100.5:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 192.0.2.1:80 -r 198.51.100.9:80 -i -w 1 --tun-type gre --tun-nocsum
-A -u [2001:db8::9]:5060 -s sh -p 60 -M 64 --pe sip -o -b sh-port
-A -f 4294967289 -6 -s wlc -p 300
-a -f 4294967289 -6 -r [2001:db8::5]:0 -g -w 1
-A --sctp-service 192.0.2.1:36412 -s none
"
        );
    }

    #[test]
    fn options_in_place_of_the_namespaces() {
        let mut groups = groups();
        let own = &mut groups[0].service.service.own;
        own.timeout_tcp = Some(1000);
        own.conntrack = Some(false);
        own.fast_path = Some(2);
        let text = save(&groups, &Numeric);
        let line = "-A -t 192.0.2.1:80 -s rr --timeout-tcp 1000 --conntrack 0 --fast-path 2";
        assert_eq!(text.lines().next(), Some(line));
        let words: Vec<_> = line.split(' ').map(Into::into).collect();
        let service = groups[0].service.service.clone();
        let read = cli::parse(&words, &Fixed).unwrap();
        assert_eq!(read, Action::Own(ripvs::Change::AddService(service)));
    }

    #[test]
    fn names() {
        let text = save(&groups(), &Fixed);
        assert!(
            text.starts_with("-A -t web.example.org:http -s rr\n"),
            "{text}"
        );
        let long = " -r a-real-server-with-quite-a-long-name.example.org:http -i ";
        assert!(text.contains(long), "{text}");
    }

    #[test]
    fn what_is_saved_is_what_is_read() {
        let text = save(&groups(), &Numeric);
        let actions: Vec<Action> = text
            .lines()
            .map(|line| {
                let words: Vec<_> = line.split(' ').map(Into::into).collect();
                cli::parse(&words, &Fixed).unwrap()
            })
            .collect();
        let mut expected = Vec::new();
        for group in groups() {
            let service = group.service.service;
            expected.push(Action::Change(Change::AddService(service.clone())));
            for server in group.servers {
                let add = Change::AddDestination(service.id.clone(), server.destination);
                expected.push(Action::Change(add));
            }
        }
        assert_eq!(actions, expected);
    }
}
