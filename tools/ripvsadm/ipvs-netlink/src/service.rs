// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Virtual services: their identity, configuration and attributes (`IPVS_SVC_ATTR_*`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::attr::{self, attributes};
use crate::decode::DecodeError;
use crate::family::{address_bytes, AddressFamily, Protocol};
use crate::own::OwnOptions;
use crate::stats::Stats;
use crate::uapi::svc_attr::{
    ADDR, AF, FLAGS, FWMARK, NETMASK, PE_NAME, PORT, PROTOCOL, SCHED_NAME, STATS, STATS64, TIMEOUT,
};
use crate::uapi::svc_flags;

/// Identity of a service.
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
    /// Packets that carry a firewall mark.
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

    /// Adds the attributes that identify the service to `out`, in the kernel's order.
    pub fn encode(&self, out: &mut Vec<u8>) {
        attr::put(out, AF, &u16::from(self.family()).to_ne_bytes());
        match self {
            ServiceId::Address {
                protocol,
                address,
                port,
            } => {
                attr::put(out, PROTOCOL, &u16::from(*protocol).to_ne_bytes());
                attr::put(out, ADDR, &address_bytes(address));
                attr::put(out, PORT, &port.to_be_bytes());
            }
            ServiceId::Fwmark { mark, .. } => attr::put(out, FWMARK, &mark.to_ne_bytes()),
        }
    }

    /// Finds the identity among the attributes of a service. A mark wins over an address.
    ///
    /// # Errors
    /// Names the attribute that is missing, unknown or of a wrong length.
    pub fn decode(nest: &[u8]) -> Result<Self, DecodeError> {
        Fields::read(nest)?.id()
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
    pub const PERSISTENT: ServiceFlags = ServiceFlags(svc_flags::PERSISTENT);
    /// The service is in the kernel's table: always set in answers, ignored in requests.
    pub const HASHED: ServiceFlags = ServiceFlags(svc_flags::HASHED);
    /// Every packet is scheduled anew (UDP only).
    pub const ONE_PACKET: ServiceFlags = ServiceFlags(svc_flags::ONEPACKET);
    /// The scheduler's first flag: the fallback of sh and mh.
    pub const SCHEDULER_1: ServiceFlags = ServiceFlags(svc_flags::SCHED1);
    /// The scheduler's second flag: sh and mh hash the source port, too.
    pub const SCHEDULER_2: ServiceFlags = ServiceFlags(svc_flags::SCHED2);
    /// The scheduler's third flag.
    pub const SCHEDULER_3: ServiceFlags = ServiceFlags(svc_flags::SCHED3);

    /// Returns whether all of `other` is set here.
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

/// Part of a client's address that counts when clients are grouped by persistence.
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
    pub(crate) fn from_wire(family: AddressFamily, bytes: [u8; 4]) -> Self {
        match family {
            AddressFamily::Inet => Netmask::V4(Ipv4Addr::from(bytes)),
            AddressFamily::Inet6 => Netmask::V6(u32::from_ne_bytes(bytes)),
        }
    }

    /// The four bytes of the wire.
    pub(crate) fn to_wire(self) -> [u8; 4] {
        match self {
            Netmask::V4(mask) => mask.octets(),
            Netmask::V6(length) => length.to_ne_bytes(),
        }
    }
}

/// A service as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its identity.
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
    /// Options in place of the namespace's, which only the family `RIPVS` has.
    pub own: OwnOptions,
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
            own: OwnOptions::default(),
        }
    }

    /// Adds the attributes that add or change the service to `out`, in the kernel's order.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.id.encode(out);
        attr::put_str(out, SCHED_NAME, &self.scheduler);
        if let Some(engine) = &self.persistence_engine {
            attr::put_str(out, PE_NAME, engine);
        }
        // New flags are the old without the mask, and these within it.
        attr::put_pair(out, FLAGS, self.flags.0, u32::MAX);
        attr::put(out, TIMEOUT, &self.timeout.to_ne_bytes());
        attr::put(out, NETMASK, &self.netmask.to_wire());
    }

    /// Reads a service out of its attributes; all but the persistence engine must be there.
    ///
    /// # Errors
    /// Names the attribute that is missing, unknown or of a wrong length.
    pub fn decode(nest: &[u8]) -> Result<Self, DecodeError> {
        Fields::read(nest)?.service()
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
    /// Adds the attributes of a listed service to `out`, in the kernel's order.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.service.encode(out);
        attr::put_nest(out, STATS, |out| self.stats.encode_32(out));
        attr::put_nest(out, STATS64, |out| self.stats.encode_64(out));
    }

    /// Reads a listed service out of its attributes.
    ///
    /// # Errors
    /// Names the attribute that is missing, unknown or of a wrong length.
    pub fn decode(nest: &[u8]) -> Result<Self, DecodeError> {
        let fields = Fields::read(nest)?;
        let stats = fields
            .wide
            .or(fields.narrow)
            .ok_or(DecodeError::new("IPVS_SVC_ATTR_STATS", "is missing"))?;
        Ok(ServiceEntry {
            service: fields.service()?,
            stats: Stats::decode(stats)?,
        })
    }
}

