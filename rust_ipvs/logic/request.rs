// SPDX-License-Identifier: GPL-2.0

//! Parser of netlink requests: attributes of services and destinations (behaviour.rst 11.1, 11.2).
//!
//! Each function takes the payload of a nest or of the whole message, and returns typed values or a
//! [`ConfigError`]. It checks everything that the message alone determines, in the order of C IPVS
//! (G-17).

use super::config::{
    AddressFamily,
    ConfigError,
    DestinationId,
    DestinationSpec,
    EngineName,
    Errno,
    ForwardMethod,
    Ip,
    SchedulerName,
    ServiceId,
    ServiceKey,
    ServiceSpec,
    TunnelChange,
    TunnelSpec, //
};
use super::nlattr::{
    self,
    Attributes, //
};
use super::own_options::OwnOptions;
use super::packet::TCP;
use super::uapi::{
    cmd_attr,
    dest_attr,
    svc_attr,
    PENAME_MAXLEN,
    SCHEDNAME_MAXLEN, //
};

/// Makes the error of an invalid request.
const fn invalid(words: &'static core::ffi::CStr) -> ConfigError {
    ConfigError::new(Errno::Invalid, words)
}

/// Returns the family of an `AF_*` number, if it is supported.
fn family(number: u16) -> Option<AddressFamily> {
    match number {
        2 => Some(AddressFamily::V4),
        10 => Some(AddressFamily::V6),
        _ => None,
    }
}

/// Returns the address in 16 bytes, of which an IPv4 address is the first four.
fn address(family: AddressFamily, bytes: [u8; 16]) -> Ip {
    match family {
        AddressFamily::V4 => {
            let [a, b, c, d, ..] = bytes;
            Ip::V4([a, b, c, d])
        }
        AddressFamily::V6 => Ip::V6(bytes),
    }
}

/// Attributes of a service, as far as they are present.
#[derive(Default)]
struct ServiceFields {
    family: Option<u16>,
    protocol: Option<u16>,
    addr: Option<[u8; 16]>,
    port: Option<u16>,
    mark: Option<u32>,
    scheduler: Option<SchedulerName>,
    flags: Option<[u8; 8]>,
    timeout: Option<u32>,
    netmask: Option<u32>,
    engine: Option<EngineName>,
}

/// Parses a payload into a field. An error names the attribute.
///
/// Each attribute is checked, even if a later one replaces it.
fn set<T>(
    field: &mut Option<T>,
    value: Option<T>,
    words: &'static core::ffi::CStr,
) -> Result<(), ConfigError> {
    *field = Some(value.ok_or(invalid(words))?);
    Ok(())
}

/// Checks the statistics in a request, which are ignored but must be a nest.
fn check_nest(payload: &[u8]) -> Result<(), ConfigError> {
    match payload.len() {
        1..=3 => Err(invalid(c"the statistics are too short")),
        _ => Ok(()),
    }
}

impl ServiceFields {
    fn read(nest: &[u8]) -> Result<Self, ConfigError> {
        let mut f = Self::default();
        for (number, payload) in Attributes::new(nest) {
            match number {
                svc_attr::AF => set(
                    &mut f.family,
                    nlattr::u16(payload),
                    c"the service's address family is too short",
                )?,
                svc_attr::PROTOCOL => set(
                    &mut f.protocol,
                    nlattr::u16(payload),
                    c"the service's protocol is too short",
                )?,
                svc_attr::ADDR => set(
                    &mut f.addr,
                    nlattr::binary(payload),
                    c"the service's address is longer than 16 bytes",
                )?,
                svc_attr::PORT => set(
                    &mut f.port,
                    nlattr::be16(payload),
                    c"the service's port is too short",
                )?,
                svc_attr::FWMARK => set(
                    &mut f.mark,
                    nlattr::u32(payload),
                    c"the service's firewall mark is too short",
                )?,
                svc_attr::SCHED_NAME => set(
                    &mut f.scheduler,
                    nlattr::string(payload, SCHEDNAME_MAXLEN - 1).and_then(SchedulerName::new),
                    c"the scheduler's name is not 0 to 15 bytes and a terminator",
                )?,
                svc_attr::FLAGS => set(
                    &mut f.flags,
                    nlattr::binary(payload),
                    c"the service's flags are longer than 8 bytes",
                )?,
                svc_attr::TIMEOUT => set(
                    &mut f.timeout,
                    nlattr::u32(payload),
                    c"the persistence timeout is too short",
                )?,
                svc_attr::NETMASK => set(
                    &mut f.netmask,
                    nlattr::u32(payload),
                    c"the persistence netmask is too short",
                )?,
                svc_attr::PE_NAME => set(
                    &mut f.engine,
                    nlattr::string(payload, PENAME_MAXLEN).and_then(EngineName::new),
                    c"the persistence engine's name is not 0 to 16 bytes and a terminator",
                )?,
                svc_attr::STATS => check_nest(payload)?,
                _ => {}
            }
        }
        Ok(f)
    }

