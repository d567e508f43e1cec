// SPDX-License-Identifier: GPL-2.0

//! The families of metrics: names, help texts, and the values that they have.
//!
//! Names and labels are those of node_exporter's collector `ipvs` with another prefix, as far as
//! it has them; `family` is a further label, by which marks of IPv4 and IPv6 differ.

use ipvs_netlink::ripvs::Reason;
use ipvs_netlink::{
    AddressFamily, Daemon, DaemonState, DestinationEntry, ForwardMethod, Netmask, Service,
    ServiceEntry, ServiceFlags, ServiceId, Stats, TunnelType,
};

use super::collect::{Snapshot, Totals};
use super::exposition::{Exposition, Family, Format, Labels, Samples};
use crate::model::Group;
use crate::view::{flag_names, forward_name};

/// Counts of a listener over its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrapes {
    pub done: u64,
    pub failed: u64,
}

/// A family with the value that it has of something.
type Of<T> = (Family, fn(&T) -> u64);
/// A family of which not everything has a value.
type OfSome<T> = (Family, fn(&T) -> Option<u64>);

const UP: Family = Family::gauge("ripvs_up", "1 if the table of IPVS could be read.");
const KERNEL: Family = Family::info(
    "ripvs_kernel",
    "The version of IPVS in the kernel and the name of its module.",
);

const TOTALS: &[Of<Totals>] = &[
    (
        Family::counter(
            "ripvs_connections",
            "The total number of connections made; zeroing the counters starts it again.",
        ),
        |totals| totals.connections,
    ),
    (
        Family::counter(
            "ripvs_incoming_packets",
            "The total number of incoming packets; zeroing the counters starts it again.",
        ),
        |totals| totals.incoming_packets,
    ),
    (
        Family::counter(
            "ripvs_outgoing_packets",
            "The total number of outgoing packets; zeroing the counters starts it again.",
        ),
        |totals| totals.outgoing_packets,
    ),
    (
        Family::counter(
            "ripvs_incoming_bytes",
            "The total amount of incoming data; zeroing the counters starts it again.",
        )
        .in_unit("bytes"),
        |totals| totals.incoming_bytes,
    ),
    (
        Family::counter(
            "ripvs_outgoing_bytes",
            "The total amount of outgoing data; zeroing the counters starts it again.",
        )
        .in_unit("bytes"),
        |totals| totals.outgoing_bytes,
    ),
];

const CONNECTION_TABLE_BUCKETS: Family = Family::gauge(
    "ripvs_connection_table_buckets",
    "The number of buckets of the connection table.",
);
const CONNECTION_TABLE_ENTRIES: Family = Family::gauge(
    "ripvs_connection_table_entries",
    "The current number of connections and persistence templates in the connection table.",
);
const REASONS: Family = Family::counter(
    "ripvs_reasons",
    "The number of packets that were dropped, refused or left untouched, by reason; zeroing the \
     reasons starts it again.",
);
const TIMEOUT: Family = Family::gauge(
    "ripvs_timeout_seconds",
    "The timeout of connections by protocol and state.",
)
.in_unit("seconds");
const DAEMON_RUNNING: Family = Family::gauge(
    "ripvs_sync_daemon_running",
    "1 if the synchronisation daemon of this role runs.",
);
const DAEMON: Family = Family::info(
    "ripvs_sync_daemon",
    "The configuration of a synchronisation daemon that runs.",
);
const SERVICES: Family = Family::gauge("ripvs_services", "The current number of services.");

const SERVICE: Family = Family::info(
    "ripvs_service",
    "The scheduler and the options of a service.",
);
const SERVICE_BACKENDS: Family = Family::gauge(
    "ripvs_service_backends",
    "The current number of backends of a service, those of weight 0 included.",
);
const SERVICE_PERSISTENCE: Family = Family::gauge(
    "ripvs_service_persistence_seconds",
    "The time for which a persistent service keeps clients with their backend.",
)
.in_unit("seconds");
const SERVICE_COUNTERS: &[Of<Stats>] = &[
    (
        Family::counter(
            "ripvs_service_connections",
            "The number of connections made to a service; zeroing its counters starts it again.",
        ),
        |stats| stats.connections,
    ),
    (
        Family::counter(
            "ripvs_service_incoming_packets",
            "The number of packets from a service's clients; zeroing its counters starts it again.",
        ),
        |stats| stats.incoming_packets,
    ),
    (
        Family::counter(
            "ripvs_service_outgoing_packets",
            "The number of packets to a service's clients that passed the director; zeroing its \
             counters starts it again.",
        ),
        |stats| stats.outgoing_packets,
    ),
    (
        Family::counter(
            "ripvs_service_incoming_bytes",
            "The amount of data from a service's clients; zeroing its counters starts it again.",
        )
        .in_unit("bytes"),
        |stats| stats.incoming_bytes,
    ),
    (
        Family::counter(
            "ripvs_service_outgoing_bytes",
            "The amount of data to a service's clients that passed the director; zeroing its \
             counters starts it again.",
        )
        .in_unit("bytes"),
        |stats| stats.outgoing_bytes,
    ),
];

