// SPDX-License-Identifier: GPL-2.0

//! Daemons that synchronise connections, as users ask for them (B-1, B-2, G-12, G-31).

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

/// The group of those who ask for none, 224.0.0.81.
const GROUP: Ip = Ip::V4([224, 0, 0, 81]);
/// The first port of those who ask for none.
const PORT: u16 = 8848;
/// The largest datagram with its headers.
const LARGEST: u16 = u16::MAX;
/// MTU that any network is taken to have.
const MTU: u16 = 1500;
/// The smallest buffer of one who receives.
const LEAST_RECEIVED: u16 = 1024;
/// The most threads of a daemon.
const MOST_THREADS: i32 = 64;

/// The name of a network interface, at most 15 bytes.
pub(crate) type Interface = Name<16>;
// rustc 1.85 ends with an internal error if closures take types that constants are part of.
const _: () = assert!(IFNAME_MAXLEN == 16);

/// Role of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DaemonRole {
    /// It tells others of connections.
    Master,
    /// It is told.
    Backup,
}

impl DaemonRole {
    /// The role of a number; an error for any other.
    pub(crate) fn of(state: u32) -> Result<Self, ConfigError> {
        match state {
            daemon_state::MASTER => Ok(Self::Master),
            daemon_state::BACKUP => Ok(Self::Backup),
            _ => Err(invalid(
                c"the daemon's state is neither master (1) nor backup (2)",
            )),
        }
    }

    /// Its number.
    pub(crate) const fn state(self) -> u32 {
        match self {
            Self::Master => daemon_state::MASTER,
            Self::Backup => daemon_state::BACKUP,
        }
    }
}

/// A daemon that a user asks for. Nothing of it was looked at but its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The number of its role.
    pub(crate) state: u32,
    pub(crate) interface: Interface,
    pub(crate) sync_id: i32,
    /// The longest message; 0 for what fits.
    pub(crate) maxlen: u16,
    pub(crate) group: Option<Ip>,
    /// 0 for the usual.
    pub(crate) port: u16,
    /// 0 for the usual.
    pub(crate) ttl: u8,
}

/// A daemon as it runs, all filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Daemon {
    pub(crate) interface: Interface,
    /// Sync ID of messages; a backup with 0 receives all (B-20).
    pub(crate) sync_id: i32,
    /// The longest message, in bytes.
    pub(crate) maxlen: u16,
    pub(crate) group: Ip,
    /// The port of the first thread.
    pub(crate) port: u16,
    pub(crate) ttl: u8,
}

const fn invalid(words: &'static core::ffi::CStr) -> ConfigError {
    ConfigError::new(Errno::Invalid, words)
}

/// A daemon without what it must have.
const INCOMPLETE: ConfigError =
    invalid(c"a daemon needs a state, an interface and a synchronisation id");

/// Reads an attribute that may be missing, and must be whole where it is there.
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

/// The daemon that a nest of attributes asks for.
///
/// # Errors
///
/// `EINVAL` where an attribute is missing or wrong, or the group is none (behaviour.rst 11.2).
pub(crate) fn of_attributes(nest: &[u8]) -> Result<Wish, ConfigError> {
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
    Ok(Wish {
        state,
        interface,
        sync_id: sync_id as i32,
        maxlen: maxlen.unwrap_or(0),
        group,
        port: port.unwrap_or(0),
        ttl: ttl.unwrap_or(0),
    })
}

/// The role that a nest asks to be ended.
///
/// # Errors
///
/// `EINVAL` where it names none.
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

/// Returns what a message needs beside itself in a packet to a group.
fn headers(group: Ip) -> u16 {
    match group {
        Ip::V4(_) => 28,
        Ip::V6(_) => 48,
    }
}

impl Wish {
    /// The daemon that comes of it on an interface of such an MTU (B-2).
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

/// Returns how many threads a daemon has where `ports` are asked for: a power of two.
pub(crate) fn threads(ports: i32) -> u16 {
    ports.clamp(1, MOST_THREADS) as u16
}
