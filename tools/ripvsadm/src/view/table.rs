// SPDX-License-Identifier: GPL-2.0

//! The table of services and their real servers.

use std::fmt::Write;

use ipvs_netlink::{
    AddressFamily, DestinationEntry, ForwardMethod, Info, Netmask, Protocol, Service, ServiceEntry,
    ServiceFlags, ServiceId, Tunnel, TunnelFlags, TunnelType,
};

use super::address::{column, flag_names, push_column};
use super::cell;
use super::counters;
use crate::model::{Columns, Format, Group};
use crate::names::Names;
use crate::own;

/// Columns of a service before its counters.
const SERVICE_COLUMN: usize = 33;

/// Services and their real servers; the line above them all where `info` is there.
pub fn table(info: Option<&Info>, groups: &[Group], format: &Format, names: &dyn Names) -> String {
    let mut text = String::new();
    if let Some(info) = info {
        let (major, minor, patch) = info.version_parts();
        let size = info.connection_table_size;
        push(
            &mut text,
            format_args!("IP Virtual Server version {major}.{minor}.{patch} "),
        );
        push(&mut text, format_args!("(size={size})\n"));
    }
    text.push_str(&header(format.columns));
    for group in groups {
        service_line(&mut text, &group.service, format, names);
        text.push('\n');
        let protocol = protocol(&group.service.service.id);
        for server in &group.servers {
            server_line(&mut text, server, protocol, format, names);
            text.push('\n');
        }
    }
    text
}

/// Appends to a string, which cannot fail.
fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).unwrap_or_default();
}

/// The protocol by which ports have names.
fn protocol(id: &ServiceId) -> Option<Protocol> {
    match id {
        ServiceId::Address { protocol, .. } => Some(*protocol),
        ServiceId::Fwmark { .. } => None,
    }
}

/// The two lines above the columns.
fn header(columns: Columns) -> String {
    const SERVICE: &str = "Prot LocalAddress:Port";
    const SERVER: &str = "  -> RemoteAddress:Port";
    const PLAIN: &str = "Prot LocalAddress:Port Scheduler Flags";
    match columns {
        Columns::Plain => {
            format!("{PLAIN}\n{SERVER:<33} Forward Weight ActiveConn InActConn\n")
        }
        Columns::Tunnels => {
            format!("{PLAIN}\n{SERVER:<33} Forward TunnelInfo    Weight ActiveConn InActConn\n")
        }
        Columns::Stats => {
            format!(
                "{SERVICE:<33}{}\n{SERVER}\n",
                counters::header(counters::STATS_HEADER)
            )
        }
        Columns::Rate => {
            format!(
                "{SERVICE:<33}{}\n{SERVER}\n",
                counters::header(counters::RATE_HEADER)
            )
        }
        Columns::Thresholds => format!(
            "{SERVICE:<33} {:<10} {:<10} {:<10} {:<10}\n{SERVER}\n",
            "Uthreshold", "Lthreshold", "ActiveConn", "InActConn"
        ),
        Columns::Persistent => format!(
            "{SERVICE:<33} {:<9} {:<11} {:<10} {:<10}\n{SERVER}\n",
            "Weight", "PersistConn", "ActiveConn", "InActConn"
        ),
    }
}

/// Appends the line of a service.
fn service_line(text: &mut String, entry: &ServiceEntry, format: &Format, names: &dyn Names) {
    let name = service_name(&entry.service.id, names);
    text.push_str(&name);
    if matches!(format.columns, Columns::Stats | Columns::Rate) {
        cell::blanks(text, SERVICE_COLUMN.saturating_sub(name.chars().count()));
    }
    match format.columns {
        Columns::Stats => counters::stats(text, &entry.stats, format.exact),
        Columns::Rate => counters::rate(text, &entry.stats, format.exact),
        _ => {
            text.push(' ');
            text.push_str(&service_options(&entry.service));
        }
    }
}