const BACKEND: Family = Family::info(
    "ripvs_backend",
    "The forwarding method of a backend and the type of its tunnel.",
);
const BACKEND_GAUGES: &[OfSome<DestinationEntry>] = &[
    (
        Family::gauge(
            "ripvs_backend_connections_active",
            "The current active connections by local and remote address.",
        ),
        |entry| Some(entry.active_connections.into()),
    ),
    (
        Family::gauge(
            "ripvs_backend_connections_inactive",
            "The current inactive connections by local and remote address.",
        ),
        |entry| Some(entry.inactive_connections.into()),
    ),
    (
        Family::gauge(
            "ripvs_backend_connections_persistent",
            "The current persistence templates by local and remote address.",
        ),
        |entry| Some(entry.persistent_connections.into()),
    ),
    (
        Family::gauge(
            "ripvs_backend_weight",
            "The current backend weight by local and remote address.",
        ),
        |entry| Some(entry.destination.weight.into()),
    ),
    (
        Family::gauge(
            "ripvs_backend_upper_threshold",
            "The number of connections from which on a backend gets no new ones, if it has such.",
        ),
        |entry| nonzero(entry.destination.upper_threshold),
    ),
    (
        Family::gauge(
            "ripvs_backend_lower_threshold",
            "The number of connections below which a backend gets new ones again, if it has such.",
        ),
        |entry| nonzero(entry.destination.lower_threshold),
    ),
    (
        Family::gauge(
            "ripvs_backend_threshold_reached",
            "1 if a backend with an upper threshold has so many active and inactive connections, \
             or more. It then gets no new ones until they are below the lower threshold.",
        ),
        reached,
    ),
];
const BACKEND_COUNTERS: &[Of<Stats>] = &[
    (
        Family::counter(
            "ripvs_backend_connections",
            "The number of connections given to a backend; zeroing its counters starts it again.",
        ),
        |stats| stats.connections,
    ),
    (
        Family::counter(
            "ripvs_backend_incoming_packets",
            "The number of packets to a backend; zeroing its counters starts it again.",
        ),
        |stats| stats.incoming_packets,
    ),
    (
        Family::counter(
            "ripvs_backend_outgoing_packets",
            "The number of packets from a backend that passed the director; zeroing its counters \
             starts it again.",
        ),
        |stats| stats.outgoing_packets,
    ),
    (
        Family::counter(
            "ripvs_backend_incoming_bytes",
            "The amount of data to a backend; zeroing its counters starts it again.",
        )
        .in_unit("bytes"),
        |stats| stats.incoming_bytes,
    ),
    (
        Family::counter(
            "ripvs_backend_outgoing_bytes",
            "The amount of data from a backend that passed the director; zeroing its counters \
             starts it again.",
        )
        .in_unit("bytes"),
        |stats| stats.outgoing_bytes,
    ),
];

const EXPORTER: Family = Family::info("ripvs_exporter", "The version of ripvsadm.");
const SCRAPES: Family = Family::counter(
    "ripvs_exporter_scrapes",
    "The number of scrapes since the listener began.",
);
const SCRAPE_ERRORS: Family = Family::counter(
    "ripvs_exporter_scrape_errors",
    "The number of scrapes since the listener began of which a part failed.",
);
const SCRAPE_DURATION: Family = Family::gauge(
    "ripvs_exporter_scrape_duration_seconds",
    "The time from the beginning of the scrape to the writing of this line.",
)
.in_unit("seconds");
const COLLECTOR_SUCCESS: Family = Family::gauge(
    "ripvs_scrape_collector_success",
    "1 if this part of the scrape succeeded.",
);
const COLLECTOR_DURATION: Family = Family::gauge(
    "ripvs_scrape_collector_duration_seconds",
    "The time that reading this part from the kernel took.",
)
.in_unit("seconds");

