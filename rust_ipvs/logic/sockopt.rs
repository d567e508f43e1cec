// SPDX-License-Identifier: GPL-2.0

//! Socket option interface: parser of requests and builder of answers (behaviour.rst 11.3).
//!
//! Structures are those of 64-bit machines. Numbers are in native byte order, addresses and ports
//! in network byte order. The interface supports IPv4 only.
//!
//! C header: [`include/uapi/linux/ip_vs.h`](srctree/include/uapi/linux/ip_vs.h)

use super::config::{
    AddressFamily,
    AdminTimeouts,
    ConfigError,
    DestinationId,
    DestinationSpec,
    DestinationView,
    Errno,
    ForwardMethod,
    Ip,
    SchedulerName,
    ServiceId,
    ServiceKey,
    ServiceSpec,
    ServiceView,
    Statistics,
    TunnelSpec, //
};
use super::own_options::OwnOptions;
use super::packet::{
    SCTP,
    TCP,
    UDP, //
};
use super::request;
use super::show::Title;
use super::sync::daemon::{
    self,
    Daemon,
    DaemonRole, //
};

/// First option of either kind (`IP_VS_BASE_CTL`, O-1).
pub(crate) const FIRST: u32 = 1152;
/// Option after the last one that is set.
pub(crate) const SET_END: u32 = 1168;
/// Option after the last one that is read.
pub(crate) const GET_END: u32 = 1160;

/// Length of the longest structure that is set, in bytes.
pub(crate) const SET_MAX: usize = SERVICE + DESTINATION;
/// Lengths of the structures, in bytes (O-2, O-3).
const SERVICE: usize = 44;
const DESTINATION: usize = 24;
const TIMEOUTS: usize = 12;
const DAEMON: usize = 24;
/// Length of a listed service (`struct ip_vs_service_entry`).
pub(crate) const SERVICE_ENTRY: usize = 104;
/// Length of a listed destination (`struct ip_vs_dest_entry`).
pub(crate) const DESTINATION_ENTRY: usize = 96;
/// Length of the header of a list of services.
pub(crate) const SERVICES_HEAD: usize = 8;
/// Length of the header of a list of destinations.
pub(crate) const DESTINATIONS_HEAD: usize = 24;
/// Maximum length of the version text, terminator included.
pub(crate) const VERSION: usize = 64;
/// Length of `struct ip_vs_getinfo`.
pub(crate) const INFO: usize = 12;
/// Length of both entries of `struct ip_vs_daemon_user`.
pub(crate) const DAEMONS: usize = 48;

/// Request of `setsockopt()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetRequest {
    /// Add a service.
    Add(ServiceSpec),
    /// Change a service.
    Edit(ServiceSpec),
    /// Delete a service.
    Delete(ServiceId),
    /// Delete all services.
    Flush,
    /// Add a destination.
    AddDestination(ServiceId, DestRequest),
    /// Delete a destination.
    DeleteDestination(ServiceId, DestinationId),
    /// Change a destination.
    EditDestination(ServiceId, DestRequest),
    /// Set the timeouts of TCP, TCP after FIN, and UDP, in seconds; `None` keeps a timeout.
    Timeouts(Option<u32>, Option<u32>, Option<u32>),
    /// Start a synchronisation daemon.
    StartDaemon(daemon::DaemonRequest),
    /// Stop the daemon of a state (`IP_VS_STATE_*`).
    StopDaemon(u32),
    /// Zero the statistics of a service, or of all.
    Zero(Option<ServiceId>),
}

/// Destination as it is requested, unchecked. It is checked after its service was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DestRequest {
    id: DestinationId,
    method: u32,
    weight: i32,
    upper: u32,
    lower: u32,
}

impl DestRequest {
    /// Returns the checked configuration. The structure has no tunnel type, so it is IPIP.
    ///
    /// # Errors
    ///
    /// As [`request::check_destination`].
    pub(crate) fn spec(&self) -> Result<DestinationSpec, ConfigError> {
        let spec = DestinationSpec {
            id: self.id,
            method: ForwardMethod::of_bits(self.method),
            weight: self.weight,
            upper: self.upper,
            lower: self.lower,
            tunnel: TunnelSpec::default(),
        };
        request::check_destination(&spec)?;
        Ok(spec)
    }
}

/// Request of `getsockopt()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GetRequest {
    /// Version, as text.
    Version,
    /// General information.
    Info,
    /// Services, as many as fit.
    Services,
    /// One service.
    Service,
    /// Destinations of a service, as many as fit.
    Destinations,
    /// The timeouts.
    Timeouts,
    /// Synchronisation daemons.
    Daemons,
}

