// SPDX-License-Identifier: GPL-2.0

//! The table as JSON.

use std::net::IpAddr;

use ipvs_netlink::ripvs::{Drain, DrainState};
use ipvs_netlink::{
    AddressFamily, DestinationEntry, ForwardMethod, Info, Netmask, OwnOptions, Protocol, Service,
    ServiceFlags, ServiceId, Stats, TunnelFlags, TunnelType,
};
use serde::Serialize;

use super::document::document;
use crate::model::Group;
use crate::view::address::{flag_names, forward_name};

#[derive(Serialize)]
struct TableDocument<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ipvs: Option<InfoObject>,
    services: Vec<ServiceObject<'a>>,
}

#[derive(Serialize)]
struct InfoObject {
    version: String,
    connection_table_size: u32,
}

#[derive(Serialize)]
struct ServiceObject<'a> {
    #[serde(flatten)]
    id: ServiceIdObject,
    family: &'static str,
    scheduler: &'a str,
    scheduler_flags: Vec<String>,
    one_packet: bool,
    persistence: Option<PersistenceObject<'a>>,
    #[serde(flatten)]
    own: OwnObject,
    stats: StatsObject,
    rates: RatesObject,
    destinations: Vec<DestinationObject>,
}

/// Options in place of the namespace's, with the names of `ripvsadm export --json`.
#[derive(Serialize)]
struct OwnObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_tcp_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_tcp_fin_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_udp_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conntrack: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_nodest: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_quiescent: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fast_path: Option<u8>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ServiceIdObject {
    Address {
        protocol: String,
        address: IpAddr,
        port: u16,
    },
    Fwmark {
        fwmark: u32,
    },
}

#[derive(Serialize)]
struct PersistenceObject<'a> {
    timeout_seconds: u32,
    /// A mask in words for IPv4, a prefix length for IPv6.
    netmask: NetmaskValue,
    engine: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum NetmaskValue {
    Mask(IpAddr),
    Length(u32),
}

#[derive(Serialize)]
struct StatsObject {
    connections: u64,
    incoming_packets: u64,
    outgoing_packets: u64,
    incoming_bytes: u64,
    outgoing_bytes: u64,
}

#[derive(Serialize)]
struct RatesObject {
    connections_per_second: u64,
    incoming_packets_per_second: u64,
    outgoing_packets_per_second: u64,
    incoming_bytes_per_second: u64,
    outgoing_bytes_per_second: u64,
}

#[derive(Serialize)]
struct DestinationObject {
    address: IpAddr,
    port: u16,
    forward: &'static str,
    tunnel: Option<TunnelObject>,
    weight: u32,
    upper_threshold: u32,
    lower_threshold: u32,
    active_connections: u32,
    inactive_connections: u32,
    persistent_connections: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    drain: Option<DrainObject>,
    stats: StatsObject,
    rates: RatesObject,
}

/// A drain, which only rust_ipvs has.
#[derive(Serialize)]
struct DrainObject {
    state: &'static str,
    templates: bool,
    reset: bool,
    deadline_seconds: Option<u32>,
    left_seconds: Option<u32>,
    ended_connections: u32,
    reset_connections: u32,
}

#[derive(Serialize)]
struct TunnelObject {
    r#type: String,
    port: u16,
    checksum: bool,
    remote_checksum: bool,
}

/// Services and their real servers, counters included; `info` unless it is one service.
pub fn table(info: Option<&Info>, groups: &[Group]) -> String {
    document(&TableDocument {
        ipvs: info.map(|info| {
            let (major, minor, patch) = info.version_parts();
            InfoObject {
                version: format!("{major}.{minor}.{patch}"),
                connection_table_size: info.connection_table_size,
            }
        }),
        services: groups.iter().map(service).collect(),
    })
}

fn service(group: &Group) -> ServiceObject<'_> {
    let entry = &group.service;
    let service = &entry.service;
    let flags = flag_names(service.flags, &service.scheduler);
    ServiceObject {
        id: match service.id {
            ServiceId::Address {
                protocol,
                address,
                port,
            } => ServiceIdObject::Address {
                protocol: protocol_name(protocol),
                address,
                port,
            },
            ServiceId::Fwmark { mark, .. } => ServiceIdObject::Fwmark { fwmark: mark },
        },
        family: match service.id.family() {
            AddressFamily::Inet => "ipv4",
            AddressFamily::Inet6 => "ipv6",
        },
        scheduler: &service.scheduler,
        scheduler_flags: flags
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        one_packet: service.flags.contains(ServiceFlags::ONE_PACKET),
        persistence: persistence(service),
        own: own(&service.own),
        stats: stats(&entry.stats),
        rates: rates(&entry.stats),
        destinations: group.servers.iter().map(destination).collect(),
    }
}

fn own(own: &OwnOptions) -> OwnObject {
    OwnObject {
        timeout_tcp_seconds: own.timeout_tcp,
        timeout_tcp_fin_seconds: own.timeout_tcp_fin,
        timeout_udp_seconds: own.timeout_udp,
        conntrack: own.conntrack,
        expire_nodest: own.expire_nodest,
        expire_quiescent: own.expire_quiescent,
        fast_path: own.fast_path,
    }
}

fn protocol_name(protocol: Protocol) -> String {
    protocol.to_string().to_lowercase()
}

fn persistence(service: &Service) -> Option<PersistenceObject<'_>> {
    let persistent = service.flags.contains(ServiceFlags::PERSISTENT);
    persistent.then(|| PersistenceObject {
        timeout_seconds: service.timeout,
        netmask: match service.netmask {
            Netmask::V4(mask) => NetmaskValue::Mask(mask.into()),
            Netmask::V6(length) => NetmaskValue::Length(length),
        },
        engine: service.persistence_engine.as_deref(),
    })
}