fn nonzero(value: u32) -> Option<u64> {
    Some(value).filter(|value| *value != 0).map(u64::from)
}

/// IPVS adds both kinds of connections.
fn reached(entry: &DestinationEntry) -> Option<u64> {
    let upper = nonzero(entry.destination.upper_threshold)?;
    let connections = u64::from(entry.active_connections) + u64::from(entry.inactive_connections);
    Some((connections >= upper).into())
}

/// Writes all metrics of a pass; without those of each backend unless `backends`.
pub fn render(
    snapshot: &Snapshot,
    format: Format,
    backends: bool,
    scrapes: Option<Scrapes>,
) -> String {
    let mut text = Exposition::new(format);
    text.family(&UP, |samples| samples.add("", snapshot.is_up().into()));
    of_kernel(snapshot, &mut text);
    if let Some(table) = &snapshot.table {
        of_services(table, &mut text);
        if backends {
            of_backends(table, &mut text);
        }
    }
    of_exporter(snapshot, scrapes, &mut text);
    text.finish()
}

fn of_kernel(snapshot: &Snapshot, text: &mut Exposition) {
    if let Some(info) = &snapshot.info {
        let (major, minor, patch) = info.version_parts();
        let labels = Labels::default()
            .with("module", snapshot.module.unwrap_or_default())
            .with_plain("version", format_args!("{major}.{minor}.{patch}"));
        text.family(&KERNEL, |samples| samples.add(labels.as_str(), 1));
    }
    if let Some(totals) = &snapshot.totals {
        for (family, value) in TOTALS {
            text.family(family, |samples| samples.add("", value(totals)));
        }
    }
    if let Some(info) = &snapshot.info {
        text.family(&CONNECTION_TABLE_BUCKETS, |samples| {
            samples.add("", info.connection_table_size.into());
        });
    }
    if let Some(connections) = snapshot.connections {
        text.family(&CONNECTION_TABLE_ENTRIES, |samples| {
            samples.add("", connections)
        });
    }
    if let Some(counts) = &snapshot.reasons {
        text.family(&REASONS, |samples| {
            // A rate needs the value before the first one that is counted.
            for reason in Reason::all() {
                let count = counts.iter().find(|count| count.number == reason.number);
                let labels = Labels::default()
                    .with("reason", reason.name)
                    .with("verdict", reason.verdict.name());
                samples.add(labels.as_str(), count.map_or(0, |count| count.count));
            }
        });
    }
    if let Some(timeouts) = snapshot.timeouts {
        text.family(&TIMEOUT, |samples| {
            for (proto, state, seconds) in [
                ("TCP", "established", timeouts.tcp),
                ("TCP", "fin", timeouts.tcp_fin),
                ("UDP", "", timeouts.udp),
            ] {
                let labels = Labels::default().with("proto", proto).with("state", state);
                samples.add(labels.as_str(), seconds.into());
            }
        });
    }
    if let Some(daemons) = &snapshot.daemons {
        of_daemons(daemons, text);
    }
}

fn of_daemons(daemons: &[Daemon], text: &mut Exposition) {
    const ROLES: [(DaemonState, &str); 2] = [
        (DaemonState::Master, "master"),
        (DaemonState::Backup, "backup"),
    ];
    let running = |state| daemons.iter().find(move |daemon| daemon.state == state);
    text.family(&DAEMON_RUNNING, |samples| {
        for (state, role) in ROLES {
            let labels = Labels::default().with("role", role);
            samples.add(labels.as_str(), running(state).is_some().into());
        }
    });
    text.family(&DAEMON, |samples| {
        for (state, role) in ROLES {
            let Some(daemon) = running(state) else {
                continue;
            };
            let mut labels = Labels::default();
            if let Some(group) = daemon.group {
                labels = labels.with_plain("group", group);
            }
            labels = labels.with("interface", &daemon.interface);
            if let Some(port) = daemon.port {
                labels = labels.with_plain("port", port);
            }
            labels = labels
                .with("role", role)
                .with_plain("sync_id", daemon.sync_id);
            samples.add(labels.as_str(), 1);
        }
    });
}