/// `TCP  192.0.2.1:80`, `FWM  7 IPv6`.
fn service_name(id: &ServiceId, names: &dyn Names) -> String {
    match id {
        ServiceId::Address {
            protocol,
            address,
            port,
        } => {
            let address = column(*address, *port, Some(*protocol), names);
            match protocol {
                Protocol::Other(_) => format!("?    {address}"),
                known => format!("{known:<4} {address}"),
            }
        }
        ServiceId::Fwmark { family, mark } => {
            // ipvsadm shows the upper half of the marks as negative, and scripts that read its
            // listing read them so.
            let mark = i32::from_ne_bytes(mark.to_ne_bytes());
            let family = match family {
                AddressFamily::Inet => "",
                AddressFamily::Inet6 => " IPv6",
            };
            format!("FWM  {mark}{family}")
        }
    }
}

/// The scheduler and what follows it on a service's line.
fn service_options(service: &Service) -> String {
    let mut text = service.scheduler.clone();
    let flags = flag_names(service.flags, &service.scheduler);
    if !flags.is_empty() {
        push(&mut text, format_args!(" ({flags})"));
    }
    if service.flags.contains(ServiceFlags::PERSISTENT) {
        push(&mut text, format_args!(" persistent {}", service.timeout));
        if service.netmask != Netmask::host(service.id.family()) {
            match service.netmask {
                Netmask::V4(mask) => push(&mut text, format_args!(" mask {mask}")),
                Netmask::V6(length) => push(&mut text, format_args!(" mask {length}")),
            }
        }
        if let Some(engine) = &service.persistence_engine {
            push(&mut text, format_args!(" pe {engine}"));
        }
    }
    if service.flags.contains(ServiceFlags::ONE_PACKET) {
        text.push_str(" ops");
    }
    for (name, value) in own::values(&service.own) {
        push(&mut text, format_args!(" {name} {value}"));
    }
    text
}

/// Appends the line of a real server, without its end; there may be very many.
fn server_line(
    text: &mut String,
    entry: &DestinationEntry,
    protocol: Option<Protocol>,
    format: &Format,
    names: &dyn Names,
) {
    let server = &entry.destination;
    let id = server.id;
    text.push_str("  -> ");
    push_column(text, id.address, id.port, protocol, names);
    let weight = u64::from(server.weight);
    match format.columns {
        Columns::Plain => {
            push_method(text, server.forward);
            cell::left(text, weight, 6);
        }
        Columns::Tunnels => {
            push_method(text, server.forward);
            let tunnel = tunnel_name(server.forward, &server.tunnel);
            push(text, format_args!("{tunnel:<13} {weight:<6}"));
        }
        Columns::Stats => return counters::stats(text, &entry.stats, format.exact),
        Columns::Rate => return counters::rate(text, &entry.stats, format.exact),
        Columns::Thresholds => {
            let (upper, lower) = (server.upper_threshold, server.lower_threshold);
            push(text, format_args!(" {upper:<10} {lower:<10}"));
        }
        Columns::Persistent => {
            let clients = entry.persistent_connections;
            push(text, format_args!(" {weight:<9} {clients:<11}"));
        }
    }
    for count in [entry.active_connections, entry.inactive_connections] {
        text.push(' ');
        cell::left(text, count.into(), 10);
    }
}

/// Appends the column of the forwarding method, with the blanks around it.
fn push_method(text: &mut String, method: ForwardMethod) {
    let name = method_name(method);
    text.push(' ');
    text.push_str(name);
    cell::blanks(text, 8usize.saturating_sub(name.len()));
}

fn method_name(method: ForwardMethod) -> &'static str {
    match method {
        ForwardMethod::Masquerade => "Masq",
        ForwardMethod::Local => "Local",
        ForwardMethod::Tunnel => "Tunnel",
        ForwardMethod::DirectRoute => "Route",
        ForwardMethod::Bypass => "Bypass",
        ForwardMethod::Other(_) => "?",
    }
}

