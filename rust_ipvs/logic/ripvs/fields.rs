// SPDX-License-Identifier: GPL-2.0

//! Attributes of services and destinations, as far as a nest has them.

use super::{
    super::{
        config::{
            AddressFamily,
            ConfigError,
            DestinationId,
            EngineName,
            Errno,
            Ip,
            SchedulerName,
            ServiceId,
            ServiceKey, //
        },
        nlattr::{
            self,
            Attributes, //
        },
        uapi::{
            PENAME_MAXLEN,
            SCHEDNAME_MAXLEN, //
        },
    },
    own::OwnEdit,
    uapi::{
        dest_attr,
        service_attr, //
    },
};
use core::ffi::CStr;

/// Makes the error of an invalid request.
pub(super) const fn invalid(words: &'static CStr) -> ConfigError {
    ConfigError::new(Errno::Invalid, words)
}

/// Stores the value of an attribute; `None` is one of a wrong length.
pub(super) fn set<T>(
    field: &mut Option<T>,
    value: Option<T>,
    words: &'static CStr,
) -> Result<(), ConfigError> {
    if field.is_some() {
        return Err(invalid(c"an attribute is given twice"));
    }
    *field = Some(value.ok_or(invalid(words))?);
    Ok(())
}

/// Calls `read` for each attribute of a nest.
///
/// # Errors
///
/// `EINVAL` if the nest does not end with an attribute; those of `read`.
pub(super) fn each<'a>(
    nest: &'a [u8],
    mut read: impl FnMut(u16, &'a [u8]) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    let mut attributes = Attributes::new(nest);
    for (number, payload) in attributes.by_ref() {
        read(number, payload)?;
    }
    match attributes.rest() {
        [] => Ok(()),
        _ => Err(invalid(c"bytes that are no attribute end a nest")),
    }
}

/// Converts a payload of exactly `N` bytes.
pub(super) fn exactly<const N: usize>(payload: &[u8]) -> Option<[u8; N]> {
    payload.try_into().ok()
}

pub(super) fn u8(payload: &[u8]) -> Option<u8> {
    exactly(payload).map(u8::from_ne_bytes)
}

pub(super) fn u16(payload: &[u8]) -> Option<u16> {
    exactly(payload).map(u16::from_ne_bytes)
}

pub(super) fn be16(payload: &[u8]) -> Option<u16> {
    exactly(payload).map(u16::from_be_bytes)
}

pub(super) fn u32(payload: &[u8]) -> Option<u32> {
    exactly(payload).map(u32::from_ne_bytes)
}

/// Converts an address, whose length is its family.
pub(super) fn ip(payload: &[u8]) -> Option<Ip> {
    let v6 = || exactly(payload).map(Ip::V6);
    exactly(payload).map(Ip::V4).or_else(v6)
}

/// Returns the payload of an attribute that may be given once; `None` if it is absent.
///
/// # Errors
///
/// `EINVAL` if it is given twice.
pub(crate) fn single(attributes: &[u8], number: u16) -> Result<Option<&[u8]>, ConfigError> {
    let mut found = Attributes::new(attributes).filter(|(n, _)| *n == number);
    let first = found.next().map(|(_, payload)| payload);
    match found.next() {
        None => Ok(first),
        Some(_) => Err(invalid(c"an attribute is given twice")),
    }
}

/// Attributes of a service, as far as they are present.
#[derive(Default)]
pub(super) struct SvcFields {
    family: Option<u16>,
    protocol: Option<u16>,
    addr: Option<Ip>,
    port: Option<u16>,
    mark: Option<u32>,
    pub(super) scheduler: Option<SchedulerName>,
    pub(super) flags: Option<u32>,
    pub(super) timeout: Option<u32>,
    pub(super) netmask: Option<u32>,
    pub(super) engine: Option<EngineName>,
    pub(super) own: OwnEdit,
}

impl SvcFields {
    pub(super) fn read(nest: &[u8]) -> Result<Self, ConfigError> {
        let mut f = Self::default();
        each(nest, |number, payload| f.add(number, payload))?;
        f.own.check()?;
        Ok(f)
    }

    fn add(&mut self, number: u16, payload: &[u8]) -> Result<(), ConfigError> {
        if let Some(result) = self.own.add(number, payload) {
            return result;
        }
        let name = |most| nlattr::string(payload, most);
        match number {
            service_attr::AF => set(
                &mut self.family,
                u16(payload),
                c"the service's address family does not have 2 bytes",
            ),
            service_attr::PROTOCOL => set(
                &mut self.protocol,
                u16(payload),
                c"the service's protocol does not have 2 bytes",
            ),
            service_attr::ADDR => set(
                &mut self.addr,
                ip(payload),
                c"the service's address has neither 4 nor 16 bytes",
            ),
            service_attr::PORT => set(
                &mut self.port,
                be16(payload),
                c"the service's port does not have 2 bytes",
            ),
            service_attr::FWMARK => set(
                &mut self.mark,
                u32(payload),
                c"the service's firewall mark does not have 4 bytes",
            ),
            service_attr::SCHED_NAME => set(
                &mut self.scheduler,
                name(SCHEDNAME_MAXLEN - 1).and_then(SchedulerName::new),
                c"the scheduler's name is not 0 to 15 bytes and a terminator",
            ),
            service_attr::FLAGS => set(
                &mut self.flags,
                u32(payload),
                c"the service's flags do not have 4 bytes",
            ),
            service_attr::TIMEOUT => set(
                &mut self.timeout,
                u32(payload),
                c"the persistence timeout does not have 4 bytes",
            ),
            service_attr::NETMASK => set(
                &mut self.netmask,
                u32(payload),
                c"the persistence netmask does not have 4 bytes",
            ),
            service_attr::PE_NAME => set(
                &mut self.engine,
                name(PENAME_MAXLEN).and_then(EngineName::new),
                c"the persistence engine's name is not 0 to 16 bytes and a terminator",
            ),
            service_attr::STATS => Err(invalid(c"statistics cannot be set")),
            _ => Err(invalid(c"a service has no such attribute")),
        }
    }

