// SPDX-License-Identifier: GPL-2.0

//! The check list: what no counter of IPVS shows, from the configuration of the host and from its
//! own counters.
//!
//! A check must say nothing about a set-up that works.

use std::net::IpAddr;

use ipvs_netlink::{DestinationEntry, ForwardMethod, Protocol, ServiceId};

use super::host::{Host, Route};
use crate::model::Group;

/// Certainty of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The configuration cannot work as it is.
    Problem,
    /// Something seen points to the cause.
    Suspect,
}

impl Level {
    /// Returns the level in a word.
    pub fn name(self) -> &'static str {
        match self {
            Level::Problem => "problem",
            Level::Suspect => "suspect",
        }
    }
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The name of the check.
    pub name: &'static str,
    /// Its certainty.
    pub level: Level,
    /// The service that it is about, if it is about one.
    pub service: Option<ServiceId>,
    /// The finding, a sentence.
    pub text: String,
    /// The remedy.
    pub advice: &'static str,
}

impl Finding {
    fn new(name: &'static str, level: Level, text: String, advice: &'static str) -> Self {
        Finding {
            name,
            level,
            service: None,
            text,
            advice,
        }
    }

    fn of(self, group: &Group) -> Self {
        Finding {
            service: Some(group.service.service.id.clone()),
            ..self
        }
    }
}

/// Checks all that can be checked. `connections` is the number of connections, if it is known.
pub fn check(host: &mut dyn Host, groups: &[Group], connections: Option<u64>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for group in groups {
        findings.extend(servers(group).map(|finding| finding.of(group)));
        findings.extend(virtual_address(host, group).map(|finding| finding.of(group)));
        findings.extend(routes(host, group).map(|finding| finding.of(group)));
        findings.extend(forwarding(host, group).map(|finding| finding.of(group)));
        findings.extend(replies(host, group).map(|finding| finding.of(group)));
    }
    if !groups.is_empty() {
        findings.extend(limit(host, connections));
        findings.extend(defenses(host));
        findings.extend(reverse_path(host));
        findings.extend(invalid(host, groups));
    }
    findings.sort_by_key(|finding| finding.level);
    findings
}

/// A number in a file of /proc/sys.
fn number(host: &dyn Host, path: &str) -> Option<u64> {
    host.file(path)?.trim().parse().ok()
}

fn setting(host: &dyn Host, name: &str) -> Option<u64> {
    number(host, &format!("/proc/sys/net/ipv4/vs/{name}"))
}

/// No destination, or none that takes a connection.
fn servers(group: &Group) -> Option<Finding> {
    let problem = |name, text: &str, advice| {
        let finding = Finding::new(name, Level::Problem, text.to_owned(), advice);
        Some(finding)
    };
    let takers: Vec<_> = group
        .servers
        .iter()
        .filter(|server| server.destination.weight > 0)
        .collect();
    if group.servers.is_empty() {
        return problem(
            "no-server",
            "The service has no real servers.",
            super::advice::of("no-server"),
        );
    }
    if takers.is_empty() {
        return problem(
            "weight-zero",
            "All real servers have weight 0, and take no new connections.",
            super::advice::of("weight-zero"),
        );
    }
    let is_full = |server: &&DestinationEntry| {
        let upper = u64::from(server.destination.upper_threshold);
        let all = u64::from(server.active_connections) + u64::from(server.inactive_connections);
        upper != 0 && all >= upper
    };
    match takers.iter().all(is_full) {
        true => problem(
            "overloaded",
            "All real servers have as many connections as their upper threshold.",
            super::advice::of("overloaded"),
        ),
        false => None,
    }
}

/// The virtual address is not this host's, and nothing came in by other means (marks and rules of
/// routing).
fn virtual_address(host: &mut dyn Host, group: &Group) -> Option<Finding> {
    let ServiceId::Address { address, .. } = group.service.service.id else {
        return None;
    };
    let is_ours = host.route(address)? == Route::Local;
    if is_ours || address.is_unspecified() || group.service.stats.incoming_packets != 0 {
        return None;
    }
    Some(Finding::new(
        "vip-not-local",
        Level::Suspect,
        format!("The virtual address {address} is none of this host's, and no packet came."),
        "Add it to this host: ip address add ADDRESS/32 dev lo. Packets to other addresses are \
         forwarded, and IPVS does not see them. If this director stands by for another one, all is \
         well.",
    ))
}

