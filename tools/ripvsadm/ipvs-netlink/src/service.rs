// SPDX-License-Identifier: GPL-2.0

//! Virtual services: their identity, configuration and attributes (`IPVS_SVC_ATTR_*`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{
    DecodeError, DefaultNla, ErrorContext, Nla, NlaBuffer, Parseable, NLA_F_NESTED,
};

use crate::attr;
use crate::family::{address_bytes, AddressFamily, Protocol};
use crate::stats::{Stats, StatsAttr};

const AF: u16 = 1;
const PROTOCOL: u16 = 2;
const ADDR: u16 = 3;
const PORT: u16 = 4;
const FWMARK: u16 = 5;
const SCHED_NAME: u16 = 6;
const FLAGS: u16 = 7;
const TIMEOUT: u16 = 8;
const NETMASK: u16 = 9;
const STATS: u16 = 10;
const PE_NAME: u16 = 11;
const STATS64: u16 = 12;

/// What tells one service from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServiceId {
    /// A protocol, a virtual address and a port; port 0 is every port.
    Address {
        /// The transport protocol.
        protocol: Protocol,
        /// The virtual address.
        address: IpAddr,
        /// The port, in host order.
        port: u16,
    },
    /// Whatever carries a firewall mark.
    Fwmark {
        /// The family of the packets that are meant.
        family: AddressFamily,
        /// The mark, not zero.
        mark: u32,
    },
}

impl ServiceId {
    /// The service of `protocol` at `address` and `port`.
    pub fn address(protocol: Protocol, address: IpAddr, port: u16) -> Self {
        ServiceId::Address {
            protocol,
            address,
            port,
        }
    }

    /// The service of what carries `mark`.
    pub fn fwmark(family: AddressFamily, mark: u32) -> Self {
        ServiceId::Fwmark { family, mark }
    }

    /// The address family of the service.
    pub fn family(&self) -> AddressFamily {
        match self {
            ServiceId::Address { address, .. } => AddressFamily::of(address),
            ServiceId::Fwmark { family, .. } => *family,
        }
    }

    /// The attributes that identify the service, in the kernel's order.
    pub fn to_attributes(&self) -> Vec<ServiceAttr> {
        let family = ServiceAttr::Family(self.family().into());
        match self {
            ServiceId::Address {
                protocol,
                address,
                port,
            } => vec![
                family,
                ServiceAttr::Protocol((*protocol).into()),
                ServiceAttr::Address(address_bytes(address)),
                ServiceAttr::Port(*port),
            ],
            ServiceId::Fwmark { mark, .. } => vec![family, ServiceAttr::Fwmark(*mark)],
        }
    }

    /// Finds the identity among the attributes of a service. A mark wins over an address.
    pub fn from_attributes(attributes: &[ServiceAttr]) -> Result<Self, DecodeError> {
        let (mut family, mut mark) = (None, None);
        let (mut protocol, mut address, mut port) = (None, None, None);
        for attribute in attributes {
            match attribute {
                ServiceAttr::Family(value) => family = Some(*value),
                ServiceAttr::Fwmark(value) => mark = Some(*value),
                ServiceAttr::Protocol(value) => protocol = Some(*value),
                ServiceAttr::Address(value) => address = Some(*value),
                ServiceAttr::Port(value) => port = Some(*value),
                _ => {}
            }
        }
        let missing = |name| attr::missing("IPVS service", name);
        let family = AddressFamily::try_from(family.ok_or_else(|| missing("AF"))?)?;
        if let Some(mark) = mark {
            return Ok(ServiceId::Fwmark { family, mark });
        }
        Ok(ServiceId::Address {
            protocol: protocol.ok_or_else(|| missing("PROTOCOL"))?.into(),
            address: family.address(address.ok_or_else(|| missing("ADDR"))?),
            port: port.ok_or_else(|| missing("PORT"))?,
        })
    }
}

impl fmt::Display for ServiceId {
    /// `TCP 192.0.2.1:80`, `UDP [2001:db8::1]:53`, `FWM 7`, `FWM 7 IPv6`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceId::Address {
                protocol,
                address,
                port,
            } => {
                write!(
                    f,
                    "{protocol} {}",
                    std::net::SocketAddr::new(*address, *port)
                )
            }
            ServiceId::Fwmark {
                family: AddressFamily::Inet,
                mark,
            } => write!(f, "FWM {mark}"),
            ServiceId::Fwmark {
                family: AddressFamily::Inet6,
                mark,
            } => {
                write!(f, "FWM {mark} IPv6")
            }
        }
    }
}