    /// Returns the identity of the service (G-7).
    fn id(&self) -> Result<ServiceId, ConfigError> {
        let number = self
            .family
            .ok_or(invalid(c"the service has no address family"))?;
        let by_address = match (self.protocol, self.addr, self.port) {
            (Some(protocol), Some(addr), Some(port)) => Some((protocol, addr, port)),
            _ => None,
        };
        if self.mark.is_none() && by_address.is_none() {
            return Err(invalid(
                c"the service has neither a firewall mark nor a protocol, an address and a port",
            ));
        }
        let family = family(number).ok_or(ConfigError::new(
            Errno::Family,
            c"the service's address family is neither AF_INET nor AF_INET6",
        ))?;
        let key = match (self.mark, by_address) {
            // A mark takes precedence, but mark 0 is none. The rest is then TCP, address 0, port 0.
            (Some(0), _) | (None, None) => ServiceKey::Address {
                protocol: TCP.into(),
                addr: address(family, [0; 16]),
                port: 0,
            },
            (Some(mark), _) => ServiceKey::Mark(mark),
            (None, Some((protocol, addr, port))) => ServiceKey::Address {
                protocol,
                addr: address(family, addr),
                port,
            },
        };
        Ok(ServiceId { family, key })
    }
}

/// Parses the identity of a service (G-7).
///
/// # Errors
///
/// `EINVAL` if an attribute is missing or invalid, `EAFNOSUPPORT` for an unknown address family.
pub(crate) fn service_id(nest: &[u8]) -> Result<ServiceId, ConfigError> {
    ServiceFields::read(nest)?.id()
}

/// Parses the configuration of a service (G-6, G-9).
///
/// # Errors
///
/// As [`service_id`]. [`check_netmask`] checks the netmask, which comes later in the order (G-18).
pub(crate) fn service_spec(nest: &[u8]) -> Result<ServiceSpec, ConfigError> {
    let f = ServiceFields::read(nest)?;
    let id = f.id()?;
    let [f0, f1, f2, f3, m0, m1, m2, m3] = f.flags.ok_or(invalid(c"the service has no flags"))?;
    Ok(ServiceSpec {
        id,
        scheduler: f
            .scheduler
            .ok_or(invalid(c"the service has no scheduler's name"))?,
        // An empty name means no engine.
        engine: f.engine.filter(|name| !name.as_bytes().is_empty()),
        flags: u32::from_ne_bytes([f0, f1, f2, f3]),
        flags_mask: u32::from_ne_bytes([m0, m1, m2, m3]),
        timeout: f
            .timeout
            .ok_or(invalid(c"the service has no persistence timeout"))?,
        netmask: f
            .netmask
            .ok_or(invalid(c"the service has no persistence netmask"))?,
        own: OwnOptions::NONE,
    })
}

/// Checks a service's netmask: for IPv6 it must be a prefix length even without persistence (G-6,
/// G-18).
///
/// # Errors
///
/// `EINVAL` if it is not 1 to 128.
pub(crate) fn check_netmask(spec: &ServiceSpec) -> Result<(), ConfigError> {
    match spec.id.family {
        AddressFamily::V6 if !(1..=128).contains(&spec.netmask) => Err(invalid(
            c"the persistence netmask of an IPv6 service is a prefix length of 1 to 128",
        )),
        _ => Ok(()),
    }
}

