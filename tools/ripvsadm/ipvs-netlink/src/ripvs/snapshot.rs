// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! All services with their destinations (`RIPVS_SERVICE_*`, `RIPVS_DEST_*`, `RIPVS_STATS_*`).

use std::net::IpAddr;

use super::drain;
use super::uapi::{dest_attr, msg_attr, service_attr};
use crate::attr::{self, attributes};
use crate::decode::DecodeError;
use crate::destination::{Destination, DestinationEntry, DestinationId};
use crate::family::AddressFamily;
use crate::forward::{ForwardMethod, Tunnel, TunnelFlags};
use crate::own::OwnOptions;
use crate::service::{Netmask, Service, ServiceEntry, ServiceFlags, ServiceId};
use crate::stats::Stats;

/// The configuration at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The number of changes of the configuration until then.
    pub generation: u64,
    /// The services, in the kernel's order.
    pub services: Vec<Listed>,
}

/// A service with its destinations, newest first. Without statistics these are zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The service.
    pub service: ServiceEntry,
    /// Its destinations.
    pub destinations: Vec<DestinationEntry>,
}

impl Snapshot {
    /// Adds what a message of the dump shows.
    pub(super) fn add(&mut self, answer: &[u8]) -> Result<(), DecodeError> {
        let mut is_continued = false;
        let mut service = None;
        let mut destinations = Vec::new();
        for attribute in attributes(answer, "services of the family RIPVS") {
            match attribute? {
                (msg_attr::GENERATION, payload) if self.services.is_empty() => {
                    self.generation = attr::read_counter(payload, "the generation")?;
                }
                (msg_attr::SERVICE, nest) => service = Some(nest),
                (msg_attr::CONTINUED, _) => is_continued = true,
                (msg_attr::DEST, nest) => destinations.push(read_destination(nest)?),
                _ => {}
            }
        }
        match self.services.last_mut() {
            Some(last) if is_continued => last.destinations.append(&mut destinations),
            _ => {
                let nest = service.ok_or(DecodeError::new("a message", "has no service"))?;
                let service = read_service(nest)?;
                self.services.push(Listed {
                    service,
                    destinations,
                });
            }
        }
        Ok(())
    }
}

/// Reads an address, whose length is its family.
pub(super) fn read_address(payload: &[u8], name: &'static str) -> Result<IpAddr, DecodeError> {
    match payload.len() {
        4 => Ok(IpAddr::from(attr::bytes::<4>(payload, name)?)),
        _ => Ok(IpAddr::from(attr::bytes::<16>(payload, name)?)),
    }
}

fn missing(name: &'static str) -> DecodeError {
    DecodeError::new(name, "is missing")
}

/// Reads the name of a service.
pub(super) fn read_service_id(nest: &[u8]) -> Result<ServiceId, DecodeError> {
    const NAME: &str = "a service (RIPVS_SERVICE_*)";
    let (mut family, mut protocol, mut address, mut port) = (None, None, None, None);
    let mut mark = None;
    for attribute in attributes(nest, NAME) {
        let (number, payload) = attribute?;
        match number {
            service_attr::AF => family = Some(attr::read_u16(payload, NAME)?),
            service_attr::PROTOCOL => protocol = Some(attr::read_u16(payload, NAME)?),
            service_attr::ADDR => address = Some(read_address(payload, NAME)?),
            service_attr::PORT => port = Some(attr::read_be16(payload, NAME)?),
            service_attr::FWMARK => mark = Some(attr::read_u32(payload, NAME)?),
            _ => {}
        }
    }
    let family = AddressFamily::try_from(family.ok_or(missing("RIPVS_SERVICE_AF"))?)?;
    Ok(match mark {
        Some(mark) => ServiceId::Fwmark { family, mark },
        None => ServiceId::Address {
            protocol: protocol.ok_or(missing("RIPVS_SERVICE_PROTOCOL"))?.into(),
            address: address.ok_or(missing("RIPVS_SERVICE_ADDR"))?,
            port: port.ok_or(missing("RIPVS_SERVICE_PORT"))?,
        },
    })
}