impl GetRequest {
    /// Returns the request of an option number.
    pub(crate) fn of(option: u32) -> Option<Self> {
        match option {
            1152 => Some(Self::Version),
            1153 => Some(Self::Info),
            1154 => Some(Self::Services),
            1155 => Some(Self::Service),
            1156 => Some(Self::Destinations),
            1158 => Some(Self::Timeouts),
            1159 => Some(Self::Daemons),
            _ => None,
        }
    }

    /// Returns the minimum length of the caller's buffer, in bytes (O-2).
    pub(crate) fn least(self) -> usize {
        match self {
            Self::Version => VERSION,
            Self::Info => INFO,
            Self::Services => SERVICES_HEAD,
            Self::Service => SERVICE_ENTRY,
            Self::Destinations => DESTINATIONS_HEAD,
            Self::Timeouts => TIMEOUTS,
            Self::Daemons => DAEMONS,
        }
    }
}

/// Returns bytes of a structure, zeros beyond its end.
fn at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let rest = bytes.get(at..).unwrap_or(&[]);
    rest.first_chunk().copied().unwrap_or([0; N])
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_ne_bytes(at(bytes, offset))
}

/// Returns the length of the structure of a set option, in bytes; 0 if it has none or is unknown
/// (O-2).
pub(crate) fn set_length(option: u32) -> usize {
    match option {
        1154 | 1155 | 1156 | 1167 => SERVICE,
        1159..=1161 => SERVICE + DESTINATION,
        1162 => TIMEOUTS,
        1163 | 1164 => DAEMON,
        _ => 0,
    }
}

/// Reads the identity of a service: protocol at offset 0, address at 4, port at 8, mark at 12.
pub(crate) fn service_id(bytes: &[u8]) -> ServiceId {
    let key = match u32_at(bytes, 12) {
        0 => ServiceKey::Address {
            protocol: u16::from_ne_bytes(at(bytes, 0)),
            addr: Ip::V4(at(bytes, 4)),
            port: u16::from_be_bytes(at(bytes, 8)),
        },
        mark => ServiceKey::Mark(mark),
    };
    ServiceId {
        family: AddressFamily::V4,
        key,
    }
}

/// Reads the identity of a service that is changed. The protocol must be TCP, UDP or SCTP, even for
/// a service by mark (O-4).
fn checked_id(bytes: &[u8]) -> Result<ServiceId, ConfigError> {
    let protocol = u16::from_ne_bytes(at(bytes, 0));
    if [TCP, UDP, SCTP].map(u16::from).contains(&protocol) {
        Ok(service_id(bytes))
    } else {
        Err(ConfigError::new(
            Errno::Fault,
            c"the service's protocol is neither TCP nor UDP nor SCTP",
        ))
    }
}

fn service_spec(bytes: &[u8]) -> Result<ServiceSpec, ConfigError> {
    let name: [u8; 16] = at(bytes, 16);
    let end = name.iter().position(|byte| *byte == 0);
    let scheduler = end
        .and_then(|end| name.get(..end))
        .and_then(SchedulerName::new);
    let scheduler = scheduler.ok_or(ConfigError::new(
        Errno::Invalid,
        c"the scheduler's name has no end",
    ))?;
    Ok(ServiceSpec {
        id: checked_id(bytes)?,
        scheduler,
        engine: None,
        flags: u32_at(bytes, 32),
        flags_mask: u32::MAX,
        timeout: u32_at(bytes, 36),
        netmask: u32_at(bytes, 40),
        own: OwnOptions::NONE,
    })
}

fn dest_request(bytes: &[u8]) -> DestRequest {
    DestRequest {
        id: DestinationId {
            addr: Ip::V4(at(bytes, SERVICE)),
            port: u16::from_be_bytes(at(bytes, SERVICE + 4)),
        },
        method: u32_at(bytes, SERVICE + 8),
        weight: i32::from_ne_bytes(at(bytes, SERVICE + 12)),
        upper: u32_at(bytes, SERVICE + 16),
        lower: u32_at(bytes, SERVICE + 20),
    }
}