    /// Returns the identity of the service.
    pub(super) fn id(&self) -> Result<ServiceId, ConfigError> {
        let family = match self.family {
            Some(2) => AddressFamily::V4,
            Some(10) => AddressFamily::V6,
            Some(_) => {
                return Err(ConfigError::new(
                    Errno::Family,
                    c"the service's address family is neither AF_INET nor AF_INET6",
                ))
            }
            None => return Err(invalid(c"the service has no address family")),
        };
        let key = match (self.mark, self.protocol, self.addr, self.port) {
            (Some(0), ..) => return Err(invalid(c"0 is no firewall mark of a service")),
            (Some(mark), None, None, None) => ServiceKey::Mark(mark),
            (Some(_), ..) => {
                return Err(invalid(
                    c"a service has a firewall mark, or a protocol, an address and a port",
                ))
            }
            (None, Some(protocol), Some(addr), Some(port)) if addr.family() == family => {
                ServiceKey::Address {
                    protocol,
                    addr,
                    port,
                }
            }
            (None, Some(_), Some(_), Some(_)) => {
                return Err(invalid(
                    c"the service's address is not of its address family",
                ))
            }
            _ => return Err(invalid(
                c"the service has neither a firewall mark nor a protocol, an address and a port",
            )),
        };
        Ok(ServiceId { family, key })
    }
}

/// Attributes of a destination, as far as they are present.
#[derive(Default)]
pub(super) struct DestFields<'a> {
    addr: Option<Ip>,
    port: Option<u16>,
    pub(super) method: Option<u32>,
    pub(super) weight: Option<u32>,
    pub(super) upper: Option<u32>,
    pub(super) lower: Option<u32>,
    pub(super) tunnel_kind: Option<u8>,
    pub(super) tunnel_port: Option<u16>,
    pub(super) tunnel_flags: Option<u16>,
    /// Nest of the options of a drain.
    pub(super) drain: Option<&'a [u8]>,
}

impl<'a> DestFields<'a> {
    pub(super) fn read(nest: &'a [u8]) -> Result<Self, ConfigError> {
        let mut f = Self::default();
        each(nest, |number, payload| f.add(number, payload))?;
        Ok(f)
    }

    fn add(&mut self, number: u16, payload: &'a [u8]) -> Result<(), ConfigError> {
        match number {
            dest_attr::ADDR => set(
                &mut self.addr,
                ip(payload),
                c"the destination's address has neither 4 nor 16 bytes",
            ),
            dest_attr::PORT => set(
                &mut self.port,
                be16(payload),
                c"the destination's port does not have 2 bytes",
            ),
            dest_attr::FWD_METHOD => set(
                &mut self.method,
                u32(payload).filter(|method| *method < METHODS),
                c"the forward method is not 0 to 3",
            ),
            dest_attr::WEIGHT => set(
                &mut self.weight,
                u32(payload),
                c"the weight does not have 4 bytes",
            ),
            dest_attr::U_THRESH => set(
                &mut self.upper,
                u32(payload),
                c"the upper threshold does not have 4 bytes",
            ),
            dest_attr::L_THRESH => set(
                &mut self.lower,
                u32(payload),
                c"the lower threshold does not have 4 bytes",
            ),
            dest_attr::TUN_TYPE => set(
                &mut self.tunnel_kind,
                u8(payload).filter(|kind| *kind < TUNNELS),
                c"the tunnel type is not 0 to 2",
            ),
            dest_attr::TUN_PORT => set(
                &mut self.tunnel_port,
                be16(payload),
                c"the tunnel port does not have 2 bytes",
            ),
            dest_attr::TUN_FLAGS => set(
                &mut self.tunnel_flags,
                u16(payload),
                c"the tunnel flags do not have 2 bytes",
            ),
            dest_attr::DRAIN => set(&mut self.drain, Some(payload), c""),
            dest_attr::ACTIVE_CONNS
            | dest_attr::INACT_CONNS
            | dest_attr::PERSIST_CONNS
            | dest_attr::STATS => Err(invalid(c"numbers of connections cannot be set")),
            _ => Err(invalid(c"a destination has no such attribute")),
        }
    }

    /// Returns the identity of the destination.
    pub(super) fn id(&self) -> Result<DestinationId, ConfigError> {
        Ok(DestinationId {
            addr: self
                .addr
                .ok_or(invalid(c"the destination has no address"))?,
            port: self.port.ok_or(invalid(c"the destination has no port"))?,
        })
    }
}

/// Number of forward methods that a destination can have: all but the one of `cache_bypass`.
const METHODS: u32 = 4;
/// Number of tunnel types.
const TUNNELS: u8 = 3;