/// Flags of a service (`IP_VS_SVC_F_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServiceFlags(pub u32);

impl ServiceFlags {
    /// Clients stay with the server they were first given.
    pub const PERSISTENT: ServiceFlags = ServiceFlags(0x1);
    /// The service is in the kernel's table: always set in answers, ignored in requests.
    pub const HASHED: ServiceFlags = ServiceFlags(0x2);
    /// Every packet is scheduled anew (UDP only).
    pub const ONE_PACKET: ServiceFlags = ServiceFlags(0x4);
    /// The scheduler's first flag: the fallback of sh and mh.
    pub const SCHEDULER_1: ServiceFlags = ServiceFlags(0x8);
    /// The scheduler's second flag: sh and mh hash the source port, too.
    pub const SCHEDULER_2: ServiceFlags = ServiceFlags(0x10);
    /// The scheduler's third flag.
    pub const SCHEDULER_3: ServiceFlags = ServiceFlags(0x20);

    /// Whether all of `other` is set here.
    pub fn contains(self, other: ServiceFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and `other`.
    pub fn with(self, other: ServiceFlags) -> ServiceFlags {
        ServiceFlags(self.0 | other.0)
    }

    /// These flags without `other`.
    pub fn without(self, other: ServiceFlags) -> ServiceFlags {
        ServiceFlags(self.0 & !other.0)
    }
}

/// How much of a client's address counts when clients are grouped by persistence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Netmask {
    /// A mask of any bits, for an IPv4 service.
    V4(Ipv4Addr),
    /// A prefix length of 1 to 128, for an IPv6 service.
    V6(u32),
}

impl Netmask {
    /// The mask that tells each client from each other.
    pub fn host(family: AddressFamily) -> Self {
        match family {
            AddressFamily::Inet => Netmask::V4(Ipv4Addr::BROADCAST),
            AddressFamily::Inet6 => Netmask::V6(128),
        }
    }

    /// Reads the four bytes of the wire: network order for IPv4, a host-order number for IPv6.
    fn from_wire(family: AddressFamily, bytes: [u8; 4]) -> Self {
        match family {
            AddressFamily::Inet => Netmask::V4(Ipv4Addr::from(bytes)),
            AddressFamily::Inet6 => Netmask::V6(u32::from_ne_bytes(bytes)),
        }
    }

    /// The four bytes of the wire.
    fn to_wire(self) -> [u8; 4] {
        match self {
            Netmask::V4(mask) => mask.octets(),
            Netmask::V6(length) => length.to_ne_bytes(),
        }
    }
}

/// A service as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Which service it is.
    pub id: ServiceId,
    /// The scheduler's name, at most 15 bytes; `none` for none.
    pub scheduler: String,
    /// The persistence engine's name, at most 16 bytes.
    pub persistence_engine: Option<String>,
    /// Flags; requests replace all of them.
    pub flags: ServiceFlags,
    /// The timeout of persistence, in seconds.
    pub timeout: u32,
    /// The granularity of persistence; its kind must fit the service's family.
    pub netmask: Netmask,
}

impl Service {
    /// A service without persistence.
    pub fn new(id: ServiceId, scheduler: impl Into<String>) -> Self {
        Service {
            netmask: Netmask::host(id.family()),
            id,
            scheduler: scheduler.into(),
            persistence_engine: None,
            flags: ServiceFlags::default(),
            timeout: 0,
        }
    }

    /// The attributes that add or change the service, in the kernel's order.
    pub fn to_attributes(&self) -> Vec<ServiceAttr> {
        let mut attributes = self.id.to_attributes();
        attributes.push(ServiceAttr::Scheduler(self.scheduler.clone()));
        if let Some(engine) = &self.persistence_engine {
            attributes.push(ServiceAttr::PersistenceEngine(engine.clone()));
        }
        attributes.push(ServiceAttr::Flags {
            flags: self.flags.0,
            mask: u32::MAX,
        });
        attributes.push(ServiceAttr::Timeout(self.timeout));
        attributes.push(ServiceAttr::Netmask(self.netmask.to_wire()));
        attributes
    }

