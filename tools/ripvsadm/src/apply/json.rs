// SPDX-License-Identifier: GPL-2.0

//! The JSON document: read into words of the grammar, and written. `schema` describes it.

use std::ffi::OsString;
use std::net::IpAddr;

use ipvs_netlink::ripvs::DrainOptions;
use ipvs_netlink::{
    AddressFamily, Destination, ForwardMethod, Netmask, Protocol, Service, ServiceFlags, ServiceId,
    TunnelFlags, TunnelType,
};
use serde::{Deserialize, Serialize};

use super::file::Origin;
use crate::model::Group;
use crate::save::is_translated;
use crate::view::{document, flag_names};

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The address of the schema, which editors look for.
    #[serde(rename = "$schema", default, skip_serializing)]
    _schema: Option<String>,
    services: Vec<ServiceObject>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct ServiceObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<ProtocolName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fwmark: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<FamilyName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduler: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scheduler_flags: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    one_packet: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    persistence: Option<PersistenceObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    persistence_engine: Option<String>,
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
    destinations: Vec<DestinationObject>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum ProtocolName {
    Tcp,
    Udp,
    Sctp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum FamilyName {
    Ipv4,
    Ipv6,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct PersistenceObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    netmask: Option<NetmaskValue>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum NetmaskValue {
    Mask(String),
    Length(u32),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct DestinationObject {
    address: IpAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(default)]
    forward: ForwardName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tunnel: Option<TunnelObject>,
    #[serde(default = "one")]
    weight: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    upper_threshold: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    lower_threshold: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drain: Option<DrainValue>,
}

/// The drain of a server. A document without it leaves that as it is.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum DrainValue {
    Is(bool),
    Options(DrainObject),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct DrainObject {
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    templates: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline_seconds: Option<u32>,
    #[serde(default, skip_serializing_if = "is_false")]
    reset: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum ForwardName {
    Masquerade,
    Tunnel,
    #[default]
    DirectRoute,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct TunnelObject {
    r#type: TunnelName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(default, skip_serializing_if = "is_false")]
    checksum: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    remote_checksum: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum TunnelName {
    Ipip,
    Gue,
    Gre,
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

fn one() -> u32 {
    1
}

/// Reads a document.
///
/// # Errors
/// The reason, with line and column.
pub fn read(bytes: &[u8]) -> Result<Document, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// Words of a command line.
type Words = Vec<OsString>;

fn push(words: &mut Words, option: &str, value: impl ToString) {
    words.push(option.into());
    words.push(value.to_string().into());
}

/// `address:port`, without the port if there is none.
fn host(address: IpAddr, port: Option<u16>) -> String {
    match (address, port) {
        (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
        (address, Some(port)) => format!("{address}:{port}"),
        (address, None) => address.to_string(),
    }
}

impl Document {
    /// Returns the command lines that say the same, each with its place.
    pub fn lines(&self) -> impl Iterator<Item = (Origin, Words)> + '_ {
        let services = self.services.iter().enumerate();
        services.flat_map(|(place, service)| {
            let first = (Origin::Service(place), service.words());
            let servers = service.destinations.iter().enumerate();
            let servers = servers.flat_map(move |(number, server)| {
                let origin = Origin::Destination(place, number);
                let mut words: Words = vec!["-a".into()];
                service.put_id(&mut words);
                server.put(&mut words);
                let drain = server.drain.as_ref().map(|drain| {
                    let mut words: Words = vec![drain.command().into()];
                    service.put_id(&mut words);
                    push(&mut words, "-r", host(server.address, server.port));
                    drain.put(&mut words);
                    (origin, words)
                });
                std::iter::once((origin, words)).chain(drain)
            });
            std::iter::once(first).chain(servers)
        })
    }
}

impl ServiceObject {
    /// Adds the words that name the service. What is contradictory stays so, for the grammar.
    fn put_id(&self, words: &mut Words) {
        if self.protocol.is_some() || self.address.is_some() || self.port.is_some() {
            let option = match self.protocol {
                Some(ProtocolName::Udp) => "-u",
                Some(ProtocolName::Sctp) => "--sctp-service",
                _ => "-t",
            };
            let address = self.address.map(|address| host(address, self.port));
            push(words, option, address.unwrap_or_default());
        }
        if let Some(mark) = self.fwmark {
            push(words, "-f", mark);
        }
        let is_v6 = self.address.is_some_and(|address| address.is_ipv6());
        if self.family == Some(FamilyName::Ipv6) && !is_v6 {
            words.push("-6".into());
        }
    }

    fn words(&self) -> Words {
        let mut words: Words = vec!["-A".into()];
        self.put_id(&mut words);
        if let Some(scheduler) = &self.scheduler {
            push(&mut words, "-s", scheduler);
        }
        if let Some(persistence) = &self.persistence {
            match persistence.timeout_seconds {
                Some(seconds) => push(&mut words, "-p", seconds),
                None => words.push("-p".into()),
            }
            match &persistence.netmask {
                Some(NetmaskValue::Mask(mask)) => push(&mut words, "-M", mask),
                Some(NetmaskValue::Length(length)) => push(&mut words, "-M", length),
                None => {}
            }
        }
        if let Some(engine) = &self.persistence_engine {
            push(&mut words, "--pe", engine);
        }
        if self.one_packet {
            words.push("-o".into());
        }
        if !self.scheduler_flags.is_empty() {
            push(&mut words, "-b", self.scheduler_flags.join(","));
        }
        self.put_own(&mut words);
        words
    }

    /// Adds the options in place of the namespace's.
    fn put_own(&self, words: &mut Words) {
        for (option, value) in [
            ("--timeout-tcp", self.timeout_tcp_seconds),
            ("--timeout-tcp-fin", self.timeout_tcp_fin_seconds),
            ("--timeout-udp", self.timeout_udp_seconds),
            ("--conntrack", self.conntrack.map(u32::from)),
            ("--expire-nodest", self.expire_nodest.map(u32::from)),
            ("--expire-quiescent", self.expire_quiescent.map(u32::from)),
            ("--fast-path", self.fast_path.map(u32::from)),
        ] {
            if let Some(value) = value {
                push(words, option, value);
            }
        }
    }
}

impl DestinationObject {
    fn put(&self, words: &mut Words) {
        push(words, "-r", host(self.address, self.port));
        words.push(
            match self.forward {
                ForwardName::Masquerade => "-m",
                ForwardName::Tunnel => "-i",
                ForwardName::DirectRoute => "-g",
            }
            .into(),
        );
        push(words, "-w", self.weight);
        push(words, "-x", self.upper_threshold);
        push(words, "-y", self.lower_threshold);
        if let Some(tunnel) = &self.tunnel {
            tunnel.put(words);
        }
    }
}

impl DrainValue {
    /// The subcommand that makes it so.
    fn command(&self) -> &'static str {
        match self {
            DrainValue::Is(false) => "undrain",
            _ => "drain",
        }
    }

    fn put(&self, words: &mut Words) {
        if let DrainValue::Options(options) = self {
            if !options.templates {
                words.push("--no-templates".into());
            }
            if let Some(seconds) = options.deadline_seconds {
                push(words, "--deadline", seconds);
            }
            if options.reset {
                words.push("--reset".into());
            }
        }
    }
}

impl From<DrainOptions> for DrainValue {
    fn from(options: DrainOptions) -> Self {
        DrainValue::Options(DrainObject {
            templates: options.keeps_templates,
            deadline_seconds: Some(options.deadline).filter(|seconds| *seconds != 0),
            reset: options.resets,
        })
    }
}

impl TunnelObject {
    fn put(&self, words: &mut Words) {
        push(
            words,
            "--tun-type",
            match self.r#type {
                TunnelName::Ipip => "ipip",
                TunnelName::Gue => "gue",
                TunnelName::Gre => "gre",
            },
        );
        if let Some(port) = self.port {
            push(words, "--tun-port", port);
        }
        if self.checksum {
            words.push("--tun-csum".into());
        }
        if self.remote_checksum {
            words.push("--tun-remcsum".into());
        }
    }
}

/// The document that says what is configured.
pub fn export(groups: &[Group]) -> String {
    document(&Document {
        _schema: None,
        services: groups.iter().map(of_group).collect(),
    })
}

fn of_group(group: &Group) -> ServiceObject {
    let service = &group.service.service;
    let mut object = of_service(service);
    let servers = group.servers.iter();
    object.destinations = servers
        .map(|entry| DestinationObject {
            drain: entry.drain.map(|drain| drain.options.into()),
            ..of_destination(&service.id, &entry.destination)
        })
        .collect();
    object
}

fn of_service(service: &Service) -> ServiceObject {
    let mut object = ServiceObject {
        scheduler: Some(service.scheduler.clone()),
        one_packet: service.flags.contains(ServiceFlags::ONE_PACKET),
        persistence_engine: service.persistence_engine.clone(),
        timeout_tcp_seconds: service.own.timeout_tcp,
        timeout_tcp_fin_seconds: service.own.timeout_tcp_fin,
        timeout_udp_seconds: service.own.timeout_udp,
        conntrack: service.own.conntrack,
        expire_nodest: service.own.expire_nodest,
        expire_quiescent: service.own.expire_quiescent,
        fast_path: service.own.fast_path,
        ..ServiceObject::default()
    };
    match &service.id {
        ServiceId::Address {
            protocol,
            address,
            port,
        } => {
            object.protocol = Some(match protocol {
                Protocol::Udp => ProtocolName::Udp,
                Protocol::Sctp => ProtocolName::Sctp,
                // Services of another protocol can be neither made nor matched.
                _ => ProtocolName::Tcp,
            });
            object.address = Some(*address);
            object.port = Some(*port);
        }
        ServiceId::Fwmark { family, mark } => {
            object.fwmark = Some(*mark);
            object.family = Some(match family {
                AddressFamily::Inet => FamilyName::Ipv4,
                AddressFamily::Inet6 => FamilyName::Ipv6,
            });
        }
    }
    let flags = flag_names(service.flags, &service.scheduler);
    let flags = flags.split(',').filter(|name| !name.is_empty());
    object.scheduler_flags = flags.map(str::to_owned).collect();
    if service.flags.contains(ServiceFlags::PERSISTENT) {
        let is_host = service.netmask == Netmask::host(service.id.family());
        object.persistence = Some(PersistenceObject {
            timeout_seconds: Some(service.timeout),
            netmask: (!is_host).then(|| match service.netmask {
                Netmask::V4(mask) => NetmaskValue::Mask(mask.to_string()),
                Netmask::V6(length) => NetmaskValue::Length(length),
            }),
        });
    }
    object
}

fn of_destination(service: &ServiceId, server: &Destination) -> DestinationObject {
    let forward = match server.forward {
        ForwardMethod::Tunnel => ForwardName::Tunnel,
        _ if is_translated(service, server) => ForwardName::Masquerade,
        _ => ForwardName::DirectRoute,
    };
    let (kind, flags) = (server.tunnel.kind, server.tunnel.flags);
    let is_tunnel = server.forward == ForwardMethod::Tunnel && kind != TunnelType::Ipip;
    let has = |flag| kind != TunnelType::Ipip && flags.contains(flag);
    DestinationObject {
        address: server.id.address,
        port: Some(server.id.port),
        forward,
        tunnel: is_tunnel.then(|| TunnelObject {
            r#type: match kind {
                TunnelType::Gue => TunnelName::Gue,
                _ => TunnelName::Gre,
            },
            port: (kind == TunnelType::Gue).then_some(server.tunnel.port),
            checksum: has(TunnelFlags::CHECKSUM),
            // One of both, as on a command line.
            remote_checksum: kind == TunnelType::Gue
                && !has(TunnelFlags::CHECKSUM)
                && has(TunnelFlags::REMOTE_CHECKSUM),
        }),
        weight: server.weight,
        upper_threshold: server.upper_threshold,
        lower_threshold: server.lower_threshold,
        drain: None,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Returns the names of the fields that an object may have, as the parser tells them.
    pub fn fields(object: &str) -> Vec<String> {
        let document = match object {
            "document" => r#"{"?":1}"#.to_owned(),
            "service" => r#"{"services":[{"?":1}]}"#.to_owned(),
            "persistence" => r#"{"services":[{"persistence":{"?":1}}]}"#.to_owned(),
            "destination" => r#"{"services":[{"destinations":[{"?":1}]}]}"#.to_owned(),
            "drain" => {
                let error = serde_json::from_str::<DrainObject>(r#"{"?":1}"#).unwrap_err();
                return names(&error.to_string());
            }
            _ => r#"{"services":[{"destinations":[{"tunnel":{"?":1}}]}]}"#.to_owned(),
        };
        names(&read(document.as_bytes()).unwrap_err())
    }

    /// Returns the names that an error expects.
    fn names(error: &str) -> Vec<String> {
        let (_, names) = error.split_once("expected ").unwrap();
        let names = names.split('`').skip(1).step_by(2);
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        names
    }
}
