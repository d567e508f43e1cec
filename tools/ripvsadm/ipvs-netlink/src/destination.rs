// SPDX-License-Identifier: GPL-2.0

//! Destinations, the real servers of a service, and their attributes (`IPVS_DEST_ATTR_*`).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::{
    DecodeError, DefaultNla, ErrorContext, Nla, NlaBuffer, Parseable, NLA_F_NESTED,
};

use crate::attr;
use crate::family::{address_bytes, AddressFamily};
use crate::stats::{Stats, StatsAttr};

const ADDR: u16 = 1;
const PORT: u16 = 2;
const FWD_METHOD: u16 = 3;
const WEIGHT: u16 = 4;
const U_THRESH: u16 = 5;
const L_THRESH: u16 = 6;
const ACTIVE_CONNS: u16 = 7;
const INACT_CONNS: u16 = 8;
const PERSIST_CONNS: u16 = 9;
const STATS: u16 = 10;
const ADDR_FAMILY: u16 = 11;
const STATS64: u16 = 12;
const TUN_TYPE: u16 = 13;
const TUN_PORT: u16 = 14;
const TUN_FLAGS: u16 = 15;

/// The bits of a connection's flags that hold the forwarding method.
const METHOD_MASK: u32 = 7;

/// What tells one destination of a service from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DestinationId {
    /// The real server's address.
    pub address: IpAddr,
    /// The real server's port, in host order.
    pub port: u16,
}

impl DestinationId {
    /// The attributes that identify the destination.
    pub fn to_attributes(&self) -> Vec<DestinationAttr> {
        vec![
            DestinationAttr::Family(AddressFamily::of(&self.address).into()),
            DestinationAttr::Address(address_bytes(&self.address)),
            DestinationAttr::Port(self.port),
        ]
    }

    /// Finds the identity among the attributes of a destination of a service of `family`: the
    /// destination's own family where it is told and not zero, the service's otherwise.
    pub fn from_attributes(
        attributes: &[DestinationAttr],
        family: AddressFamily,
    ) -> Result<Self, DecodeError> {
        let (mut own_family, mut address, mut port) = (None, None, None);
        for attribute in attributes {
            match attribute {
                DestinationAttr::Family(value) => own_family = Some(*value),
                DestinationAttr::Address(value) => address = Some(*value),
                DestinationAttr::Port(value) => port = Some(*value),
                _ => {}
            }
        }
        let family = match own_family {
            None | Some(0) => family,
            Some(number) => AddressFamily::try_from(number)?,
        };
        let missing = |name| attr::missing("IPVS destination", name);
        Ok(DestinationId {
            address: family.address(address.ok_or_else(|| missing("ADDR"))?),
            port: port.ok_or_else(|| missing("PORT"))?,
        })
    }
}

impl fmt::Display for DestinationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// How packets reach a destination (the low bits of `IP_VS_CONN_F_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardMethod {
    /// Network address translation; replies must pass the director, too.
    Masquerade,
    /// Delivered on the director itself; the kernel chooses it for its own addresses.
    Local,
    /// In a tunnel; replies go straight to the client.
    Tunnel,
    /// Sent to the destination's link-layer address unchanged; replies go straight to the client.
    DirectRoute,
    /// Forwarded to where it was going.
    Bypass,
    /// 5, 6 or 7, which forward nothing.
    Other(u32),
}

impl From<u32> for ForwardMethod {
    /// The kernel looks at three bits only, and so does this.
    fn from(number: u32) -> Self {
        match number & METHOD_MASK {
            0 => ForwardMethod::Masquerade,
            1 => ForwardMethod::Local,
            2 => ForwardMethod::Tunnel,
            3 => ForwardMethod::DirectRoute,
            4 => ForwardMethod::Bypass,
            other => ForwardMethod::Other(other),
        }
    }
}

impl From<ForwardMethod> for u32 {
    fn from(method: ForwardMethod) -> u32 {
        match method {
            ForwardMethod::Masquerade => 0,
            ForwardMethod::Local => 1,
            ForwardMethod::Tunnel => 2,
            ForwardMethod::DirectRoute => 3,
            ForwardMethod::Bypass => 4,
            ForwardMethod::Other(number) => number & METHOD_MASK,
        }
    }
}

/// The encapsulation of [`ForwardMethod::Tunnel`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TunnelType {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue,
    /// Generic routing encapsulation.
    Gre,
    /// A number unknown here; never one of the above when it came from [`TunnelType::from`].
    Other(u8),
}

