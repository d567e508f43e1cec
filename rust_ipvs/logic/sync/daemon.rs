// SPDX-License-Identifier: GPL-2.0

//! Configuration of synchronisation daemons (B-1, B-2, G-12, G-31).

use super::super::config::{
    ConfigError, //
    Errno,
    Ip,
    Name,
};
use super::super::nlattr;
use super::super::uapi::{
    daemon_attr,
    daemon_state,
    IFNAME_MAXLEN, //
};

/// Default multicast group, 224.0.0.81.
const GROUP: Ip = Ip::V4([224, 0, 0, 81]);
/// Default port.
const PORT: u16 = 8848;
/// Maximum length of a datagram with its headers, in bytes.
const LARGEST: u16 = u16::MAX;
/// MTU assumed at least, in bytes.
const MTU: u16 = 1500;
/// Minimum length of a receive buffer, in bytes.
const LEAST_RECEIVED: u16 = 1024;
/// Maximum number of threads of a daemon.
const MOST_THREADS: i32 = 64;

/// Name of a network interface, at most 15 bytes.
pub(crate) type Interface = Name<16>;
// rustc 1.85 reports an internal error if closures take types that contain constants.
const _: () = assert!(IFNAME_MAXLEN == 16);

/// Role of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DaemonRole {
    /// Sends connections.
    Master,
    /// Receives connections.
    Backup,
}

impl DaemonRole {
    /// Returns the role of an `IP_VS_STATE_*` number.
    ///
    /// # Errors
    ///
    /// `EINVAL` for any other number.
    pub(crate) fn of(state: u32) -> Result<Self, ConfigError> {
        match state {
            daemon_state::MASTER => Ok(Self::Master),
            daemon_state::BACKUP => Ok(Self::Backup),
            _ => Err(invalid(
                c"the daemon's state is neither master (1) nor backup (2)",
            )),
        }
    }

    /// Returns the number of the role (`IP_VS_STATE_*`).
    pub(crate) const fn state(self) -> u32 {
        match self {
            Self::Master => daemon_state::MASTER,
            Self::Backup => daemon_state::BACKUP,
        }
    }
}

/// Daemon as it is requested; only the form of the attributes was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DaemonRequest {
    /// Number of its role (`IP_VS_STATE_*`).
    pub(crate) state: u32,
    pub(crate) interface: Interface,
    pub(crate) sync_id: i32,
    /// Maximum length of a message in bytes; 0 for the default.
    pub(crate) maxlen: u16,
    pub(crate) group: Option<Ip>,
    /// Port in host byte order; 0 for the default.
    pub(crate) port: u16,
    /// TTL of multicast messages; 0 for the default.
    pub(crate) ttl: u8,
}

/// Daemon as it runs, with defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Daemon {
    pub(crate) interface: Interface,
    /// Sync ID of its messages; a backup with 0 accepts all (B-20).
    pub(crate) sync_id: i32,
    /// Maximum length of a message, in bytes.
    pub(crate) maxlen: u16,
    pub(crate) group: Ip,
    /// Port of the first thread, in host byte order.
    pub(crate) port: u16,
    pub(crate) ttl: u8,
}

const fn invalid(words: &'static core::ffi::CStr) -> ConfigError {
    ConfigError::new(Errno::Invalid, words)
}

/// Error of a daemon without a required attribute.
const INCOMPLETE: ConfigError =
    invalid(c"a daemon needs a state, an interface and a synchronisation id");

