// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Destinations, the real servers of a service, and their attributes (`IPVS_DEST_ATTR_*`).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::attr::{self, attributes};
use crate::decode::DecodeError;
use crate::drain::Drain;
use crate::family::{address_bytes, AddressFamily};
use crate::forward::{ForwardMethod, Tunnel, TunnelFlags};
use crate::stats::Stats;
use crate::uapi::dest_attr::{
    ACTIVE_CONNS, ADDR, ADDR_FAMILY, FWD_METHOD, INACT_CONNS, L_THRESH, PERSIST_CONNS, PORT, STATS,
    STATS64, TUN_FLAGS, TUN_PORT, TUN_TYPE, U_THRESH, WEIGHT,
};

/// Identity of a destination in its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DestinationId {
    /// The real server's address.
    pub address: IpAddr,
    /// The real server's port, in host order.
    pub port: u16,
}

impl DestinationId {
    /// Adds the attributes that identify the destination to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let family = u16::from(AddressFamily::of(&self.address));
        attr::put(out, ADDR_FAMILY, &family.to_ne_bytes());
        attr::put(out, ADDR, &address_bytes(&self.address));
        attr::put(out, PORT, &self.port.to_be_bytes());
    }

    /// Finds the identity among the attributes of a destination of a service of `family`: the
    /// destination's own family where it is told and not zero, the service's otherwise.
    ///
    /// # Errors
    /// Names the attribute that is missing, unknown or of a wrong length.
    pub fn decode(nest: &[u8], family: AddressFamily) -> Result<Self, DecodeError> {
        Fields::read(nest)?.id(family)
    }
}

impl fmt::Display for DestinationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// A destination as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its identity in its service.
    pub id: DestinationId,
    /// Its forwarding method.
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

    /// Adds the attributes that add or change the destination to `out`. The tunnel's are always
    /// sent: the kernel resets those that an edit leaves out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.id.encode(out);
        self.encode_terms(out);
        self.encode_thresholds(out);
    }

    fn encode_terms(&self, out: &mut Vec<u8>) {
        attr::put(out, FWD_METHOD, &u32::from(self.forward).to_ne_bytes());
        attr::put(out, WEIGHT, &self.weight.to_ne_bytes());
        attr::put(out, TUN_TYPE, &[self.tunnel.kind.into()]);
        attr::put(out, TUN_PORT, &self.tunnel.port.to_be_bytes());
        attr::put(out, TUN_FLAGS, &self.tunnel.flags.0.to_ne_bytes());
    }

    fn encode_thresholds(&self, out: &mut Vec<u8>) {
        attr::put(out, U_THRESH, &self.upper_threshold.to_ne_bytes());
        attr::put(out, L_THRESH, &self.lower_threshold.to_ne_bytes());
    }

    /// Reads a destination of a service of `family` out of its attributes.
    ///
    /// # Errors
    /// Names the attribute that is missing, unknown or of a wrong length.
    pub fn decode(nest: &[u8], family: AddressFamily) -> Result<Self, DecodeError> {
        Fields::read(nest)?.destination(family)
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
    /// Its drain, which is known by the family `RIPVS` only.
    pub drain: Option<Drain>,
    /// The counters and rates; the wide ones where the kernel has them.
    pub stats: Stats,
}

impl DestinationEntry {
    /// Adds the attributes of a listed destination to `out`, in the kernel's order.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let destination = &self.destination;
        let id = &destination.id;
        attr::put(out, ADDR, &address_bytes(&id.address));
        attr::put(out, PORT, &id.port.to_be_bytes());
        destination.encode_terms(out);
        destination.encode_thresholds(out);
        attr::put(out, ACTIVE_CONNS, &self.active_connections.to_ne_bytes());
        attr::put(out, INACT_CONNS, &self.inactive_connections.to_ne_bytes());
        attr::put(
            out,
            PERSIST_CONNS,
            &self.persistent_connections.to_ne_bytes(),
        );
        let family = u16::from(AddressFamily::of(&id.address));
        attr::put(out, ADDR_FAMILY, &family.to_ne_bytes());
        attr::put_nest(out, STATS, |out| self.stats.encode_32(out));
        attr::put_nest(out, STATS64, |out| self.stats.encode_64(out));
    }

    /// Reads a listed destination of a service of `family` out of its attributes.
    ///
    /// # Errors
    /// Names the attribute that is missing, unknown or of a wrong length.
    pub fn decode(nest: &[u8], family: AddressFamily) -> Result<Self, DecodeError> {
        let missing = |name| DecodeError::new(name, "is missing");
        let fields = Fields::read(nest)?;
        let stats = fields.wide.or(fields.narrow);
        Ok(DestinationEntry {
            destination: fields.destination(family)?,
            active_connections: fields
                .active
                .ok_or(missing("IPVS_DEST_ATTR_ACTIVE_CONNS"))?,
            inactive_connections: fields
                .inactive
                .ok_or(missing("IPVS_DEST_ATTR_INACT_CONNS"))?,
            persistent_connections: fields
                .persistent
                .ok_or(missing("IPVS_DEST_ATTR_PERSIST_CONNS"))?,
            drain: None,
            stats: Stats::decode(stats.ok_or(missing("IPVS_DEST_ATTR_STATS"))?)?,
        })
    }
}