/// No route to a destination.
fn routes(host: &mut dyn Host, group: &Group) -> Option<Finding> {
    let lost = addresses(group).find(|address| host.route(*address) == Some(Route::None))?;
    Some(Finding::new(
        "no-route",
        Level::Problem,
        format!("There is no route to the real server {lost}."),
        super::advice::of("no-route"),
    ))
}

/// The addresses of the destinations.
fn addresses(group: &Group) -> impl Iterator<Item = IpAddr> + '_ {
    let servers = group.servers.iter();
    servers.map(|server| server.destination.id.address)
}

/// The destinations by NAT.
fn masqueraded(group: &Group) -> impl Iterator<Item = &DestinationEntry> {
    let is_nat =
        |server: &&DestinationEntry| server.destination.forward == ForwardMethod::Masquerade;
    group.servers.iter().filter(is_nat)
}

/// NAT without forwarding: replies are not forwarded.
fn forwarding(host: &mut dyn Host, group: &Group) -> Option<Finding> {
    for server in masqueraded(group) {
        let address = server.destination.id.address;
        let Some(Route::Device(device)) = host.route(address) else {
            continue;
        };
        let is_off = |path: String| number(host, &path) == Some(0);
        let (is_off, name) = match address {
            IpAddr::V4(_) => {
                let path = format!("/proc/sys/net/ipv4/conf/{device}/forwarding");
                (is_off(path), "net.ipv4.ip_forward")
            }
            IpAddr::V6(_) => {
                let path = |scope: &str| format!("/proc/sys/net/ipv6/conf/{scope}");
                let is_forced = number(host, &path(&format!("{device}/force_forwarding")));
                let is_off = is_off(path("all/forwarding")) && is_forced.unwrap_or(0) == 0;
                (is_off, "net.ipv6.conf.all.forwarding")
            }
        };
        if is_off {
            return Some(Finding::new(
                "ip-forward",
                Level::Problem,
                format!(
                    "The real server {address} is reached by NAT, and packets from {device} are \
                     not forwarded ({name})."
                ),
                "Set it to 1: with NAT replies pass this host as forwarded packets.",
            ));
        }
    }
    None
}

/// Packets that a destination must have answered.
const UNANSWERED: u64 = 3;

/// NAT to destinations whose replies do not come back this way.
fn replies(host: &mut dyn Host, group: &Group) -> Option<Finding> {
    // A datagram may need no answer.
    if let ServiceId::Address { protocol, .. } = group.service.service.id {
        if protocol == Protocol::Udp {
            return None;
        }
    } else {
        return None;
    }
    let is_silent = |server: &&DestinationEntry| {
        let stats = &server.stats;
        stats.incoming_packets >= UNANSWERED && stats.outgoing_packets == 0
    };
    let silent = masqueraded(group).find(is_silent)?;
    let address = silent.destination.id.address;
    if !matches!(host.route(address)?, Route::Device(_)) {
        return None;
    }
    Some(Finding::new(
        "no-reply",
        Level::Suspect,
        format!(
            "{} packets went to the real server {address} by NAT, and no reply came back by way \
             of this host.",
            silent.stats.incoming_packets
        ),
        "With NAT the real server's route to clients must lead through this host: make it its \
         default gateway. If clients and servers share a network, use -g or masquerade the \
         clients. Or the real server is down.",
    ))
}

/// The table is full.
fn limit(host: &dyn Host, connections: Option<u64>) -> Option<Finding> {
    let limit = setting(host, "conn_max").filter(|limit| *limit != 0)?;
    let connections = connections.filter(|number| *number >= limit)?;
    Some(Finding::new(
        "conn-limit",
        Level::Problem,
        format!("There are {connections} connections, and net.ipv4.vs.conn_max is {limit}."),
        super::advice::of("conn-limit"),
    ))
}

