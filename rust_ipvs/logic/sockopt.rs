// SPDX-License-Identifier: GPL-2.0

//! The older interface: requests and answers of socket options (behaviour.rst 11.3).
//!
//! Its structures are those of 64-bit machines, all numbers in native order but addresses and
//! ports. It knows only IPv4.
//!
//! C header: [`include/uapi/linux/ip_vs.h`](srctree/include/uapi/linux/ip_vs.h)

use super::config::{
    AddressFamily,
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
    Timeouts,
    TunnelSpec, //
};
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

/// The least option of either kind (O-1).
pub(crate) const FIRST: u32 = 1152;
/// One more than the greatest option that is set.
pub(crate) const SET_END: u32 = 1168;
/// One more than the greatest option that is asked for.
pub(crate) const GET_END: u32 = 1160;

/// The length of the longest structure that is set.
pub(crate) const SET_MAX: usize = SERVICE + DESTINATION;
/// The size of the structures (O-2, O-3).
const SERVICE: usize = 44;
const DESTINATION: usize = 24;
const TIMEOUTS: usize = 12;
const DAEMON: usize = 24;
/// A service, as it is shown.
pub(crate) const SERVICE_ENTRY: usize = 104;
/// A destination, as it is shown.
pub(crate) const DESTINATION_ENTRY: usize = 96;
/// Length of the head of a list of services.
pub(crate) const SERVICES_HEAD: usize = 8;
/// Length of the head of a list of destinations.
pub(crate) const DESTINATIONS_HEAD: usize = 24;
/// Room for the version, of which as much is used as it takes.
pub(crate) const VERSION: usize = 64;
/// General information.
pub(crate) const INFO: usize = 12;
/// Both synchronisation daemons.
pub(crate) const DAEMONS: usize = 48;

/// Command of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// Add a service.
    Add(ServiceSpec),
    /// Change one.
    Edit(ServiceSpec),
    /// Delete one.
    Delete(ServiceId),
    /// Delete all.
    Flush,
    /// Add a destination.
    AddDestination(ServiceId, Wish),
    /// Delete one.
    DeleteDestination(ServiceId, DestinationId),
    /// Change one.
    EditDestination(ServiceId, Wish),
    /// Set the timeouts for TCP, TCP after a FIN, UDP, in seconds, where there are some.
    Timeouts(Option<u32>, Option<u32>, Option<u32>),
    /// Start a synchronisation daemon.
    StartDaemon(daemon::Wish),
    /// Stop that of a state.
    StopDaemon(u32),
    /// Start the statistics of a service over, or all.
    Zero(Option<ServiceId>),
}

/// A destination as a user describes it. It is looked at only where its service exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    id: DestinationId,
    method: u32,
    weight: i32,
    upper: u32,
    lower: u32,
}

impl Wish {
    /// Returns what the director understands. Nothing can be said of tunnels, so they are IPIP.
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

/// Query of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Get {
    /// The version, as text.
    Version,
    /// General information.
    Info,
    /// As many services as there is room for.
    Services,
    /// One service.
    Service,
    /// As many destinations of a service as there is room for.
    Destinations,
    /// The timeouts.
    Timeouts,
    /// The synchronisation daemons.
    Daemons,
}

impl Get {
    /// Returns what an option asks for.
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

    /// Returns how many bytes a user must have room for (O-2).
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

/// Some bytes of a structure; zeroes where it ends before.
fn at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let rest = bytes.get(at..).unwrap_or(&[]);
    rest.first_chunk().copied().unwrap_or([0; N])
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_ne_bytes(at(bytes, offset))
}

/// Returns how long the structure of an option is that is set; 0 for those without one and for
/// those that do not exist (O-2).
pub(crate) fn set_length(option: u32) -> usize {
    match option {
        1154 | 1155 | 1156 | 1167 => SERVICE,
        1159..=1161 => SERVICE + DESTINATION,
        1162 => TIMEOUTS,
        1163 | 1164 => DAEMON,
        _ => 0,
    }
}

/// The service that a structure names: protocol at 0, address at 4, port at 8, mark at 12.
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

/// The service of a structure that is set, whose protocol must be one that is balanced, whatever it
/// is named by (O-4).
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
    })
}