/// Reads the daemon of a structure: state, interface name and sync ID. It has no other options.
fn daemon_request(bytes: &[u8]) -> Result<daemon::DaemonRequest, ConfigError> {
    let name = at::<16>(bytes, 4);
    let mut parts = name.split(|&byte| byte == 0);
    let interface = parts
        .next()
        .filter(|name| !name.is_empty())
        .and_then(daemon::Interface::new);
    let interface = interface.ok_or(ConfigError::new(
        Errno::Invalid,
        c"a daemon needs the name of an interface",
    ))?;
    Ok(daemon::DaemonRequest {
        state: u32_at(bytes, 0),
        interface,
        sync_id: u32_at(bytes, 20) as i32,
        maxlen: 0,
        group: None,
        port: 0,
        ttl: 0,
    })
}

/// Parses a request of `setsockopt()` (O-1 to O-4). `hz` is `HZ`, which limits timeouts.
///
/// # Errors
///
/// `EINVAL` for an unknown option, a structure of another length, a scheduler name without
/// terminator, a timeout that is too long, or a daemon without an interface. `EFAULT` for a
/// protocol other than TCP, UDP and SCTP.
pub(crate) fn set(option: u32, bytes: &[u8], hz: u32) -> Result<SetRequest, ConfigError> {
    const NO_SUCH: ConfigError = ConfigError::new(Errno::Invalid, c"there is no such option");
    if bytes.len() != set_length(option) {
        return Err(ConfigError::new(
            Errno::Invalid,
            c"the option's structure has another length",
        ));
    }
    Ok(match option {
        1154 => SetRequest::Add(service_spec(bytes)?),
        1155 => SetRequest::Edit(service_spec(bytes)?),
        1156 => SetRequest::Delete(checked_id(bytes)?),
        1157 => SetRequest::Flush,
        1159 => SetRequest::AddDestination(checked_id(bytes)?, dest_request(bytes)),
        1160 => SetRequest::DeleteDestination(checked_id(bytes)?, dest_request(bytes).id),
        1161 => SetRequest::EditDestination(checked_id(bytes)?, dest_request(bytes)),
        1162 => {
            let timeout = |at| request::timeout(u32_at(bytes, at), hz);
            SetRequest::Timeouts(timeout(0)?, timeout(4)?, timeout(8)?)
        }
        1163 => SetRequest::StartDaemon(daemon_request(bytes)?),
        1164 => SetRequest::StopDaemon(u32_at(bytes, 0)),
        // All fields but the protocol are 0: all services.
        1167 if at(bytes, 4) == [0; 4] && at(bytes, 8) == [0; 2] && u32_at(bytes, 12) == 0 => {
            SetRequest::Zero(None)
        }
        1167 => SetRequest::Zero(Some(checked_id(bytes)?)),
        _ => return Err(NO_SUCH),
    })
}

/// Structure under construction, whose fields are written at their offsets.
struct Structure<const N: usize>([u8; N]);

impl<const N: usize> Structure<N> {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        let target = self.0.get_mut(at..).and_then(|r| r.get_mut(..bytes.len()));
        if let Some(target) = target {
            target.copy_from_slice(bytes);
        }
    }

    fn put_u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_ne_bytes());
    }

    fn put_statistics(&mut self, from: usize, of: &Statistics) {
        let (counters, rates) = (&of.counters, &of.rates);
        // All counters but bytes have 32 bits and wrap (E-11).
        let words = [counters.conns, counters.in_packets, counters.out_packets];
        let rest = [
            rates.conns,
            rates.in_packets,
            rates.out_packets,
            rates.in_bytes,
            rates.out_bytes,
        ];
        for (at, word) in (from..).step_by(4).zip(words) {
            self.put_u32(at, word as u32);
        }
        for (at, long) in (16..)
            .step_by(8)
            .zip([counters.in_bytes, counters.out_bytes])
        {
            self.put(from.saturating_add(at), &long.to_ne_bytes());
        }
        for (at, word) in (32..).step_by(4).zip(rest) {
            self.put_u32(from.saturating_add(at), word as u32);
        }
    }
}

/// Builds the entry of a service; `None` for IPv6, which this interface does not support (O-4).
pub(crate) fn service_entry(view: &ServiceView) -> Option<[u8; SERVICE_ENTRY]> {
    let mut entry = Structure([0; SERVICE_ENTRY]);
    match (view.id.family, view.id.key) {
        (AddressFamily::V6, _) => return None,
        (_, ServiceKey::Mark(mark)) => {
            entry.put(0, &u16::from(TCP).to_ne_bytes());
            entry.put_u32(12, mark);
        }
        (
            _,
            ServiceKey::Address {
                protocol,
                addr,
                port,
            },
        ) => {
            entry.put(0, &protocol.to_ne_bytes());
            if let Ip::V4(addr) = addr {
                entry.put(4, &addr);
            }
            entry.put(8, &port.to_be_bytes());
        }
    }
    entry.put(16, view.scheduler.as_bytes());
    entry.put_u32(32, view.flags);
    entry.put_u32(36, view.timeout);
    entry.put_u32(40, view.netmask);
    entry.put_u32(44, view.destinations);
    entry.put_statistics(48, &view.statistics);
    Some(entry.0)
}