impl From<u8> for TunnelType {
    fn from(number: u8) -> Self {
        match number {
            0 => TunnelType::Ipip,
            1 => TunnelType::Gue,
            2 => TunnelType::Gre,
            other => TunnelType::Other(other),
        }
    }
}

impl From<TunnelType> for u8 {
    fn from(kind: TunnelType) -> u8 {
        match kind {
            TunnelType::Ipip => 0,
            TunnelType::Gue => 1,
            TunnelType::Gre => 2,
            TunnelType::Other(number) => number,
        }
    }
}

/// Checksum flags of a tunnel (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TunnelFlags(pub u16);

impl TunnelFlags {
    /// The encapsulation carries a checksum.
    pub const CHECKSUM: TunnelFlags = TunnelFlags(0x1);
    /// Remote checksum offload (GUE only).
    pub const REMOTE_CHECKSUM: TunnelFlags = TunnelFlags(0x2);

    /// Whether all of `other` is set here.
    pub fn contains(self, other: TunnelFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How a tunnel encapsulates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// The encapsulation.
    pub kind: TunnelType,
    /// The destination port, in host order; GUE needs one.
    pub port: u16,
    /// Checksum flags.
    pub flags: TunnelFlags,
}

/// A destination as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Which destination of its service it is.
    pub id: DestinationId,
    /// How packets reach it.
    pub forward: ForwardMethod,
    /// Its share of new connections; 0 gets none. At most `i32::MAX`.
    pub weight: u32,
    /// From so many connections on it gets no new ones; 0 for no limit.
    pub upper_threshold: u32,
    /// It gets new ones again when it has fewer than these; 0 for three quarters of the upper.
    pub lower_threshold: u32,
    /// The encapsulation where it is reached by a tunnel.
    pub tunnel: Tunnel,
}

impl Destination {
    /// A destination of weight 1 that is reached by direct routing.
    pub fn new(address: IpAddr, port: u16) -> Self {
        Destination {
            id: DestinationId { address, port },
            forward: ForwardMethod::DirectRoute,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
            tunnel: Tunnel::default(),
        }
    }

    /// The attributes that add or change the destination. The tunnel's are always sent: the
    /// kernel resets those that an edit leaves out.
    pub fn to_attributes(&self) -> Vec<DestinationAttr> {
        let mut attributes = self.id.to_attributes();
        attributes.extend([
            DestinationAttr::Forward(self.forward.into()),
            DestinationAttr::Weight(self.weight),
            DestinationAttr::TunnelType(self.tunnel.kind.into()),
            DestinationAttr::TunnelPort(self.tunnel.port),
            DestinationAttr::TunnelFlags(self.tunnel.flags.0),
            DestinationAttr::UpperThreshold(self.upper_threshold),
            DestinationAttr::LowerThreshold(self.lower_threshold),
        ]);
        attributes
    }

    /// Reads a destination of a service of `family` out of its attributes. All must be there but
    /// the tunnel's, which older kernels do not send.
    pub fn from_attributes(
        attributes: &[DestinationAttr],
        family: AddressFamily,
    ) -> Result<Self, DecodeError> {
        let id = DestinationId::from_attributes(attributes, family)?;
        let (mut forward, mut weight, mut upper, mut lower) = (None, None, None, None);
        let mut tunnel = Tunnel::default();
        for attribute in attributes {
            match attribute {
                DestinationAttr::Forward(value) => forward = Some(*value),
                DestinationAttr::Weight(value) => weight = Some(*value),
                DestinationAttr::UpperThreshold(value) => upper = Some(*value),
                DestinationAttr::LowerThreshold(value) => lower = Some(*value),
                DestinationAttr::TunnelType(value) => tunnel.kind = (*value).into(),
                DestinationAttr::TunnelPort(value) => tunnel.port = *value,
                DestinationAttr::TunnelFlags(value) => tunnel.flags = TunnelFlags(*value),
                _ => {}
            }
        }
        let missing = |name| attr::missing("IPVS destination", name);
        Ok(Destination {
            id,
            forward: forward.ok_or_else(|| missing("FWD_METHOD"))?.into(),
            weight: weight.ok_or_else(|| missing("WEIGHT"))?,
            upper_threshold: upper.ok_or_else(|| missing("U_THRESH"))?,
            lower_threshold: lower.ok_or_else(|| missing("L_THRESH"))?,
            tunnel,
        })
    }
}

/// A destination as the kernel lists it: its configuration, its connections, its traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationEntry {
    /// The configuration.
    pub destination: Destination,
    /// Connections in an established state.
    pub active_connections: u32,
    /// Connections in any other state.
    pub inactive_connections: u32,
    /// Clients bound to it by persistence.
    pub persistent_connections: u32,
    /// The counters and rates; the wide ones where the kernel has them.
    pub stats: Stats,
}