    /// Reads a service out of its attributes; all but the persistence engine must be there.
    pub fn from_attributes(attributes: &[ServiceAttr]) -> Result<Self, DecodeError> {
        let id = ServiceId::from_attributes(attributes)?;
        let (mut scheduler, mut persistence_engine) = (None, None);
        let (mut service_flags, mut timeout, mut netmask) = (None, None, None);
        for attribute in attributes {
            match attribute {
                ServiceAttr::Scheduler(name) => scheduler = Some(name.clone()),
                ServiceAttr::PersistenceEngine(name) => persistence_engine = Some(name.clone()),
                ServiceAttr::Flags { flags, .. } => service_flags = Some(ServiceFlags(*flags)),
                ServiceAttr::Timeout(seconds) => timeout = Some(*seconds),
                ServiceAttr::Netmask(bytes) => netmask = Some(*bytes),
                _ => {}
            }
        }
        let missing = |name| attr::missing("IPVS service", name);
        Ok(Service {
            netmask: Netmask::from_wire(id.family(), netmask.ok_or_else(|| missing("NETMASK"))?),
            id,
            scheduler: scheduler.ok_or_else(|| missing("SCHED_NAME"))?,
            persistence_engine,
            flags: service_flags.ok_or_else(|| missing("FLAGS"))?,
            timeout: timeout.ok_or_else(|| missing("TIMEOUT"))?,
        })
    }
}

/// A service as the kernel lists it: its configuration, and what passed through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    /// The configuration.
    pub service: Service,
    /// The counters and rates; the wide ones where the kernel has them.
    pub stats: Stats,
}

impl ServiceEntry {
    /// The attributes of a listed service, in the kernel's order.
    pub fn to_attributes(&self) -> Vec<ServiceAttr> {
        let mut attributes = self.service.to_attributes();
        attributes.push(ServiceAttr::Stats(self.stats.to_attributes_32()));
        attributes.push(ServiceAttr::Stats64(self.stats.to_attributes_64()));
        attributes
    }

    /// Reads a listed service out of its attributes.
    pub fn from_attributes(attributes: &[ServiceAttr]) -> Result<Self, DecodeError> {
        let (mut narrow, mut wide) = (None, None);
        for attribute in attributes {
            match attribute {
                ServiceAttr::Stats(nest) => narrow = Some(nest),
                ServiceAttr::Stats64(nest) => wide = Some(nest),
                _ => {}
            }
        }
        let nest = wide
            .or(narrow)
            .ok_or_else(|| attr::missing("IPVS service", "STATS"))?;
        Ok(ServiceEntry {
            service: Service::from_attributes(attributes)?,
            stats: Stats::from_attributes(nest)?,
        })
    }
}

/// One attribute of a service, as on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceAttr {
    /// `AF`: the address family's number.
    Family(u16),
    /// `PROTOCOL`: the transport protocol's number.
    Protocol(u16),
    /// `ADDR`: 16 bytes, of which IPv4 uses the first four.
    Address([u8; 16]),
    /// `PORT`, in host order here.
    Port(u16),
    /// `FWMARK`.
    Fwmark(u32),
    /// `SCHED_NAME`.
    Scheduler(String),
    /// `FLAGS`: new flags are the old without `mask`, and `flags` within `mask`.
    Flags {
        /// The bits.
        flags: u32,
        /// The bits that are to change.
        mask: u32,
    },
    /// `TIMEOUT`, in seconds.
    Timeout(u32),
    /// `NETMASK`: an IPv4 mask in network order, or an IPv6 prefix length in host order.
    Netmask([u8; 4]),
    /// `STATS`.
    Stats(Vec<StatsAttr>),
    /// `PE_NAME`.
    PersistenceEngine(String),
    /// `STATS64`.
    Stats64(Vec<StatsAttr>),
    /// A number unknown here.
    Other(DefaultNla),
}