/// The attributes of a destination, each where it was there.
#[derive(Default)]
struct Fields<'a> {
    family: Option<u16>,
    address: Option<[u8; 16]>,
    port: Option<u16>,
    forward: Option<u32>,
    weight: Option<u32>,
    upper: Option<u32>,
    lower: Option<u32>,
    tunnel: Tunnel,
    active: Option<u32>,
    inactive: Option<u32>,
    persistent: Option<u32>,
    narrow: Option<&'a [u8]>,
    wide: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn read(nest: &'a [u8]) -> Result<Self, DecodeError> {
        const ADDRESS: &str = "the address of a destination (IPVS_DEST_ATTR_*)";
        const TERMS: &str = "the configuration of a destination (IPVS_DEST_ATTR_*)";
        const COUNT: &str = "the connections of a destination (IPVS_DEST_ATTR_*)";
        let mut fields = Fields::default();
        for attribute in attributes(nest, "IPVS destination") {
            let (number, payload) = attribute?;
            match number {
                ADDR => fields.address = Some(attr::read_address(payload, ADDRESS)?),
                PORT => fields.port = Some(attr::read_be16(payload, ADDRESS)?),
                ADDR_FAMILY => fields.family = Some(attr::read_u16(payload, ADDRESS)?),
                FWD_METHOD => fields.forward = Some(attr::read_u32(payload, TERMS)?),
                WEIGHT => fields.weight = Some(attr::read_u32(payload, TERMS)?),
                U_THRESH => fields.upper = Some(attr::read_u32(payload, TERMS)?),
                L_THRESH => fields.lower = Some(attr::read_u32(payload, TERMS)?),
                TUN_TYPE => fields.tunnel.kind = attr::read_u8(payload, TERMS)?.into(),
                TUN_PORT => fields.tunnel.port = attr::read_be16(payload, TERMS)?,
                TUN_FLAGS => fields.tunnel.flags = TunnelFlags(attr::read_u16(payload, TERMS)?),
                ACTIVE_CONNS => fields.active = Some(attr::read_u32(payload, COUNT)?),
                INACT_CONNS => fields.inactive = Some(attr::read_u32(payload, COUNT)?),
                PERSIST_CONNS => fields.persistent = Some(attr::read_u32(payload, COUNT)?),
                STATS => fields.narrow = Some(payload),
                STATS64 => fields.wide = Some(payload),
                _ => {}
            }
        }
        Ok(fields)
    }

    fn id(&self, family: AddressFamily) -> Result<DestinationId, DecodeError> {
        let missing = |name| DecodeError::new(name, "is missing");
        let family = match self.family {
            None | Some(0) => family,
            Some(number) => AddressFamily::try_from(number)?,
        };
        Ok(DestinationId {
            address: family.address(self.address.ok_or(missing("IPVS_DEST_ATTR_ADDR"))?),
            port: self.port.ok_or(missing("IPVS_DEST_ATTR_PORT"))?,
        })
    }

    fn destination(&self, family: AddressFamily) -> Result<Destination, DecodeError> {
        let missing = |name| DecodeError::new(name, "is missing");
        Ok(Destination {
            id: self.id(family)?,
            forward: self
                .forward
                .ok_or(missing("IPVS_DEST_ATTR_FWD_METHOD"))?
                .into(),
            weight: self.weight.ok_or(missing("IPVS_DEST_ATTR_WEIGHT"))?,
            upper_threshold: self.upper.ok_or(missing("IPVS_DEST_ATTR_U_THRESH"))?,
            lower_threshold: self.lower.ok_or(missing("IPVS_DEST_ATTR_L_THRESH"))?,
            tunnel: self.tunnel,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::{filled, without};
    use crate::forward::TunnelType;

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
        // The service is IPv6, the destination says that it is IPv4.
        let destination = Destination::decode(LISTED_GUE, AddressFamily::Inet6).unwrap();
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
            drain: None,
            stats: Stats::default(),
        };
        assert!(filled(|out| entry.encode(out)).starts_with(LISTED_GUE));
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
        assert_eq!(filled(|out| nat.encode(out)), ADD_NAT);
    }

    #[test]
    fn the_services_family_where_none_is_told() {
        let bare = without(&filled(|out| gue().encode(out)), ADDR_FAMILY);
        let told = |family: u16| {
            let mut nest = bare.clone();
            attr::put(&mut nest, ADDR_FAMILY, &family.to_ne_bytes());
            DestinationId::decode(&nest, AddressFamily::Inet)
        };
        let untold = DestinationId::decode(&bare, AddressFamily::Inet);
        assert_eq!(untold.unwrap(), gue().id);
        assert_eq!(told(0).unwrap(), gue().id);
        assert!(told(1).is_err());
    }

    #[test]
    fn what_is_required() {
        let nest = filled(|out| gue().encode(out));
        for number in ADDR..=TUN_FLAGS {
            let result = Destination::decode(&without(&nest, number), AddressFamily::Inet);
            let required = [ADDR, PORT, FWD_METHOD, WEIGHT, U_THRESH, L_THRESH];
            assert_eq!(result.is_err(), required.contains(&number), "{number}");
        }
    }

    #[test]
    fn what_a_listing_has_besides() {
        let entry = DestinationEntry {
            destination: gue(),
            active_connections: 1,
            inactive_connections: 2,
            persistent_connections: 3,
            drain: None,
            stats: Stats {
                connections: 4,
                ..Stats::default()
            },
        };
        let nest = filled(|out| entry.encode(out));
        let decode = |nest: &[u8]| DestinationEntry::decode(nest, AddressFamily::Inet);
        assert_eq!(decode(&nest).unwrap(), entry);
        // Old kernels have narrow counters only.
        let old = without(&nest, STATS64);
        assert_eq!(decode(&old).unwrap(), entry);
        for number in [ACTIVE_CONNS, INACT_CONNS, PERSIST_CONNS, STATS] {
            assert!(decode(&without(&old, number)).is_err(), "{number}");
        }
    }
}