/// The attributes of a service, each where it was there.
#[derive(Default)]
struct Fields<'a> {
    family: Option<u16>,
    protocol: Option<u16>,
    address: Option<[u8; 16]>,
    port: Option<u16>,
    mark: Option<u32>,
    scheduler: Option<&'a str>,
    flags: Option<u32>,
    timeout: Option<u32>,
    netmask: Option<[u8; 4]>,
    engine: Option<&'a str>,
    narrow: Option<&'a [u8]>,
    wide: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn read(nest: &'a [u8]) -> Result<Self, DecodeError> {
        const ADDRESS: &str = "the address of a service (IPVS_SVC_ATTR_*)";
        const TERMS: &str = "the configuration of a service (IPVS_SVC_ATTR_*)";
        let mut fields = Fields::default();
        for attribute in attributes(nest, "IPVS service") {
            let (number, payload) = attribute?;
            match number {
                AF => fields.family = Some(attr::read_u16(payload, ADDRESS)?),
                PROTOCOL => fields.protocol = Some(attr::read_u16(payload, ADDRESS)?),
                ADDR => fields.address = Some(attr::read_address(payload, ADDRESS)?),
                PORT => fields.port = Some(attr::read_be16(payload, ADDRESS)?),
                FWMARK => fields.mark = Some(attr::read_u32(payload, ADDRESS)?),
                SCHED_NAME => fields.scheduler = Some(attr::read_str(payload, TERMS)?),
                FLAGS => {
                    let [a, b, c, d, _, _, _, _] = attr::bytes(payload, TERMS)?;
                    fields.flags = Some(u32::from_ne_bytes([a, b, c, d]));
                }
                TIMEOUT => fields.timeout = Some(attr::read_u32(payload, TERMS)?),
                NETMASK => fields.netmask = Some(attr::bytes(payload, TERMS)?),
                PE_NAME => fields.engine = Some(attr::read_str(payload, TERMS)?),
                STATS => fields.narrow = Some(payload),
                STATS64 => fields.wide = Some(payload),
                _ => {}
            }
        }
        Ok(fields)
    }

    fn id(&self) -> Result<ServiceId, DecodeError> {
        let missing = |name| DecodeError::new(name, "is missing");
        let family = self.family.ok_or(missing("IPVS_SVC_ATTR_AF"))?;
        let family = AddressFamily::try_from(family)?;
        if let Some(mark) = self.mark {
            return Ok(ServiceId::Fwmark { family, mark });
        }
        let address = self.address.ok_or(missing("IPVS_SVC_ATTR_ADDR"))?;
        Ok(ServiceId::Address {
            protocol: self
                .protocol
                .ok_or(missing("IPVS_SVC_ATTR_PROTOCOL"))?
                .into(),
            address: family.address(address),
            port: self.port.ok_or(missing("IPVS_SVC_ATTR_PORT"))?,
        })
    }

    fn service(&self) -> Result<Service, DecodeError> {
        let missing = |name| DecodeError::new(name, "is missing");
        let id = self.id()?;
        let netmask = self.netmask.ok_or(missing("IPVS_SVC_ATTR_NETMASK"))?;
        Ok(Service {
            netmask: Netmask::from_wire(id.family(), netmask),
            id,
            scheduler: self
                .scheduler
                .ok_or(missing("IPVS_SVC_ATTR_SCHED_NAME"))?
                .to_owned(),
            persistence_engine: self.engine.map(str::to_owned),
            flags: ServiceFlags(self.flags.ok_or(missing("IPVS_SVC_ATTR_FLAGS"))?),
            timeout: self.timeout.ok_or(missing("IPVS_SVC_ATTR_TIMEOUT"))?,
            own: OwnOptions::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::{filled, without};

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
        assert_eq!(filled(|out| http().encode(out)), ADD_HTTP);
        assert_eq!(Service::decode(ADD_HTTP).unwrap(), http());
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
        let service = Service::decode(LISTED_FWMARK).unwrap();
        assert_eq!(service.id, ServiceId::fwmark(AddressFamily::Inet6, 8));
        assert_eq!(service.scheduler, "mh");
        assert_eq!(service.timeout, 60);
        assert_eq!(service.netmask, Netmask::V6(17));
        let flags = ServiceFlags::PERSISTENT
            .with(ServiceFlags::HASHED)
            .with(ServiceFlags::SCHEDULER_2);
        assert_eq!(service.flags, flags);
        assert_eq!(filled(|out| service.encode(out)), LISTED_FWMARK);
    }

    #[test]
    fn a_short_address_is_ipv4() {
        let mut nest = filled(|out| http().id.encode(out));
        // Cut ADDR to four bytes, as moby/ipvs sends it.
        nest.drain(24..36);
        nest.splice(16..18, 8u16.to_ne_bytes());
        assert_eq!(ServiceId::decode(&nest).unwrap(), http().id);
    }

    #[test]
    fn what_is_required() {
        let nest = filled(|out| http().encode(out));
        for number in [AF, PROTOCOL, ADDR, PORT] {
            let nest = without(&nest, number);
            assert!(ServiceId::decode(&nest).is_err(), "without {number}");
        }
        for number in [
            AF, PROTOCOL, ADDR, PORT, SCHED_NAME, FLAGS, TIMEOUT, NETMASK,
        ] {
            let nest = without(&nest, number);
            assert!(Service::decode(&nest).is_err(), "without {number}");
        }
        assert!(Service::decode(&without(&nest, PE_NAME)).is_ok());
    }

    #[test]
    fn a_mark_wins() {
        let nest = filled(|out| {
            http().encode(out);
            attr::put(out, FWMARK, &9u32.to_ne_bytes());
        });
        assert_eq!(
            ServiceId::decode(&nest).unwrap(),
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
        let nest = filled(|out| entry.encode(out));
        assert_eq!(ServiceEntry::decode(&nest).unwrap(), entry);
        // Old kernels have narrow counters only.
        let old = without(&nest, STATS64);
        assert_eq!(ServiceEntry::decode(&old).unwrap(), entry);
        assert!(ServiceEntry::decode(&without(&old, STATS)).is_err());
    }
}
