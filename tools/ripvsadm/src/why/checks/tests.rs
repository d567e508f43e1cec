// SPDX-License-Identifier: GPL-2.0

//! Each check, on a host that works, and on one that is broken in one respect.

use std::collections::BTreeMap;

use ipvs_netlink::{Destination, Service, ServiceEntry, Stats};

use super::*;

/// A host of a few files and routes.
#[derive(Clone, Default)]
struct Fake {
    files: BTreeMap<String, String>,
    routes: BTreeMap<IpAddr, Route>,
    rules: String,
}

impl Host for Fake {
    fn file(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }

    fn folder(&self, path: &str) -> Vec<String> {
        let names = self.files.keys().filter_map(|file| {
            let rest = file.strip_prefix(path)?.strip_prefix('/')?;
            Some(rest.split_once('/')?.0.to_owned())
        });
        let mut names: Vec<_> = names.collect();
        names.dedup();
        names
    }

    fn route(&mut self, address: IpAddr) -> Option<Route> {
        self.routes.get(&address).cloned()
    }

    fn rules(&self) -> String {
        self.rules.clone()
    }
}

const VIP: &str = "10.0.9.1";
const SERVER: &str = "10.0.2.11";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A director on which everything works.
fn good() -> Fake {
    let mut host = Fake::default();
    let conf = "/proc/sys/net/ipv4/conf";
    for (path, text) in [
        (format!("{conf}/back/forwarding"), "1\n"),
        (format!("{conf}/back/rp_filter"), "1\n"),
        (format!("{conf}/all/rp_filter"), "0\n"),
        ("/proc/sys/net/ipv6/conf/all/forwarding".to_owned(), "1\n"),
        ("/proc/sys/net/ipv4/vs/conn_max".to_owned(), "100\n"),
        ("/proc/sys/net/ipv4/vs/drop_entry".to_owned(), "1\n"),
        ("/proc/sys/net/ipv4/vs/drop_packet".to_owned(), "0\n"),
        ("/proc/sys/net/ipv4/vs/secure_tcp".to_owned(), "0\n"),
        (
            "/proc/net/netstat".to_owned(),
            "TcpExt: A IPReversePathFilter B\nTcpExt: 1 0 2\nIpExt: C\nIpExt: 3\n",
        ),
        (
            "/proc/net/stat/nf_conntrack".to_owned(),
            "entries  searched found new invalid ignore\n0000 0 0 0 0000000f 1\n0 0 0 0 1 1\n",
        ),
    ] {
        host.files.insert(path, text.to_owned());
    }
    host.routes.insert(ip(VIP), Route::Local);
    host.routes
        .insert(ip(SERVER), Route::Device("back".to_owned()));
    host
}

fn group(forward: ForwardMethod, packets: (u64, u64)) -> Group {
    let stats = Stats {
        connections: 2,
        incoming_packets: packets.0,
        outgoing_packets: packets.1,
        ..Stats::default()
    };
    let id = ServiceId::address(Protocol::Tcp, ip(VIP), 80);
    let mut destination = Destination::new(ip(SERVER), 80);
    destination.forward = forward;
    Group {
        service: ServiceEntry {
            service: Service::new(id, "rr"),
            stats,
        },
        servers: vec![DestinationEntry {
            destination,
            active_connections: 1,
            inactive_connections: 1,
            persistent_connections: 0,
            drain: None,
            stats,
        }],
    }
}

fn names(host: &Fake, group: Group, connections: u64) -> Vec<&'static str> {
    let found = check(&mut host.clone(), &[group], Some(connections));
    found.iter().map(|finding| finding.name).collect()
}

const NAT: ForwardMethod = ForwardMethod::Masquerade;
const DR: ForwardMethod = ForwardMethod::DirectRoute;

#[test]
fn a_good_host_has_no_findings() {
    for forward in [NAT, DR, ForwardMethod::Tunnel] {
        let found = names(&good(), group(forward, (10, 9)), 99);
        assert!(found.is_empty(), "{found:?}");
    }
    // With DR no reply passes the director.
    assert!(names(&good(), group(DR, (10, 0)), 0).is_empty());
    // A connection that has just begun.
    assert!(names(&good(), group(NAT, (1, 0)), 0).is_empty());
    // A drop of invalid packets is no matter for NAT.
    let mut host = good();
    host.rules = "ct state invalid drop".to_owned();
    assert!(names(&host, group(NAT, (10, 9)), 0).is_empty());
    assert!(check(&mut host, &[], Some(1000)).is_empty());
}