/// Defenses that are active.
fn defenses(host: &dyn Host) -> Vec<Finding> {
    let active = |name: &&str| matches!(setting(host, name), Some(2 | 3));
    let names = ["drop_entry", "drop_packet", "secure_tcp"];
    let active = names.into_iter().filter(active);
    active
        .map(|name| {
            let value = setting(host, name).unwrap_or(0);
            let why = match value {
                2 => "memory is below amemthresh",
                _ => "always",
            };
            Finding::new(
                "defense-active",
                Level::Problem,
                format!("The defense net.ipv4.vs.{name} is active: {why} (its value is {value})."),
                match name {
                    "drop_entry" => "It ends connections. Add memory, or set it to 0 or 1.",
                    "drop_packet" => "It drops new connections. Add memory, or set it to 0 or 1.",
                    _ => {
                        "It shortens timeouts and wants handshakes to be complete. Add memory, or \
                         set it to 0 or 1."
                    }
                },
            )
        })
        .collect()
}

/// Packets that were dropped for their source, before IPVS.
fn reverse_path(host: &dyn Host) -> Option<Finding> {
    let conf = "/proc/sys/net/ipv4/conf";
    let filters = host.folder(conf).into_iter();
    let filtered: Vec<_> = filters
        .filter(|device| number(host, &format!("{conf}/{device}/rp_filter")).unwrap_or(0) != 0)
        .collect();
    let text = host.file("/proc/net/netstat")?;
    let dropped = column(&text, "TcpExt:", "IPReversePathFilter").filter(|n| *n != 0)?;
    if filtered.is_empty() {
        return None;
    }
    Some(Finding::new(
        "rp-filter",
        Level::Suspect,
        format!(
            "{dropped} packets were dropped before IPVS, as the route to their source is by \
             another interface (rp_filter of {}).",
            filtered.join(", ")
        ),
        "Set rp_filter to 2 (loose) or 0 on the interface by which clients come, and in \"all\".",
    ))
}

/// Returns a counter of a file with a line of names and one of numbers.
fn column(text: &str, label: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with(label));
    let names = lines.next()?.split_ascii_whitespace();
    let numbers = lines.next()?.split_ascii_whitespace();
    let mut pairs = names.zip(numbers);
    pairs.find(|(known, _)| *known == name)?.1.parse().ok()
}

/// Packets that conntrack takes for invalid, as it sees one direction only, and a rule that drops
/// them.
fn invalid(host: &dyn Host, groups: &[Group]) -> Option<Finding> {
    let is_one_way = |server: &DestinationEntry| {
        matches!(
            server.destination.forward,
            ForwardMethod::DirectRoute | ForwardMethod::Tunnel
        )
    };
    let mut servers = groups.iter().flat_map(|group| &group.servers);
    if !servers.any(is_one_way) {
        return None;
    }
    let text = host.file("/proc/net/stat/nf_conntrack")?;
    let count = invalid_packets(&text).filter(|count| *count != 0)?;
    let rules = host.rules();
    let rule = rules.lines().find(|rule| drops_invalid(rule))?;
    Some(Finding::new(
        "conntrack-invalid",
        Level::Suspect,
        format!(
            "Conntrack took {count} packets for invalid, and a rule drops such: {}.",
            rule.trim()
        ),
        "With direct routing and tunnels conntrack sees one direction only. Exclude the virtual \
         addresses from tracking (notrack), or set nf_conntrack_tcp_be_liberal and \
         nf_conntrack_tcp_loose to 1.",
    ))
}

/// Returns the sum of a column over the lines, one for each CPU, in hexadecimal.
fn invalid_packets(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    let mut names = lines.next()?.split_ascii_whitespace();
    let place = names.position(|name| name == "invalid")?;
    let numbers = lines.filter_map(|line| line.split_ascii_whitespace().nth(place));
    Some(
        numbers
            .filter_map(|text| u64::from_str_radix(text, 16).ok())
            .sum(),
    )
}

/// Returns whether a rule of nftables or iptables drops invalid packets.
fn drops_invalid(rule: &str) -> bool {
    let has = |word: &str| rule.contains(word);
    has("ct state") && has("invalid") && (has("drop") || has("reject"))
        || has("INVALID") && (has("-j DROP") || has("-j REJECT"))
}

#[cfg(test)]
mod tests;