/// Attributes of a destination, as far as they are present.
#[derive(Default)]
struct DestinationFields {
    addr: Option<[u8; 16]>,
    port: Option<u16>,
    family: Option<u16>,
    method: Option<u32>,
    weight: Option<u32>,
    upper: Option<u32>,
    lower: Option<u32>,
    tunnel_kind: Option<u8>,
    tunnel_port: Option<u16>,
    tunnel_flags: Option<u16>,
}

impl DestinationFields {
    fn read(nest: &[u8]) -> Result<Self, ConfigError> {
        let mut f = Self::default();
        for (number, payload) in Attributes::new(nest) {
            match number {
                dest_attr::ADDR => set(
                    &mut f.addr,
                    nlattr::binary(payload),
                    c"the destination's address is longer than 16 bytes",
                )?,
                dest_attr::PORT => set(
                    &mut f.port,
                    nlattr::be16(payload),
                    c"the destination's port is too short",
                )?,
                dest_attr::ADDR_FAMILY => set(
                    &mut f.family,
                    nlattr::u16(payload),
                    c"the destination's address family is too short",
                )?,
                dest_attr::FWD_METHOD => set(
                    &mut f.method,
                    nlattr::u32(payload),
                    c"the forward method is too short",
                )?,
                dest_attr::WEIGHT => set(
                    &mut f.weight,
                    nlattr::u32(payload),
                    c"the weight is too short",
                )?,
                dest_attr::U_THRESH => set(
                    &mut f.upper,
                    nlattr::u32(payload),
                    c"the upper threshold is too short",
                )?,
                dest_attr::L_THRESH => set(
                    &mut f.lower,
                    nlattr::u32(payload),
                    c"the lower threshold is too short",
                )?,
                dest_attr::TUN_TYPE => set(
                    &mut f.tunnel_kind,
                    nlattr::u8(payload),
                    c"the tunnel type is too short",
                )?,
                dest_attr::TUN_PORT => set(
                    &mut f.tunnel_port,
                    nlattr::be16(payload),
                    c"the tunnel port is too short",
                )?,
                dest_attr::TUN_FLAGS => set(
                    &mut f.tunnel_flags,
                    nlattr::u16(payload),
                    c"the tunnel flags are too short",
                )?,
                // Read-only attributes are ignored, but checked as in C IPVS.
                dest_attr::ACTIVE_CONNS | dest_attr::INACT_CONNS | dest_attr::PERSIST_CONNS => set(
                    &mut None,
                    nlattr::u32(payload),
                    c"a number of connections is too short",
                )?,
                dest_attr::STATS => check_nest(payload)?,
                _ => {}
            }
        }
        Ok(f)
    }

    /// Returns the attributes that identify a destination.
    fn key(&self) -> Result<([u8; 16], u16), ConfigError> {
        Ok((
            self.addr
                .ok_or(invalid(c"the destination has no address"))?,
            self.port.ok_or(invalid(c"the destination has no port"))?,
        ))
    }

    /// Returns the destination's family; if it is absent or 0, that of the service.
    fn family(&self, service: AddressFamily) -> Result<AddressFamily, ConfigError> {
        match self.family {
            None | Some(0) => Ok(service),
            Some(number) => family(number).ok_or(ConfigError::new(
                Errno::Family,
                c"the destination's address family is neither AF_INET nor AF_INET6",
            )),
        }
    }
}

/// Parses the identity of a destination of a service of family `service` (G-10).
///
/// # Errors
///
/// `EINVAL` if an attribute is missing or invalid, `EAFNOSUPPORT` for an unknown address family.
pub(crate) fn destination_id(
    nest: &[u8],
    service: AddressFamily,
) -> Result<DestinationId, ConfigError> {
    let f = DestinationFields::read(nest)?;
    let (addr, port) = f.key()?;
    Ok(DestinationId {
        addr: address(f.family(service)?, addr),
        port,
    })
}

/// Parses a new destination of a service of family `service`, its tunnel included (G-10, G-17).
///
/// # Errors
///
/// As [`destination_id`]. `EINVAL` if the families differ and the method is not tunnelling, or if
/// GUE has no port. Those of [`check_destination`].
pub(crate) fn destination_spec(
    nest: &[u8],
    service: AddressFamily,
) -> Result<DestinationSpec, ConfigError> {
    let (mut spec, tunnel) = destination_change(nest, service)?;
    spec.tunnel = tunnel.of(spec.tunnel)?;
    Ok(spec)
}