impl DestinationEntry {
    /// The attributes of a listed destination, in the kernel's order.
    pub fn to_attributes(&self) -> Vec<DestinationAttr> {
        let destination = &self.destination;
        vec![
            DestinationAttr::Address(address_bytes(&destination.id.address)),
            DestinationAttr::Port(destination.id.port),
            DestinationAttr::Forward(destination.forward.into()),
            DestinationAttr::Weight(destination.weight),
            DestinationAttr::TunnelType(destination.tunnel.kind.into()),
            DestinationAttr::TunnelPort(destination.tunnel.port),
            DestinationAttr::TunnelFlags(destination.tunnel.flags.0),
            DestinationAttr::UpperThreshold(destination.upper_threshold),
            DestinationAttr::LowerThreshold(destination.lower_threshold),
            DestinationAttr::ActiveConnections(self.active_connections),
            DestinationAttr::InactiveConnections(self.inactive_connections),
            DestinationAttr::PersistentConnections(self.persistent_connections),
            DestinationAttr::Family(AddressFamily::of(&destination.id.address).into()),
            DestinationAttr::Stats(self.stats.to_attributes_32()),
            DestinationAttr::Stats64(self.stats.to_attributes_64()),
        ]
    }

    /// Reads a listed destination of a service of `family` out of its attributes.
    pub fn from_attributes(
        attributes: &[DestinationAttr],
        family: AddressFamily,
    ) -> Result<Self, DecodeError> {
        let (mut active, mut inactive, mut persistent) = (None, None, None);
        let (mut narrow, mut wide) = (None, None);
        for attribute in attributes {
            match attribute {
                DestinationAttr::ActiveConnections(value) => active = Some(*value),
                DestinationAttr::InactiveConnections(value) => inactive = Some(*value),
                DestinationAttr::PersistentConnections(value) => persistent = Some(*value),
                DestinationAttr::Stats(nest) => narrow = Some(nest),
                DestinationAttr::Stats64(nest) => wide = Some(nest),
                _ => {}
            }
        }
        let missing = |name| attr::missing("IPVS destination", name);
        Ok(DestinationEntry {
            destination: Destination::from_attributes(attributes, family)?,
            active_connections: active.ok_or_else(|| missing("ACTIVE_CONNS"))?,
            inactive_connections: inactive.ok_or_else(|| missing("INACT_CONNS"))?,
            persistent_connections: persistent.ok_or_else(|| missing("PERSIST_CONNS"))?,
            stats: Stats::from_attributes(wide.or(narrow).ok_or_else(|| missing("STATS"))?)?,
        })
    }
}

/// One attribute of a destination, as on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DestinationAttr {
    /// `ADDR`: 16 bytes, of which IPv4 uses the first four.
    Address([u8; 16]),
    /// `PORT`, in host order here.
    Port(u16),
    /// `FWD_METHOD`.
    Forward(u32),
    /// `WEIGHT`.
    Weight(u32),
    /// `U_THRESH`.
    UpperThreshold(u32),
    /// `L_THRESH`.
    LowerThreshold(u32),
    /// `ACTIVE_CONNS`.
    ActiveConnections(u32),
    /// `INACT_CONNS`.
    InactiveConnections(u32),
    /// `PERSIST_CONNS`.
    PersistentConnections(u32),
    /// `STATS`.
    Stats(Vec<StatsAttr>),
    /// `ADDR_FAMILY`: absent or 0 for the service's family.
    Family(u16),
    /// `STATS64`.
    Stats64(Vec<StatsAttr>),
    /// `TUN_TYPE`.
    TunnelType(u8),
    /// `TUN_PORT`, in host order here.
    TunnelPort(u16),
    /// `TUN_FLAGS`.
    TunnelFlags(u16),
    /// A number unknown here.
    Other(DefaultNla),
}