fn wish(bytes: &[u8]) -> Wish {
    Wish {
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

/// The daemon that a structure asks for: state, name of the interface, and identity. The rest
/// cannot be said.
fn daemon_wish(bytes: &[u8]) -> Result<daemon::Wish, ConfigError> {
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
    Ok(daemon::Wish {
        state: u32_at(bytes, 0),
        interface,
        sync_id: u32_at(bytes, 20) as i32,
        maxlen: 0,
        group: None,
        port: 0,
        ttl: 0,
    })
}

/// Reads what is to be done (O-1 to O-4). `hz` is the number of jiffies in a second, which limits
/// timeouts.
///
/// # Errors
///
/// `EINVAL` for an option that does not exist, a structure of another length, a scheduler's name
/// without an end, a timeout that is too long, or a daemon without an interface; `EFAULT` for a
/// protocol that is not balanced.
pub(crate) fn set(option: u32, bytes: &[u8], hz: u32) -> Result<Set, ConfigError> {
    const NO_SUCH: ConfigError = ConfigError::new(Errno::Invalid, c"there is no such option");
    if bytes.len() != set_length(option) {
        return Err(ConfigError::new(
            Errno::Invalid,
            c"the option's structure has another length",
        ));
    }
    Ok(match option {
        1154 => Set::Add(service_spec(bytes)?),
        1155 => Set::Edit(service_spec(bytes)?),
        1156 => Set::Delete(checked_id(bytes)?),
        1157 => Set::Flush,
        1159 => Set::AddDestination(checked_id(bytes)?, wish(bytes)),
        1160 => Set::DeleteDestination(checked_id(bytes)?, wish(bytes).id),
        1161 => Set::EditDestination(checked_id(bytes)?, wish(bytes)),
        1162 => {
            let timeout = |at| request::timeout(u32_at(bytes, at), hz);
            Set::Timeouts(timeout(0)?, timeout(4)?, timeout(8)?)
        }
        1163 => Set::StartDaemon(daemon_wish(bytes)?),
        1164 => Set::StopDaemon(u32_at(bytes, 0)),
        // Nothing but the protocol may be said of all services.
        1167 if at(bytes, 4) == [0; 4] && at(bytes, 8) == [0; 2] && u32_at(bytes, 12) == 0 => {
            Set::Zero(None)
        }
        1167 => Set::Zero(Some(checked_id(bytes)?)),
        _ => return Err(NO_SUCH),
    })
}

/// A structure in the making: what is put in one after the other, where it belongs.
struct Structure<const N: usize>([u8; N]);

impl<const N: usize> Structure<N> {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        let room = self.0.get_mut(at..).and_then(|r| r.get_mut(..bytes.len()));
        if let Some(room) = room {
            room.copy_from_slice(bytes);
        }
    }

    fn put_u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_ne_bytes());
    }

    fn put_statistics(&mut self, from: usize, of: &Statistics) {
        let (counters, rates) = (&of.counters, &of.rates);
        // All but bytes have 32 bits and wrap (E-11).
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

/// A service as it is shown; `None` for one of IPv6, which this interface does not know (O-4).
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

/// A destination as it is shown; `None` for one of IPv6 (O-4).
pub(crate) fn destination_entry(view: &DestinationView) -> Option<[u8; DESTINATION_ENTRY]> {
    /// A connection's flags: no packets go out, and none is established yet.
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

/// General information: version, size of the connection tables, number of services of IPv4.
pub(crate) fn info(version: u32, size: u32, services: u32) -> [u8; INFO] {
    let mut info = Structure([0; INFO]);
    for (at, word) in (0..).step_by(4).zip([version, size, services]) {
        info.put_u32(at, word);
    }
    info.0
}

/// Writes the version with its nul, and says how long that is (O-5).
pub(crate) fn version(size: u32, text: &mut [u8; VERSION]) -> usize {
    use core::fmt::Write;

    /// Bytes that are filled from the beginning on.
    struct Text<'a>(&'a mut [u8; VERSION], usize);

    impl Write for Text<'_> {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            for byte in text.bytes() {
                let room = self.0.get_mut(self.1).ok_or(core::fmt::Error)?;
                *room = byte;
                self.1 = self.1.saturating_add(1);
            }
            Ok(())
        }
    }

    let mut text = Text(text, 0);
    // It has room for any number.
    write!(text, "{}\0", Title(size as usize)).ok();
    text.1
}

/// The daemons that run, master and backup; all zeroes where one does not.
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

/// The timeouts.
pub(crate) fn timeouts(timeouts: &Timeouts) -> [u8; TIMEOUTS] {
    info(timeouts.tcp, timeouts.tcp_fin, timeouts.udp)
}

/// Returns how many entries a list has room for, as the user says in its head, and whether the
/// list's length agrees (O-2).
pub(crate) fn room(get: Get, head: &[u8], length: usize) -> Option<usize> {
    let (at, head_size, entry) = match get {
        Get::Services => (0, SERVICES_HEAD, SERVICE_ENTRY),
        Get::Destinations => (16, DESTINATIONS_HEAD, DESTINATION_ENTRY),
        _ => return None,
    };
    let count = u32_at(head, at) as usize;
    let whole = count.checked_mul(entry)?.checked_add(head_size)?;
    (whole == length).then_some(count)
}

#[cfg(test)]
mod tests;