fn tunnel_name(method: ForwardMethod, tunnel: &Tunnel) -> String {
    if method != ForwardMethod::Tunnel {
        return "n/a".to_owned();
    }
    let checksum = if tunnel.flags.contains(TunnelFlags::CHECKSUM) {
        "+c"
    } else if tunnel.flags.contains(TunnelFlags::REMOTE_CHECKSUM) {
        "r+c"
    } else {
        "-c"
    };
    match tunnel.kind {
        TunnelType::Ipip => "ipip".to_owned(),
        TunnelType::Gue => format!("gue:{}:{checksum}", tunnel.port),
        TunnelType::Gre => format!("gre:{checksum}"),
        TunnelType::Other(_) => "n/a".to_owned(),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::names::tests::Fixed;
    use crate::names::Numeric;
    use ipvs_netlink::{Destination, Stats};

    fn server(address: &str, port: u16) -> DestinationEntry {
        DestinationEntry {
            destination: Destination::new(address.parse().unwrap(), port),
            active_connections: 2,
            inactive_connections: 13,
            persistent_connections: 4,
            drain: None,
            stats: Stats {
                connections: 15,
                incoming_bytes: 1 << 30,
                ..Stats::default()
            },
        }
    }

    fn group(id: ServiceId, servers: Vec<DestinationEntry>) -> Group {
        let stats = Stats {
            connection_rate: 3,
            incoming_packets: 70,
            ..Stats::default()
        };
        Group {
            service: ServiceEntry {
                service: Service::new(id, "rr"),
                stats,
            },
            servers,
        }
    }

    /// A web service, a persistent one of IPv6, and a mark.
    pub fn groups() -> Vec<Group> {
        let web = ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 80);
        let mut masq = server("198.51.100.1", 8080);
        masq.destination.forward = ForwardMethod::Masquerade;
        masq.destination.weight = 5;
        let mut gue = server("198.51.100.9", 80);
        gue.destination.forward = ForwardMethod::Tunnel;
        gue.destination.tunnel = Tunnel {
            kind: TunnelType::Gue,
            port: 6080,
            flags: TunnelFlags::REMOTE_CHECKSUM,
        };
        gue.destination.upper_threshold = 10;
        gue.destination.lower_threshold = 5;

        let six = ServiceId::address(Protocol::Udp, "2001:db8::1".parse().unwrap(), 53);
        let mut six = group(six, vec![server("2001:db8::5", 53)]);
        six.service.service = Service {
            scheduler: "sh".to_owned(),
            persistence_engine: Some("sip".to_owned()),
            flags: ServiceFlags(0x1 | 0x2 | 0x4 | 0x10),
            timeout: 60,
            netmask: Netmask::V6(64),
            ..six.service.service
        };
        vec![
            group(web, vec![masq, gue]),
            six,
            group(ServiceId::fwmark(AddressFamily::Inet6, 0xffff_fff9), vec![]),
        ]
    }

    fn shown(columns: Columns, names: &dyn Names) -> String {
        let info = Info {
            version: 0x010201,
            connection_table_size: 4096,
        };
        table(
            Some(&info),
            &groups(),
            &Format {
                columns,
                ..Format::default()
            },
            names,
        )
    }

    // Blanks at the ends of lines are ipvsadm's; `$` shows where they end.
    fn assert_shows(shown: String, expected: &str) {
        assert_eq!(shown.replace('\n', "$\n"), expected.trim_start());
    }

    #[test]
    fn plain() {
        assert_shows(
            shown(Columns::Plain, &Numeric),
            "
IP Virtual Server version 1.2.1 (size=4096)$
Prot LocalAddress:Port Scheduler Flags$
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn$
TCP  192.0.2.1:80 rr$
  -> 198.51.100.1:8080            Masq    5      2          13        $
  -> 198.51.100.9:80              Tunnel  1      2          13        $
UDP  [2001:db8::1]:53 sh (sh-port) persistent 60 mask 64 pe sip ops$
  -> [2001:db8::5]:53             Route   1      2          13        $
FWM  -7 IPv6 rr$
",
        );
    }

    #[test]
    fn names() {
        assert_shows(
            shown(Columns::Plain, &Fixed),
            "
IP Virtual Server version 1.2.1 (size=4096)$
Prot LocalAddress:Port Scheduler Flags$
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn$
TCP  web.example.org:http rr$
  -> 198.51.100.1:8080            Masq    5      2          13        $
  -> a-real-server-with-quite-a-l Tunnel  1      2          13        $
UDP  [six.example.org]:domain sh (sh-port) persistent 60 mask 64 pe sip ops$
  -> [2001:db8::5]:domain         Route   1      2          13        $
FWM  -7 IPv6 rr$
",
        );
    }

    #[test]
    fn tunnels() {
        assert_shows(
            shown(Columns::Tunnels, &Numeric),
            "
IP Virtual Server version 1.2.1 (size=4096)$
Prot LocalAddress:Port Scheduler Flags$
  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn$
TCP  192.0.2.1:80 rr$
  -> 198.51.100.1:8080            Masq    n/a           5      2          13        $
  -> 198.51.100.9:80              Tunnel  gue:6080:r+c  1      2          13        $
UDP  [2001:db8::1]:53 sh (sh-port) persistent 60 mask 64 pe sip ops$
  -> [2001:db8::5]:53             Route   n/a           1      2          13        $
FWM  -7 IPv6 rr$
",
        );
    }

    #[test]
    fn stats() {
        assert_shows(
            shown(Columns::Stats, &Numeric),
            "
IP Virtual Server version 1.2.1 (size=4096)$
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes$
  -> RemoteAddress:Port$
TCP  192.0.2.1:80                        0       70        0        0        0$
  -> 198.51.100.1:8080                  15        0        0    1073M        0$
  -> 198.51.100.9:80                    15        0        0    1073M        0$
UDP  [2001:db8::1]:53                    0       70        0        0        0$
  -> [2001:db8::5]:53                   15        0        0    1073M        0$
FWM  -7 IPv6                             0       70        0        0        0$
",
        );
    }

    #[test]
    fn rate() {
        assert_shows(
            shown(Columns::Rate, &Numeric),
            "
IP Virtual Server version 1.2.1 (size=4096)$
Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS$
  -> RemoteAddress:Port$
TCP  192.0.2.1:80                        3        0        0        0        0$
  -> 198.51.100.1:8080                   0        0        0        0        0$
  -> 198.51.100.9:80                     0        0        0        0        0$
UDP  [2001:db8::1]:53                    3        0        0        0        0$
  -> [2001:db8::5]:53                    0        0        0        0        0$
FWM  -7 IPv6                             3        0        0        0        0$
",
        );
    }

    #[test]
    fn thresholds() {
        assert_shows(
            shown(Columns::Thresholds, &Numeric),
            "
IP Virtual Server version 1.2.1 (size=4096)$
Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn $
  -> RemoteAddress:Port$
TCP  192.0.2.1:80 rr$
  -> 198.51.100.1:8080            0          0          2          13        $
  -> 198.51.100.9:80              10         5          2          13        $
UDP  [2001:db8::1]:53 sh (sh-port) persistent 60 mask 64 pe sip ops$
  -> [2001:db8::5]:53             0          0          2          13        $
FWM  -7 IPv6 rr$
",
        );
    }

    #[test]
    fn persistent() {
        assert_shows(
            shown(Columns::Persistent, &Numeric),
            "
IP Virtual Server version 1.2.1 (size=4096)$
Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn $
  -> RemoteAddress:Port$
TCP  192.0.2.1:80 rr$
  -> 198.51.100.1:8080            5         4           2          13        $
  -> 198.51.100.9:80              1         4           2          13        $
UDP  [2001:db8::1]:53 sh (sh-port) persistent 60 mask 64 pe sip ops$
  -> [2001:db8::5]:53             1         4           2          13        $
FWM  -7 IPv6 rr$
",
        );
    }

    #[test]
    fn one_service_has_no_line_above() {
        let shown = table(None, &groups()[2..], &Format::default(), &Numeric);
        assert_shows(
            shown,
            "
Prot LocalAddress:Port Scheduler Flags$
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn$
FWM  -7 IPv6 rr$
",
        );
    }

    #[test]
    fn options_of_what_is_not_persistent() {
        let mut service = groups().remove(1).service.service;
        service.flags = ServiceFlags::HASHED;
        assert_eq!(service_options(&service), "sh");
        service.flags = ServiceFlags::PERSISTENT;
        service.netmask = Netmask::V6(128);
        service.persistence_engine = None;
        assert_eq!(service_options(&service), "sh persistent 60");
    }
}