impl Nla for DestinationAttr {
    fn value_len(&self) -> usize {
        match self {
            DestinationAttr::Address(_) => 16,
            DestinationAttr::Port(_)
            | DestinationAttr::Family(_)
            | DestinationAttr::TunnelPort(_)
            | DestinationAttr::TunnelFlags(_) => 2,
            DestinationAttr::Forward(_)
            | DestinationAttr::Weight(_)
            | DestinationAttr::UpperThreshold(_)
            | DestinationAttr::LowerThreshold(_)
            | DestinationAttr::ActiveConnections(_)
            | DestinationAttr::InactiveConnections(_)
            | DestinationAttr::PersistentConnections(_) => 4,
            DestinationAttr::Stats(nest) | DestinationAttr::Stats64(nest) => attr::nested_len(nest),
            DestinationAttr::TunnelType(_) => 1,
            DestinationAttr::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            DestinationAttr::Address(_) => ADDR,
            DestinationAttr::Port(_) => PORT,
            DestinationAttr::Forward(_) => FWD_METHOD,
            DestinationAttr::Weight(_) => WEIGHT,
            DestinationAttr::UpperThreshold(_) => U_THRESH,
            DestinationAttr::LowerThreshold(_) => L_THRESH,
            DestinationAttr::ActiveConnections(_) => ACTIVE_CONNS,
            DestinationAttr::InactiveConnections(_) => INACT_CONNS,
            DestinationAttr::PersistentConnections(_) => PERSIST_CONNS,
            DestinationAttr::Stats(_) => STATS | NLA_F_NESTED,
            DestinationAttr::Family(_) => ADDR_FAMILY,
            DestinationAttr::Stats64(_) => STATS64 | NLA_F_NESTED,
            DestinationAttr::TunnelType(_) => TUN_TYPE,
            DestinationAttr::TunnelPort(_) => TUN_PORT,
            DestinationAttr::TunnelFlags(_) => TUN_FLAGS,
            DestinationAttr::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            DestinationAttr::Address(bytes) => attr::write(buffer, bytes),
            DestinationAttr::Port(port) | DestinationAttr::TunnelPort(port) => {
                attr::write(buffer, &port.to_be_bytes())
            }
            DestinationAttr::Family(value) | DestinationAttr::TunnelFlags(value) => {
                attr::write(buffer, &value.to_ne_bytes())
            }
            DestinationAttr::Forward(value)
            | DestinationAttr::Weight(value)
            | DestinationAttr::UpperThreshold(value)
            | DestinationAttr::LowerThreshold(value)
            | DestinationAttr::ActiveConnections(value)
            | DestinationAttr::InactiveConnections(value)
            | DestinationAttr::PersistentConnections(value) => {
                attr::write(buffer, &value.to_ne_bytes())
            }
            DestinationAttr::Stats(nest) | DestinationAttr::Stats64(nest) => {
                attr::write_nested(buffer, nest)
            }
            DestinationAttr::TunnelType(value) => attr::write(buffer, &[*value]),
            DestinationAttr::Other(other) => other.emit_value(buffer),
        }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> Parseable<NlaBuffer<&'a T>> for DestinationAttr {
    fn parse(buf: &NlaBuffer<&'a T>) -> Result<Self, DecodeError> {
        let (kind, payload) = (buf.kind(), buf.value());
        let parsed = match kind {
            ADDR => attr::read_address(payload).map(DestinationAttr::Address),
            PORT => attr::read_be16(payload).map(DestinationAttr::Port),
            FWD_METHOD => attr::read_u32(payload).map(DestinationAttr::Forward),
            WEIGHT => attr::read_u32(payload).map(DestinationAttr::Weight),
            U_THRESH => attr::read_u32(payload).map(DestinationAttr::UpperThreshold),
            L_THRESH => attr::read_u32(payload).map(DestinationAttr::LowerThreshold),
            ACTIVE_CONNS => attr::read_u32(payload).map(DestinationAttr::ActiveConnections),
            INACT_CONNS => attr::read_u32(payload).map(DestinationAttr::InactiveConnections),
            PERSIST_CONNS => attr::read_u32(payload).map(DestinationAttr::PersistentConnections),
            STATS => attr::read_nested(payload, "STATS").map(DestinationAttr::Stats),
            ADDR_FAMILY => attr::read_u16(payload).map(DestinationAttr::Family),
            STATS64 => attr::read_nested(payload, "STATS64").map(DestinationAttr::Stats64),
            TUN_TYPE => attr::read_u8(payload).map(DestinationAttr::TunnelType),
            TUN_PORT => attr::read_be16(payload).map(DestinationAttr::TunnelPort),
            TUN_FLAGS => attr::read_u16(payload).map(DestinationAttr::TunnelFlags),
            _ => DefaultNla::parse(buf).map(DestinationAttr::Other),
        };
        parsed.with_context(|| format!("IPVS_DEST_ATTR number {kind}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::{emit, parse};

    // The DEST nest, up to STATS, of what the kernel lists after `ipvsadm -a -f 8 -6
    // -r 10.0.0.1 -i --tun-type gue --tun-port 6080 --tun-remcsum -w 7 -x 9 -y 3`.
    #[cfg(target_endian = "little")]
    #[rustfmt::skip]
    const LISTED_GUE: &[u8] = &[
        0x14, 0x00, 0x01, 0x00, 0x0a, 0x00, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0x06, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x04, 0x00, 0x07, 0x00, 0x00, 0x00,
        0x05, 0x00, 0x0d, 0x00, 0x01, 0x00, 0x00, 0x00,
        0x06, 0x00, 0x0e, 0x00, 0x17, 0xc0, 0x00, 0x00,
        0x06, 0x00, 0x0f, 0x00, 0x02, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x05, 0x00, 0x09, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x06, 0x00, 0x03, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x06, 0x00, 0x0b, 0x00, 0x02, 0x00, 0x00, 0x00,
    ];

    fn gue() -> Destination {
        Destination {
            forward: ForwardMethod::Tunnel,
            weight: 7,
            upper_threshold: 9,
            lower_threshold: 3,
            tunnel: Tunnel {
                kind: TunnelType::Gue,
                port: 6080,
                flags: TunnelFlags::REMOTE_CHECKSUM,
            },
            ..Destination::new("10.0.0.1".parse().unwrap(), 0)
        }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn decodes_what_the_kernel_lists() {
        let attributes: Vec<DestinationAttr> = parse(LISTED_GUE).unwrap();
        // The service is IPv6, the destination says that it is IPv4.
        let destination = Destination::from_attributes(&attributes, AddressFamily::Inet6).unwrap();
        assert_eq!(destination, gue());
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn encodes_in_the_kernels_order() {
        let entry = DestinationEntry {
            destination: gue(),
            active_connections: 0,
            inactive_connections: 0,
            persistent_connections: 0,
            stats: Stats::default(),
        };
        assert!(emit(&entry.to_attributes()).starts_with(LISTED_GUE));
    }

    // What ipvsadm 1.31 sends as the DEST nest of `-a -t 192.0.2.1:81 -r 10.0.0.3 -m -w 5`.
    #[cfg(target_endian = "little")]
    #[rustfmt::skip]
    const ADD_NAT: &[u8] = &[
        0x06, 0x00, 0x0b, 0x00, 0x02, 0x00, 0x00, 0x00,
        0x14, 0x00, 0x01, 0x00, 0x0a, 0x00, 0x00, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0x06, 0x00, 0x02, 0x00, 0x00, 0x51, 0x00, 0x00,
        0x08, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x04, 0x00, 0x05, 0x00, 0x00, 0x00,
        0x05, 0x00, 0x0d, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x06, 0x00, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x06, 0x00, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00,
    ];

    #[cfg(target_endian = "little")]
    #[test]
    fn encodes_as_ipvsadm_does() {
        let nat = Destination {
            forward: ForwardMethod::Masquerade,
            weight: 5,
            ..Destination::new("10.0.0.3".parse().unwrap(), 81)
        };
        assert_eq!(emit(&nat.to_attributes()), ADD_NAT);
    }

    #[test]
    fn the_services_family_where_none_is_told() {
        for own in [None, Some(0)] {
            let mut attributes = gue().to_attributes();
            attributes.remove(0);
            attributes.extend(own.map(DestinationAttr::Family));
            let id = DestinationId::from_attributes(&attributes, AddressFamily::Inet).unwrap();
            assert_eq!(id, gue().id);
        }
        let odd = [DestinationAttr::Family(1)];
        assert!(DestinationId::from_attributes(&odd, AddressFamily::Inet).is_err());
    }

    #[test]
    fn what_is_required() {
        // FAMILY and the three of the tunnel are not.
        let optional = [0, 5, 6, 7];
        for index in 0..gue().to_attributes().len() {
            let mut attributes = gue().to_attributes();
            attributes.remove(index);
            let result = Destination::from_attributes(&attributes, AddressFamily::Inet);
            assert_eq!(result.is_ok(), optional.contains(&index), "without {index}");
        }
    }

    #[test]
    fn methods_are_three_bits() {
        for number in 0..8 {
            assert_eq!(u32::from(ForwardMethod::from(number)), number);
            assert_eq!(
                ForwardMethod::from(number | 0x100),
                ForwardMethod::from(number)
            );
        }
        assert_eq!(u32::from(ForwardMethod::Other(13)), 5);
    }

    #[test]
    fn tunnel_types() {
        for number in 0..=255 {
            assert_eq!(u8::from(TunnelType::from(number)), number);
        }
    }
}