fn of_services(table: &[Group], text: &mut Exposition) {
    text.family(&SERVICES, |samples| samples.add("", table.len() as u64));
    let labelled: Vec<(Labels, &Group)> = table
        .iter()
        .map(|group| (service_labels(&group.service.service.id), group))
        .collect();
    text.family(&SERVICE, |samples| {
        for (labels, group) in &labelled {
            let labels = service_info(labels.clone(), &group.service.service);
            samples.add(labels.as_str(), 1);
        }
    });
    let mut each = |family: &Family, value: &dyn Fn(&Group) -> Option<u64>| {
        text.family(family, |samples| {
            for (labels, group) in &labelled {
                add_some(samples, labels, value(group));
            }
        });
    };
    each(&SERVICE_BACKENDS, &|group| Some(group.servers.len() as u64));
    each(&SERVICE_PERSISTENCE, &|group| {
        let ServiceEntry { service, .. } = &group.service;
        let persistent = service.flags.contains(ServiceFlags::PERSISTENT);
        persistent.then_some(service.timeout.into())
    });
    for (family, value) in SERVICE_COUNTERS {
        each(family, &|group| Some(value(&group.service.stats)));
    }
}

fn of_backends(table: &[Group], text: &mut Exposition) {
    let mut labelled: Vec<(Labels, &DestinationEntry)> = Vec::new();
    for group in table {
        let service = service_labels(&group.service.service.id);
        labelled.extend(group.servers.iter().map(|entry| {
            let id = &entry.destination.id;
            let labels = service
                .clone()
                .with_plain("remote_address", id.address)
                .with_plain("remote_port", id.port);
            (labels, entry)
        }));
    }
    text.family(&BACKEND, |samples| {
        for (labels, entry) in &labelled {
            samples.add(backend_info(labels.clone(), entry).as_str(), 1);
        }
    });
    for (family, value) in BACKEND_GAUGES {
        text.family(family, |samples| {
            for (labels, entry) in &labelled {
                add_some(samples, labels, value(entry));
            }
        });
    }
    for (family, value) in BACKEND_COUNTERS {
        text.family(family, |samples| {
            for (labels, entry) in &labelled {
                samples.add(labels.as_str(), value(&entry.stats));
            }
        });
    }
}

fn of_exporter(snapshot: &Snapshot, scrapes: Option<Scrapes>, text: &mut Exposition) {
    text.family(&EXPORTER, |samples| {
        let labels = Labels::default().with("version", env!("CARGO_PKG_VERSION"));
        samples.add(labels.as_str(), 1);
    });
    if let Some(Scrapes { done, failed }) = scrapes {
        text.family(&SCRAPES, |samples| samples.add("", done));
        text.family(&SCRAPE_ERRORS, |samples| samples.add("", failed));
    }
    let labelled = || {
        let label = |name| Labels::default().with("collector", name);
        snapshot
            .parts
            .iter()
            .map(move |part| (label(part.name), part))
    };
    text.family(&COLLECTOR_SUCCESS, |samples| {
        for (labels, part) in labelled() {
            samples.add(labels.as_str(), part.error.is_none().into());
        }
    });
    text.family(&COLLECTOR_DURATION, |samples| {
        for (labels, part) in labelled() {
            samples.add_seconds(labels.as_str(), part.took);
        }
    });
    text.family(&SCRAPE_DURATION, |samples| {
        samples.add_seconds("", snapshot.began.elapsed());
    });
}

fn add_some(samples: &mut Samples<'_>, labels: &Labels, value: Option<u64>) {
    if let Some(value) = value {
        samples.add(labels.as_str(), value);
    }
}

/// The labels of a service: a mark has no address, and is written as in /proc/net/ip_vs.
fn service_labels(id: &ServiceId) -> Labels {
    let family = match id.family() {
        AddressFamily::Inet => "ipv4",
        AddressFamily::Inet6 => "ipv6",
    };
    let labels = Labels::default().with_plain("family", family);
    match id {
        ServiceId::Address {
            protocol,
            address,
            port,
        } => labels
            .with_plain("local_address", address)
            .with_plain("local_mark", "")
            .with_plain("local_port", port)
            .with_plain("proto", protocol),
        ServiceId::Fwmark { mark, .. } => labels
            .with_plain("local_address", "")
            .with_plain("local_mark", format_args!("{mark:08X}"))
            .with_plain("local_port", 0)
            .with_plain("proto", "FWM"),
    }
}