#[test]
fn servers_that_take_nothing() {
    let mut empty = group(NAT, (5, 5));
    empty.servers.clear();
    assert_eq!(names(&good(), empty, 0), ["no-server"]);
    let mut quiesced = group(NAT, (5, 5));
    quiesced.servers[0].destination.weight = 0;
    assert_eq!(names(&good(), quiesced, 0), ["weight-zero"]);
    let mut full = group(NAT, (5, 5));
    full.servers[0].destination.upper_threshold = 2;
    assert_eq!(names(&good(), full.clone(), 0), ["overloaded"]);
    full.servers[0].destination.upper_threshold = 3;
    assert!(names(&good(), full, 0).is_empty());
}

#[test]
fn routes_and_addresses() {
    let mut host = good();
    host.routes.insert(ip(SERVER), Route::None);
    assert_eq!(names(&host, group(DR, (5, 0)), 0), ["no-route"]);
    let mut host = good();
    host.routes
        .insert(ip(VIP), Route::Device("eth0".to_owned()));
    assert_eq!(names(&host, group(DR, (0, 0)), 0), ["vip-not-local"]);
    // They come by a rule of routing.
    assert!(names(&host, group(DR, (3, 0)), 0).is_empty());
    // It cannot be told.
    host.routes.clear();
    assert!(names(&host, group(NAT, (9, 0)), 0).is_empty());
}

#[test]
fn forwarding_and_replies() {
    let mut host = good();
    host.files.insert(
        "/proc/sys/net/ipv4/conf/back/forwarding".to_owned(),
        "0\n".to_owned(),
    );
    assert_eq!(names(&host, group(NAT, (5, 5)), 0), ["ip-forward"]);
    assert!(names(&host, group(DR, (5, 0)), 0).is_empty());
    // A local real server needs no forwarding.
    host.routes.insert(ip(SERVER), Route::Local);
    assert!(names(&host, group(NAT, (5, 0)), 0).is_empty());
    assert_eq!(names(&good(), group(NAT, (5, 0)), 0), ["no-reply"]);
    let mut datagrams = group(NAT, (5, 0));
    datagrams.service.service.id = ServiceId::address(Protocol::Udp, ip(VIP), 514);
    assert!(names(&good(), datagrams, 0).is_empty());
}

#[test]
fn limits_and_defenses() {
    assert_eq!(names(&good(), group(DR, (5, 0)), 100), ["conn-limit"]);
    for (name, value) in [
        ("drop_entry", "2"),
        ("drop_packet", "3"),
        ("secure_tcp", "2"),
    ] {
        let mut host = good();
        let path = format!("/proc/sys/net/ipv4/vs/{name}");
        host.files.insert(path, value.to_owned());
        let found = check(&mut host, &[group(DR, (5, 0))], Some(0));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "defense-active");
        assert!(found[0].text.contains(name), "{}", found[0].text);
    }
}

#[test]
fn filters_before_ipvs() {
    let mut host = good();
    let text = "TcpExt: A IPReversePathFilter\nTcpExt: 1 17\n";
    host.files
        .insert("/proc/net/netstat".to_owned(), text.to_owned());
    let found = check(&mut host, &[group(DR, (0, 0))], None);
    assert_eq!((found.len(), found[0].name), (1, "rp-filter"));
    assert!(found[0].text.contains("17") && found[0].text.contains("back"));
    // The counter is of a time when there was a filter.
    let path = "/proc/sys/net/ipv4/conf/back/rp_filter";
    host.files.insert(path.to_owned(), "0\n".to_owned());
    assert!(check(&mut host, &[group(DR, (0, 0))], None).is_empty());

    for rule in [
        "\t\tct state invalid counter drop",
        "ct state { invalid, untracked } reject",
        "-A INPUT -m conntrack --ctstate INVALID -j DROP",
        "-A INPUT -m state --state INVALID -j REJECT --reject-with icmp-port-unreachable",
    ] {
        let mut host = good();
        host.rules = format!("table inet filter {{\n{rule}\n}}\n");
        assert_eq!(names(&host, group(DR, (9, 0)), 0), ["conntrack-invalid"]);
    }
    for rule in [
        "ct state invalid accept",
        "tcp dport 25 drop",
        "--ctstate NEW -j DROP",
    ] {
        let mut host = good();
        host.rules = rule.to_owned();
        assert!(names(&host, group(DR, (9, 0)), 0).is_empty(), "{rule}");
    }
}