/// Parses a changed destination, as [`destination_spec`] does. Tunnel attributes that are absent
/// keep their value (V-14).
///
/// # Errors
///
/// As [`destination_spec`], except for GUE without a port: [`TunnelChange::of`] checks that.
pub(crate) fn destination_change(
    nest: &[u8],
    service: AddressFamily,
) -> Result<(DestinationSpec, TunnelChange), ConfigError> {
    let f = DestinationFields::read(nest)?;
    let (addr, port) = f.key()?;
    let method = f
        .method
        .ok_or(invalid(c"the destination has no forward method"))?;
    let weight = f.weight.ok_or(invalid(c"the destination has no weight"))?;
    let upper = f
        .upper
        .ok_or(invalid(c"the destination has no upper threshold"))?;
    let lower = f
        .lower
        .ok_or(invalid(c"the destination has no lower threshold"))?;
    let family = f.family(service)?;
    let spec = DestinationSpec {
        id: DestinationId {
            addr: address(family, addr),
            port,
        },
        method: ForwardMethod::of_bits(method),
        // Read as a C int.
        weight: weight as i32,
        upper,
        lower,
        tunnel: TunnelSpec::default(),
    };
    if family != service && spec.method != ForwardMethod::TUNNEL {
        return Err(invalid(
            c"a destination of the other address family can only be reached by tunnelling",
        ));
    }
    check_destination(&spec)?;
    let tunnel = TunnelChange {
        kind: f.tunnel_kind,
        port: f.tunnel_port,
        flags: f.tunnel_flags,
    };
    Ok((spec, tunnel))
}

/// Checks the numbers of a destination, in the order of C IPVS (G-17).
///
/// # Errors
///
/// `ERANGE` for a negative weight, or a lower threshold above the upper one. `EINVAL` if the upper
/// threshold exceeds `INT_MAX`.
pub(crate) fn check_destination(spec: &DestinationSpec) -> Result<(), ConfigError> {
    if spec.weight < 0 {
        return Err(ConfigError::new(
            Errno::Range,
            c"the weight is negative or greater than 2147483647",
        ));
    }
    if spec.lower > spec.upper {
        return Err(ConfigError::new(
            Errno::Range,
            c"the lower threshold is greater than the upper threshold",
        ));
    }
    if spec.upper > i32::MAX as u32 {
        return Err(invalid(c"the upper threshold is greater than 2147483647"));
    }
    Ok(())
}

/// Checks a timeout in seconds (G-14). Returns `None` for 0, which keeps the present one. `hz` is
/// the number of jiffies per second.
///
/// # Errors
///
/// `EINVAL` if it exceeds `INT_MAX` jiffies.
pub(crate) fn timeout(seconds: u32, hz: u32) -> Result<Option<u32>, ConfigError> {
    let limit = (i32::MAX as u32).checked_div(hz).unwrap_or(0);
    if seconds > limit {
        return Err(invalid(
            c"a timeout is negative or more seconds than jiffies can count",
        ));
    }
    Ok(Some(seconds).filter(|seconds| *seconds != 0))
}

/// Parses the timeouts of `SET_CONFIG` from a whole message, in seconds, as (TCP, TCP after FIN,
/// UDP) (G-14).
///
/// `None` keeps a timeout: its attribute is absent or 0. `hz` is the number of jiffies per second.
///
/// # Errors
///
/// `ERANGE` if an attribute is too short, `EINVAL` if a timeout exceeds `INT_MAX` jiffies. The
/// caller must set none of them then.
#[allow(clippy::type_complexity)]
pub(crate) fn timeouts(
    attributes: &[u8],
    hz: u32,
) -> Result<(Option<u32>, Option<u32>, Option<u32>), ConfigError> {
    let read = |number: u16| match nlattr::find(attributes, number) {
        None => Ok(None),
        Some(payload) => match nlattr::u32(payload) {
            None => Err(ConfigError::new(Errno::Range, c"a timeout is too short")),
            Some(seconds) => timeout(seconds, hz),
        },
    };
    Ok((
        read(cmd_attr::TIMEOUT_TCP)?,
        read(cmd_attr::TIMEOUT_TCP_FIN)?,
        read(cmd_attr::TIMEOUT_UDP)?,
    ))
}

#[cfg(test)]
mod tests;