fn stats(stats: &Stats) -> StatsObject {
    StatsObject {
        connections: stats.connections,
        incoming_packets: stats.incoming_packets,
        outgoing_packets: stats.outgoing_packets,
        incoming_bytes: stats.incoming_bytes,
        outgoing_bytes: stats.outgoing_bytes,
    }
}

fn rates(stats: &Stats) -> RatesObject {
    RatesObject {
        connections_per_second: stats.connection_rate,
        incoming_packets_per_second: stats.incoming_packet_rate,
        outgoing_packets_per_second: stats.outgoing_packet_rate,
        incoming_bytes_per_second: stats.incoming_byte_rate,
        outgoing_bytes_per_second: stats.outgoing_byte_rate,
    }
}

fn drain(drain: &Drain) -> DrainObject {
    let options = &drain.options;
    DrainObject {
        state: match drain.state {
            DrainState::Ending => "ending",
            DrainState::Done => "done",
            DrainState::DoneByDeadline => "done-by-deadline",
            _ => "waiting",
        },
        templates: options.keeps_templates,
        reset: options.resets,
        deadline_seconds: Some(options.deadline).filter(|seconds| *seconds != 0),
        left_seconds: drain.left,
        ended_connections: drain.ended,
        reset_connections: drain.reset,
    }
}

fn destination(entry: &DestinationEntry) -> DestinationObject {
    let server = &entry.destination;
    let tunnelled = server.forward == ForwardMethod::Tunnel;
    DestinationObject {
        address: server.id.address,
        port: server.id.port,
        forward: forward_name(server.forward),
        tunnel: tunnelled.then(|| TunnelObject {
            r#type: match server.tunnel.kind {
                TunnelType::Ipip => "ipip".to_owned(),
                TunnelType::Gue => "gue".to_owned(),
                TunnelType::Gre => "gre".to_owned(),
                TunnelType::Other(number) => number.to_string(),
            },
            port: server.tunnel.port,
            checksum: server.tunnel.flags.contains(TunnelFlags::CHECKSUM),
            remote_checksum: server.tunnel.flags.contains(TunnelFlags::REMOTE_CHECKSUM),
        }),
        weight: server.weight,
        upper_threshold: server.upper_threshold,
        lower_threshold: server.lower_threshold,
        active_connections: entry.active_connections,
        inactive_connections: entry.inactive_connections,
        persistent_connections: entry.persistent_connections,
        drain: entry.drain.as_ref().map(drain),
        stats: stats(&entry.stats),
        rates: rates(&entry.stats),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::json::document::tests::read;
    use crate::view::table::tests::groups;
    use serde_json::json;

    #[test]
    fn the_table() {
        let info = Info {
            version: 0x010201,
            connection_table_size: 4096,
        };
        let found = read(&table(Some(&info), &groups()));
        assert_eq!(
            found["ipvs"],
            json!({"version": "1.2.1", "connection_table_size": 4096})
        );
        let stats = json!({
            "connections": 0, "incoming_packets": 70, "outgoing_packets": 0,
            "incoming_bytes": 0, "outgoing_bytes": 0,
        });
        let rates = json!({
            "connections_per_second": 3, "incoming_packets_per_second": 0,
            "outgoing_packets_per_second": 0, "incoming_bytes_per_second": 0,
            "outgoing_bytes_per_second": 0,
        });
        let [web, six, mark] = &found["services"].as_array().unwrap()[..] else {
            panic!("{found}");
        };
        assert_eq!(
            *mark,
            json!({
                "fwmark": 0xffff_fff9u32, "family": "ipv6", "scheduler": "rr",
                "scheduler_flags": [], "one_packet": false, "persistence": null,
                "stats": stats, "rates": rates, "destinations": [],
            })
        );
        let mut owns = groups();
        owns[2].service.service.own.timeout_udp = Some(9);
        owns[2].service.service.own.conntrack = Some(false);
        let owns = read(&table(None, &owns));
        let owns = &owns["services"][2];
        assert_eq!(owns["timeout_udp_seconds"], 9);
        assert_eq!(owns["conntrack"], false);
        assert!(owns.get("fast_path").is_none());
        assert_eq!(
            (&six["protocol"], &six["address"], &six["port"]),
            (&json!("udp"), &json!("2001:db8::1"), &json!(53))
        );
        assert_eq!(six["scheduler_flags"], json!(["sh-port"]));
        assert_eq!(six["one_packet"], json!(true));
        assert_eq!(
            six["persistence"],
            json!({"timeout_seconds": 60, "netmask": 64, "engine": "sip"})
        );
        let gue = &web["destinations"][1];
        assert_eq!(
            gue["tunnel"],
            json!({"type": "gue", "port": 6080, "checksum": false, "remote_checksum": true})
        );
        assert_eq!(gue["upper_threshold"], json!(10));
        assert_eq!(gue["active_connections"], json!(2));
        assert_eq!(gue["stats"]["incoming_bytes"], json!(1u64 << 30));
        assert_eq!(web["destinations"][0]["tunnel"], json!(null));
        assert_eq!(web["destinations"][0]["forward"], json!("masquerade"));
    }

    #[test]
    fn one_service_is_all_there_is() {
        let found = read(&table(None, &groups()[..1]));
        assert_eq!(found.as_object().unwrap().len(), 1);
        assert_eq!(found["services"].as_array().unwrap().len(), 1);
        assert_eq!(read(&table(None, &[])), json!({"services": []}));
    }
}