/// Builds the entry of a destination; `None` for IPv6 (O-4).
pub(crate) fn destination_entry(view: &DestinationView) -> Option<[u8; DESTINATION_ENTRY]> {
    /// Initial connection flags: `IP_VS_CONN_F_NOOUTPUT` and `IP_VS_CONN_F_INACTIVE`.
    const NO_OUTPUT: u32 = 0x80;
    const INACTIVE: u32 = 0x100;
    let mut entry = Structure([0; DESTINATION_ENTRY]);
    let spec = &view.spec;
    let Ip::V4(addr) = spec.id.addr else {
        return None;
    };
    let direction = match spec.method {
        ForwardMethod::MASQ => 0,
        _ => NO_OUTPUT,
    };
    entry.put(0, &addr);
    entry.put(4, &spec.id.port.to_be_bytes());
    entry.put_u32(8, u32::from(spec.method.0) | direction | INACTIVE);
    entry.put(12, &spec.weight.to_ne_bytes());
    let words = [
        spec.upper,
        spec.lower,
        view.active,
        view.inactive,
        view.persistent,
    ];
    for (at, word) in (16..).step_by(4).zip(words) {
        entry.put_u32(at, word);
    }
    entry.put_statistics(40, &view.statistics);
    Some(entry.0)
}

/// Builds the general information: version, size of the connection table, number of IPv4 services.
pub(crate) fn info(version: u32, size: u32, services: u32) -> [u8; INFO] {
    let mut info = Structure([0; INFO]);
    for (at, word) in (0..).step_by(4).zip([version, size, services]) {
        info.put_u32(at, word);
    }
    info.0
}

/// Writes the version text with its terminator and returns its length (O-5).
pub(crate) fn version(size: u32, text: &mut [u8; VERSION]) -> usize {
    use core::fmt::Write;

    /// Buffer and the number of bytes used.
    struct VersionText<'a>(&'a mut [u8; VERSION], usize);

    impl Write for VersionText<'_> {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            for byte in text.bytes() {
                let target = self.0.get_mut(self.1).ok_or(core::fmt::Error)?;
                *target = byte;
                self.1 = self.1.saturating_add(1);
            }
            Ok(())
        }
    }

    let mut text = VersionText(text, 0);
    // The buffer holds any number.
    write!(text, "{}\0", Title(size as usize)).ok();
    text.1
}

/// Builds the state of the master and backup daemon; zeros for one that does not run.
pub(crate) fn daemons(daemons: &[Option<Daemon>; 2]) -> [u8; DAEMONS] {
    let mut structure = Structure([0; DAEMONS]);
    let roles = [DaemonRole::Master, DaemonRole::Backup];
    for ((from, role), daemon) in (0..).step_by(DAEMON).zip(roles).zip(daemons) {
        if let Some(daemon) = daemon {
            structure.put_u32(from, role.state());
            structure.put(from.saturating_add(4), daemon.interface.as_bytes());
            structure.put_u32(from.saturating_add(20), daemon.sync_id as u32);
        }
    }
    structure.0
}

/// Builds the timeouts.
pub(crate) fn timeouts(timeouts: &AdminTimeouts) -> [u8; TIMEOUTS] {
    info(timeouts.tcp, timeouts.tcp_fin, timeouts.udp)
}

/// Returns the number of entries in the caller's list, as its header says; `None` if the list's
/// length does not agree (O-2).
pub(crate) fn capacity(get: GetRequest, head: &[u8], length: usize) -> Option<usize> {
    let (at, head_size, entry) = match get {
        GetRequest::Services => (0, SERVICES_HEAD, SERVICE_ENTRY),
        GetRequest::Destinations => (16, DESTINATIONS_HEAD, DESTINATION_ENTRY),
        _ => return None,
    };
    let count = u32_at(head, at) as usize;
    let whole = count.checked_mul(entry)?.checked_add(head_size)?;
    (whole == length).then_some(count)
}

#[cfg(test)]
mod tests;