/// Adds the labels of the options of a service.
fn service_info(labels: Labels, service: &Service) -> Labels {
    let yes_or_no = |flag| {
        if service.flags.contains(flag) {
            "1"
        } else {
            "0"
        }
    };
    let labels = labels
        .with_plain("one_packet", yes_or_no(ServiceFlags::ONE_PACKET))
        .with(
            "persistence_engine",
            service.persistence_engine.as_deref().unwrap_or_default(),
        );
    let persistent = service.flags.contains(ServiceFlags::PERSISTENT);
    let labels = match service.netmask {
        _ if !persistent => labels.with_plain("persistence_netmask", ""),
        Netmask::V4(mask) => labels.with_plain("persistence_netmask", mask),
        Netmask::V6(length) => labels.with_plain("persistence_netmask", length),
    };
    labels
        .with_plain("persistent", yes_or_no(ServiceFlags::PERSISTENT))
        .with("scheduler", &service.scheduler)
        .with(
            "scheduler_flags",
            &flag_names(service.flags, &service.scheduler),
        )
}

/// Adds the labels of how a backend is reached.
fn backend_info(labels: Labels, entry: &DestinationEntry) -> Labels {
    let destination = &entry.destination;
    let labels = labels.with_plain("forward", forward_name(destination.forward));
    match (destination.forward, destination.tunnel.kind) {
        (ForwardMethod::Tunnel, TunnelType::Ipip) => labels.with_plain("tunnel", "ipip"),
        (ForwardMethod::Tunnel, TunnelType::Gue) => labels.with_plain("tunnel", "gue"),
        (ForwardMethod::Tunnel, TunnelType::Gre) => labels.with_plain("tunnel", "gre"),
        (ForwardMethod::Tunnel, TunnelType::Other(number)) => labels.with_plain("tunnel", number),
        _ => labels.with_plain("tunnel", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs_netlink::ripvs::ReasonCount;
    use std::collections::HashSet;

    use ipvs_netlink::{Info, Timeouts};

    use crate::metrics::collect::Totals;
    use crate::view::table_tests::groups;

    /// A pass in which everything could be read.
    fn snapshot() -> Snapshot {
        let mut snapshot = Snapshot::begin();
        let mut table = groups();
        table[1].service.service.persistence_engine = Some("a\"b\\c\nd".to_owned());
        table[0].servers[1].active_connections = 6;
        table[0].servers[1].inactive_connections = 4;
        snapshot.table = Some(table);
        snapshot.info = Some(Info {
            version: 0x010201,
            connection_table_size: 4096,
        });
        snapshot.daemons = Some(vec![Daemon {
            state: DaemonState::Backup,
            interface: "e\"1".to_owned(),
            sync_id: 7,
            max_length: None,
            group: Some("ff02::81".parse().unwrap()),
            port: Some(8848),
            ttl: None,
        }]);
        snapshot.timeouts = Some(Timeouts {
            tcp: 900,
            tcp_fin: 120,
            udp: 300,
        });
        snapshot.totals = Some(Totals {
            connections: 1,
            incoming_packets: 2,
            outgoing_packets: 3,
            incoming_bytes: 4,
            outgoing_bytes: u64::MAX,
        });
        snapshot.connections = Some(5);
        snapshot.reasons = Some(vec![ReasonCount {
            number: 1,
            count: 8,
        }]);
        snapshot.module = Some("rust_ipvs");
        snapshot
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }

    #[test]
    fn all_kinds_of_services() {
        let text = render(&snapshot(), Format::Prometheus, true, None);
        let web =
            r#"{family="ipv4",local_address="192.0.2.1",local_mark="",local_port="80",proto="TCP""#;
        let six = r#"{family="ipv6",local_address="2001:db8::1",local_mark="",local_port="53""#;
        let six = format!("{six},proto=\"UDP\"");
        let mark =
            r#"{family="ipv6",local_address="",local_mark="FFFFFFF9",local_port="0",proto="FWM""#;
        let gue = r#"remote_address="198.51.100.9",remote_port="80""#;
        for line in [
            "ripvs_up 1".to_owned(),
            r#"ripvs_kernel_info{module="rust_ipvs",version="1.2.1"} 1"#.to_owned(),
            "ripvs_outgoing_bytes_total 18446744073709551615".to_owned(),
            "ripvs_connection_table_buckets 4096".to_owned(),
            "ripvs_connection_table_entries 5".to_owned(),
            r#"ripvs_reasons_total{reason="no-server",verdict="refused"} 8"#.to_owned(),
            r#"ripvs_reasons_total{reason="no-route",verdict="refused"} 0"#.to_owned(),
            r#"ripvs_timeout_seconds{proto="TCP",state="fin"} 120"#.to_owned(),
            r#"ripvs_sync_daemon_running{role="master"} 0"#.to_owned(),
            r#"ripvs_sync_daemon_running{role="backup"} 1"#.to_owned(),
            "ripvs_sync_daemon_info{group=\"ff02::81\",interface=\"e\\\"1\",port=\"8848\",\
             role=\"backup\",sync_id=\"7\"} 1"
                .to_owned(),
            "ripvs_services 3".to_owned(),
            format!("ripvs_service_backends{web}}} 2"),
            format!("ripvs_service_backends{mark}}} 0"),
            format!("ripvs_service_persistence_seconds{six}}} 60"),
            format!(
                "ripvs_service_info{six},one_packet=\"1\",persistence_engine=\"a\\\"b\\\\c\\nd\",\
                 persistence_netmask=\"64\",persistent=\"1\",scheduler=\"sh\",\
                 scheduler_flags=\"sh-port\"}} 1"
            ),
            format!("ripvs_backend_upper_threshold{web},{gue}}} 10"),
            format!("ripvs_backend_lower_threshold{web},{gue}}} 5"),
            format!("ripvs_backend_threshold_reached{web},{gue}}} 1"),
            format!("ripvs_backend_connections_active{web},{gue}}} 6"),
            format!("ripvs_backend_incoming_bytes_total{web},{gue}}} 1073741824"),
            format!("ripvs_backend_info{web},{gue},forward=\"tunnel\",tunnel=\"gue\"}} 1"),
        ] {
            has(&text, &line);
        }
        // Only one real server has thresholds, only one service is persistent.
        let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(count("ripvs_backend_upper_threshold{"), 1);
        assert_eq!(count("ripvs_backend_threshold_reached{"), 1);
        assert_eq!(count("ripvs_service_persistence_seconds{"), 1);
        assert_eq!(count("ripvs_exporter_scrapes_total"), 0);
    }

    /// The name and the labels of each sample, and the families in their order.
    fn samples(text: &str) -> (Vec<&str>, Vec<&str>) {
        let mut families = Vec::new();
        let mut samples = Vec::new();
        for line in text.lines().filter(|line| *line != "# EOF") {
            match line.strip_prefix("# TYPE ") {
                Some(rest) => families.push(rest.split(' ').next().unwrap()),
                None if line.starts_with('#') => {}
                None => {
                    let (sample, value) = line.rsplit_once(' ').unwrap();
                    assert!(value.parse::<f64>().is_ok(), "{line}");
                    let family = families.last().unwrap();
                    assert!(sample.starts_with(family), "{line} in {family}");
                    samples.push(sample);
                }
            }
        }
        (families, samples)
    }

    #[test]
    fn families_are_together_and_nothing_is_twice() {
        for format in [Format::Prometheus, Format::OpenMetrics] {
            let scrapes = Some(Scrapes { done: 2, failed: 1 });
            let text = render(&snapshot(), format, true, scrapes);
            let (families, samples) = samples(&text);
            let unique: HashSet<_> = families.iter().collect();
            assert_eq!(unique.len(), families.len());
            let unique: HashSet<_> = samples.iter().collect();
            assert_eq!(unique.len(), samples.len());
            assert!(samples.contains(&"ripvs_exporter_scrape_errors_total"));
            assert_eq!(text.ends_with("\n# EOF\n"), format == Format::OpenMetrics);
        }
    }

    #[test]
    fn units_end_the_names() {
        let text = render(&snapshot(), Format::OpenMetrics, true, None);
        let mut units = 0;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# UNIT ") {
                let (name, unit) = rest.split_once(' ').unwrap();
                assert!(name.ends_with(&format!("_{unit}")), "{line}");
                units += 1;
            }
        }
        assert!(units > 5, "{units}");
    }

    #[test]
    fn without_ipvs_and_without_backends() {
        let snapshot_without = Snapshot::unconnected("the kernel has no IPVS".to_owned());
        let text = render(&snapshot_without, Format::Prometheus, true, None);
        has(&text, "ripvs_up 0");
        has(
            &text,
            "ripvs_scrape_collector_success{collector=\"table\"} 0",
        );
        assert!(!text.contains("ripvs_services"), "{text}");
        let text = render(&snapshot(), Format::Prometheus, false, None);
        assert!(!text.contains("ripvs_backend"), "{text}");
        assert!(text.contains("ripvs_service_backends"), "{text}");
    }
}