impl Nla for ServiceAttr {
    fn value_len(&self) -> usize {
        match self {
            ServiceAttr::Family(_) | ServiceAttr::Protocol(_) | ServiceAttr::Port(_) => 2,
            ServiceAttr::Address(_) => 16,
            ServiceAttr::Fwmark(_) | ServiceAttr::Timeout(_) | ServiceAttr::Netmask(_) => 4,
            ServiceAttr::Scheduler(name) | ServiceAttr::PersistenceEngine(name) => {
                attr::string_len(name)
            }
            ServiceAttr::Flags { .. } => 8,
            ServiceAttr::Stats(nest) | ServiceAttr::Stats64(nest) => attr::nested_len(nest),
            ServiceAttr::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            ServiceAttr::Family(_) => AF,
            ServiceAttr::Protocol(_) => PROTOCOL,
            ServiceAttr::Address(_) => ADDR,
            ServiceAttr::Port(_) => PORT,
            ServiceAttr::Fwmark(_) => FWMARK,
            ServiceAttr::Scheduler(_) => SCHED_NAME,
            ServiceAttr::Flags { .. } => FLAGS,
            ServiceAttr::Timeout(_) => TIMEOUT,
            ServiceAttr::Netmask(_) => NETMASK,
            ServiceAttr::Stats(_) => STATS | NLA_F_NESTED,
            ServiceAttr::PersistenceEngine(_) => PE_NAME,
            ServiceAttr::Stats64(_) => STATS64 | NLA_F_NESTED,
            ServiceAttr::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            ServiceAttr::Family(value) | ServiceAttr::Protocol(value) => {
                attr::write(buffer, &value.to_ne_bytes())
            }
            ServiceAttr::Address(bytes) => attr::write(buffer, bytes),
            ServiceAttr::Port(port) => attr::write(buffer, &port.to_be_bytes()),
            ServiceAttr::Fwmark(value) | ServiceAttr::Timeout(value) => {
                attr::write(buffer, &value.to_ne_bytes())
            }
            ServiceAttr::Scheduler(name) | ServiceAttr::PersistenceEngine(name) => {
                attr::write_string(buffer, name)
            }
            ServiceAttr::Flags { flags, mask } => {
                attr::write(buffer, &flags.to_ne_bytes());
                attr::write(buffer.get_mut(4..).unwrap_or_default(), &mask.to_ne_bytes());
            }
            ServiceAttr::Netmask(bytes) => attr::write(buffer, bytes),
            ServiceAttr::Stats(nest) | ServiceAttr::Stats64(nest) => {
                attr::write_nested(buffer, nest)
            }
            ServiceAttr::Other(other) => other.emit_value(buffer),
        }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> Parseable<NlaBuffer<&'a T>> for ServiceAttr {
    fn parse(buf: &NlaBuffer<&'a T>) -> Result<Self, DecodeError> {
        let payload = buf.value();
        Ok(match buf.kind() {
            AF => ServiceAttr::Family(attr::read_u16(payload).context("IPVS_SVC_ATTR_AF")?),
            PROTOCOL => {
                ServiceAttr::Protocol(attr::read_u16(payload).context("IPVS_SVC_ATTR_PROTOCOL")?)
            }
            ADDR => {
                ServiceAttr::Address(attr::read_address(payload).context("IPVS_SVC_ATTR_ADDR")?)
            }
            PORT => ServiceAttr::Port(attr::read_be16(payload).context("IPVS_SVC_ATTR_PORT")?),
            FWMARK => ServiceAttr::Fwmark(attr::read_u32(payload).context("IPVS_SVC_ATTR_FWMARK")?),
            SCHED_NAME => ServiceAttr::Scheduler(
                attr::read_string(payload).context("IPVS_SVC_ATTR_SCHED_NAME")?,
            ),
            FLAGS => {
                let (flags, mask) = attr::read_u32_pair(payload).context("IPVS_SVC_ATTR_FLAGS")?;
                ServiceAttr::Flags { flags, mask }
            }
            TIMEOUT => {
                ServiceAttr::Timeout(attr::read_u32(payload).context("IPVS_SVC_ATTR_TIMEOUT")?)
            }
            NETMASK => {
                ServiceAttr::Netmask(attr::read_4(payload).context("IPVS_SVC_ATTR_NETMASK")?)
            }
            STATS => ServiceAttr::Stats(attr::read_nested(payload, "IPVS_SVC_ATTR_STATS")?),
            PE_NAME => ServiceAttr::PersistenceEngine(
                attr::read_string(payload).context("IPVS_SVC_ATTR_PE_NAME")?,
            ),
            STATS64 => ServiceAttr::Stats64(attr::read_nested(payload, "IPVS_SVC_ATTR_STATS64")?),
            _ => ServiceAttr::Other(DefaultNla::parse(buf)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::{emit, parse};

    fn http() -> Service {
        Service::new(
            ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 81),
            "rr",
        )
    }

    // What ipvsadm 1.31 sends as the SERVICE nest of `-A -t 192.0.2.1:81 -s rr`.
    #[cfg(target_endian = "little")]
    #[rustfmt::skip]
    const ADD_HTTP: &[u8] = &[
        0x06, 0x00, 0x01, 0x00, 0x02, 0x00, 0x00, 0x00,
        0x06, 0x00, 0x02, 0x00, 0x06, 0x00, 0x00, 0x00,
        0x14, 0x00, 0x03, 0x00, 0xc0, 0x00, 0x02, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0x06, 0x00, 0x04, 0x00, 0x00, 0x51, 0x00, 0x00,
        0x07, 0x00, 0x06, 0x00, 0x72, 0x72, 0x00, 0x00,
        0x0c, 0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff,
        0x08, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x09, 0x00, 0xff, 0xff, 0xff, 0xff,
    ];

    #[cfg(target_endian = "little")]
    #[test]
    fn encodes_as_ipvsadm_does() {
        assert_eq!(emit(&http().to_attributes()), ADD_HTTP);
        let attributes: Vec<ServiceAttr> = parse(ADD_HTTP).unwrap();
        assert_eq!(Service::from_attributes(&attributes).unwrap(), http());
    }

    // The attributes before STATS of what the kernel lists after
    // `ipvsadm -A -f 8 -6 -s mh -b mh-port -p 60 -M 17`.
    #[cfg(target_endian = "little")]
    #[rustfmt::skip]
    const LISTED_FWMARK: &[u8] = &[
        0x06, 0x00, 0x01, 0x00, 0x0a, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x05, 0x00, 0x08, 0x00, 0x00, 0x00,
        0x07, 0x00, 0x06, 0x00, 0x6d, 0x68, 0x00, 0x00,
        0x0c, 0x00, 0x07, 0x00, 0x13, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff,
        0x08, 0x00, 0x08, 0x00, 0x3c, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x09, 0x00, 0x11, 0x00, 0x00, 0x00,
    ];

    #[cfg(target_endian = "little")]
    #[test]
    fn decodes_what_the_kernel_lists() {
        let attributes: Vec<ServiceAttr> = parse(LISTED_FWMARK).unwrap();
        let service = Service::from_attributes(&attributes).unwrap();
        assert_eq!(service.id, ServiceId::fwmark(AddressFamily::Inet6, 8));
        assert_eq!(service.scheduler, "mh");
        assert_eq!(service.timeout, 60);
        assert_eq!(service.netmask, Netmask::V6(17));
        let flags = ServiceFlags::PERSISTENT
            .with(ServiceFlags::HASHED)
            .with(ServiceFlags::SCHEDULER_2);
        assert_eq!(service.flags, flags);
        assert_eq!(emit(&service.to_attributes()), LISTED_FWMARK);
    }

    #[test]
    fn a_short_address_is_ipv4() {
        let mut attributes = http().id.to_attributes();
        let mut bytes = emit(&attributes);
        // Cut ADDR to four bytes, as moby/ipvs sends it.
        bytes.drain(24..36);
        bytes.splice(16..18, 8u16.to_ne_bytes());
        let parsed: Vec<ServiceAttr> = parse(&bytes).unwrap();
        assert_eq!(ServiceId::from_attributes(&parsed).unwrap(), http().id);
        attributes.reverse();
        assert_eq!(ServiceId::from_attributes(&attributes).unwrap(), http().id);
    }

    #[test]
    fn every_part_of_the_identity_is_required() {
        for index in 0..4 {
            let mut attributes = http().id.to_attributes();
            attributes.remove(index);
            assert!(
                ServiceId::from_attributes(&attributes).is_err(),
                "without {index}"
            );
        }
        for index in 0..http().to_attributes().len() {
            let mut attributes = http().to_attributes();
            attributes.remove(index);
            assert!(
                Service::from_attributes(&attributes).is_err(),
                "without {index}"
            );
        }
    }

    #[test]
    fn a_mark_wins() {
        let mut attributes = http().to_attributes();
        attributes.push(ServiceAttr::Fwmark(9));
        assert_eq!(
            ServiceId::from_attributes(&attributes).unwrap(),
            ServiceId::fwmark(AddressFamily::Inet, 9)
        );
    }

    #[test]
    fn display() {
        assert_eq!(http().id.to_string(), "TCP 192.0.2.1:81");
        let v6 = ServiceId::address(Protocol::Udp, "2001:db8::1".parse().unwrap(), 53);
        assert_eq!(v6.to_string(), "UDP [2001:db8::1]:53");
        assert_eq!(
            ServiceId::fwmark(AddressFamily::Inet6, 7).to_string(),
            "FWM 7 IPv6"
        );
        assert_eq!(
            ServiceId::fwmark(AddressFamily::Inet, 7).to_string(),
            "FWM 7"
        );
    }

    #[test]
    fn listed_services_come_back() {
        let entry = ServiceEntry {
            service: Service {
                persistence_engine: Some("sip".into()),
                ..http()
            },
            stats: Stats {
                connections: 5,
                ..Stats::default()
            },
        };
        let parsed: Vec<ServiceAttr> = parse(&emit(&entry.to_attributes())).unwrap();
        assert_eq!(ServiceEntry::from_attributes(&parsed).unwrap(), entry);
    }
}