pub(super) fn read_service(nest: &[u8]) -> Result<ServiceEntry, DecodeError> {
    const NAME: &str = "a service (RIPVS_SERVICE_*)";
    let (mut scheduler, mut engine, mut netmask) = (None, None, None);
    let (mut flags, mut timeout) = (0, 0);
    let mut own = OwnOptions::default();
    let mut stats = Stats::default();
    for attribute in attributes(nest, NAME) {
        let (number, payload) = attribute?;
        match number {
            service_attr::SCHED_NAME => scheduler = Some(attr::read_str(payload, NAME)?),
            service_attr::FLAGS => flags = attr::read_u32(payload, NAME)?,
            service_attr::TIMEOUT => timeout = attr::read_u32(payload, NAME)?,
            service_attr::NETMASK => netmask = Some(attr::bytes(payload, NAME)?),
            service_attr::PE_NAME => engine = Some(attr::read_str(payload, NAME)?),
            service_attr::STATS => stats = Stats::decode(payload)?,
            _ => own.read(number, payload)?,
        }
    }
    let id = read_service_id(nest)?;
    let family = id.family();
    let scheduler = scheduler.ok_or(missing("RIPVS_SERVICE_SCHED_NAME"))?;
    let netmask = netmask.map(|bytes| Netmask::from_wire(family, bytes));
    Ok(ServiceEntry {
        service: Service {
            id,
            scheduler: scheduler.to_owned(),
            persistence_engine: engine.map(str::to_owned),
            flags: ServiceFlags(flags),
            timeout,
            netmask: netmask.unwrap_or(Netmask::host(family)),
            own,
        },
        stats,
    })
}

pub(super) fn read_destination(nest: &[u8]) -> Result<DestinationEntry, DecodeError> {
    const NAME: &str = "a destination (RIPVS_DEST_*)";
    let (mut address, mut port, mut forward, mut weight) = (None, None, None, None);
    let (mut upper, mut lower, mut active, mut inactive, mut persistent) = (0, 0, 0, 0, 0);
    let mut tunnel = Tunnel::default();
    let mut drained = None;
    let mut stats = Stats::default();
    for attribute in attributes(nest, NAME) {
        let (number, payload) = attribute?;
        match number {
            dest_attr::ADDR => address = Some(read_address(payload, NAME)?),
            dest_attr::PORT => port = Some(attr::read_be16(payload, NAME)?),
            dest_attr::FWD_METHOD => forward = Some(attr::read_u32(payload, NAME)?),
            dest_attr::WEIGHT => weight = Some(attr::read_u32(payload, NAME)?),
            dest_attr::U_THRESH => upper = attr::read_u32(payload, NAME)?,
            dest_attr::L_THRESH => lower = attr::read_u32(payload, NAME)?,
            dest_attr::ACTIVE_CONNS => active = attr::read_u32(payload, NAME)?,
            dest_attr::INACT_CONNS => inactive = attr::read_u32(payload, NAME)?,
            dest_attr::PERSIST_CONNS => persistent = attr::read_u32(payload, NAME)?,
            dest_attr::TUN_TYPE => tunnel.kind = attr::read_u8(payload, NAME)?.into(),
            dest_attr::TUN_PORT => tunnel.port = attr::read_be16(payload, NAME)?,
            dest_attr::TUN_FLAGS => tunnel.flags = TunnelFlags(attr::read_u16(payload, NAME)?),
            dest_attr::DRAIN => drained = Some(drain::read(payload)?),
            dest_attr::STATS => stats = Stats::decode(payload)?,
            _ => {}
        }
    }
    let forward = forward.ok_or(missing("RIPVS_DEST_FWD_METHOD"))?;
    Ok(DestinationEntry {
        destination: Destination {
            id: DestinationId {
                address: address.ok_or(missing("RIPVS_DEST_ADDR"))?,
                port: port.ok_or(missing("RIPVS_DEST_PORT"))?,
            },
            forward: ForwardMethod::from(forward),
            weight: weight.ok_or(missing("RIPVS_DEST_WEIGHT"))?,
            upper_threshold: upper,
            lower_threshold: lower,
            tunnel,
        },
        active_connections: active,
        inactive_connections: inactive,
        persistent_connections: persistent,
        drain: drained,
        stats,
    })
}