/// Reads an attribute that may be missing. An attribute that is too short is an error.
fn optional<T>(
    nest: &[u8],
    number: u16,
    read: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, ConfigError> {
    match nlattr::find(nest, number) {
        None => Ok(None),
        Some(payload) => match read(payload) {
            None => Err(invalid(c"an attribute of the daemon has the wrong length")),
            value => Ok(value),
        },
    }
}

/// Parses the daemon of a nest of attributes.
///
/// # Errors
///
/// `EINVAL` if an attribute is missing or invalid, or the group is not a multicast address
/// (behaviour.rst 11.2).
pub(crate) fn of_attributes(nest: &[u8]) -> Result<DaemonRequest, ConfigError> {
    let interface =
        |payload: &[u8]| nlattr::string(payload, IFNAME_MAXLEN - 1).and_then(Interface::new);
    let (state, name, sync_id) = (
        optional(nest, daemon_attr::STATE, nlattr::u32)?,
        optional(nest, daemon_attr::MCAST_IFN, interface)?,
        optional(nest, daemon_attr::SYNC_ID, nlattr::u32)?,
    );
    let maxlen = optional(nest, daemon_attr::SYNC_MAXLEN, nlattr::u16)?;
    let v4 = optional(nest, daemon_attr::MCAST_GROUP, |p| p.first_chunk().copied())?;
    let v6 = optional(nest, daemon_attr::MCAST_GROUP6, |p| {
        p.first_chunk().copied()
    })?;
    let port = optional(nest, daemon_attr::MCAST_PORT, nlattr::u16)?;
    let ttl = optional(nest, daemon_attr::MCAST_TTL, nlattr::u8)?;
    let (Some(state), Some(interface), Some(sync_id)) = (state, name, sync_id) else {
        return Err(INCOMPLETE);
    };
    let group = v4.map(Ip::V4).or(v6.map(Ip::V6));
    if group.is_some_and(|group| !is_group(group)) {
        return Err(invalid(c"the group is not a multicast address"));
    }
    Ok(DaemonRequest {
        state,
        interface,
        sync_id: sync_id as i32,
        maxlen: maxlen.unwrap_or(0),
        group,
        port: port.unwrap_or(0),
        ttl: ttl.unwrap_or(0),
    })
}

/// Parses the role of the daemon to stop.
///
/// # Errors
///
/// `EINVAL` if it is missing or invalid.
pub(crate) fn role_of_attributes(nest: &[u8]) -> Result<DaemonRole, ConfigError> {
    match optional(nest, daemon_attr::STATE, nlattr::u32)? {
        Some(state) => DaemonRole::of(state),
        None => Err(invalid(c"the daemon has no state")),
    }
}

fn is_group(addr: Ip) -> bool {
    match addr {
        Ip::V4([first, ..]) => first & 0xf0 == 0xe0,
        Ip::V6([first, ..]) => first == 0xff,
    }
}

/// Returns the length of the IP and UDP headers of a message to the group, in bytes.
fn headers(group: Ip) -> u16 {
    match group {
        Ip::V4(_) => 28,
        Ip::V6(_) => 48,
    }
}

impl DaemonRequest {
    /// Fills in the defaults for an interface with that MTU (B-2).
    pub(crate) fn settle(&self, role: Option<DaemonRole>, mtu: u32) -> Daemon {
        let group = self.group.unwrap_or(GROUP);
        let headers = headers(group);
        let is_backup = role == Some(DaemonRole::Backup);
        let least = if is_backup { LEAST_RECEIVED } else { 1 };
        let mtu = match is_backup {
            true => u16::try_from(mtu.max(MTU.into())).unwrap_or(LARGEST),
            false => MTU,
        };
        let maxlen = match self.maxlen {
            0 => mtu.saturating_sub(headers),
            maxlen => maxlen.clamp(least, LARGEST.saturating_sub(headers)),
        };
        let or = |given: u16, usual| if given == 0 { usual } else { given };
        Daemon {
            interface: self.interface,
            sync_id: self.sync_id,
            maxlen,
            group,
            port: or(self.port, PORT),
            ttl: self.ttl.max(1),
        }
    }
}

/// Returns the number of threads of a daemon for the sysctl `sync_ports`: a power of two.
pub(crate) fn threads(ports: i32) -> u16 {
    ports.clamp(1, MOST_THREADS) as u16
}
