// SPDX-License-Identifier: GPL-2.0

//! One pass over the kernel's IPVS: everything that the metrics are made of.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use ipvs_netlink::{Client, Daemon, Error as NetlinkError, Info, ServiceId, Timeouts, Transport};

use crate::explain;
use crate::fetch;
use crate::model::Group;

/// Totals of the network namespace, which the netlink family does not have.
const STATS: &str = "/proc/net/ip_vs_stats";
/// The number of connections; kernels before 7.1 have no such file.
const STATUS: &str = "/proc/net/ip_vs_status";
/// A file that is there as long as IPVS is.
const PRESENT: &str = "/proc/net/ip_vs";

/// Attempts at a table of which a service goes while it is read.
const TRIES: u32 = 3;

/// Results of a pass; `None` for what could not be read.
#[derive(Debug)]
pub struct Snapshot {
    pub began: Instant,
    pub info: Option<Info>,
    /// Services with their destinations, in the order of their labels, each once.
    pub table: Option<Vec<Group>>,
    pub daemons: Option<Vec<Daemon>>,
    pub timeouts: Option<Timeouts>,
    pub totals: Option<Totals>,
    /// The number of connections, templates included.
    pub connections: Option<u64>,
    /// The name of the module that is IPVS here, if it can be told.
    pub module: Option<&'static str>,
    pub parts: Vec<Part>,
}

/// A part of a pass.
#[derive(Debug)]
pub struct Part {
    pub name: &'static str,
    pub took: Duration,
    /// The reason for which it failed.
    pub error: Option<String>,
}

/// Counters of the network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub connections: u64,
    pub incoming_packets: u64,
    pub outgoing_packets: u64,
    pub incoming_bytes: u64,
    pub outgoing_bytes: u64,
}

impl Snapshot {
    /// Begins a pass that has read nothing yet.
    pub fn begin() -> Self {
        Snapshot {
            began: Instant::now(),
            info: None,
            table: None,
            daemons: None,
            timeouts: None,
            totals: None,
            connections: None,
            module: None,
            parts: Vec::new(),
        }
    }

    /// Notes that there was no way to the kernel.
    pub fn unconnected(error: String) -> Self {
        let mut snapshot = Snapshot::begin();
        snapshot.part("table", || Err::<(), String>(error));
        snapshot
    }

    /// Returns whether the table could be read: without it there is no IPVS to speak of.
    pub fn is_up(&self) -> bool {
        self.table.is_some()
    }

    /// Returns the first failure in words.
    pub fn error(&self) -> Option<&str> {
        self.parts.iter().find_map(|part| part.error.as_deref())
    }

    /// Does a part of the pass, and notes how it went.
    fn part<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce() -> Result<T, String>,
    ) -> Option<T> {
        let start = Instant::now();
        let (value, error) = match read() {
            Ok(value) => (Some(value), None),
            Err(error) => (None, Some(error)),
        };
        self.parts.push(Part {
            name,
            took: start.elapsed(),
            error,
        });
        value
    }
}

/// Opens the way to the kernel. It does not make the kernel load a module: who looks changes
/// nothing.
///
/// # Errors
/// The reason in words.
pub fn connect() -> Result<Client, String> {
    if Path::new("/proc/net").exists() && !Path::new(PRESENT).exists() {
        return Err(explain::setup(NetlinkError::NoFamily).to_string());
    }
    fetch::connect().map_err(|error| error.to_string())
}

/// Reads everything once.
pub fn collect<T: Transport>(client: &mut Client<T>) -> Snapshot {
    let mut snapshot = Snapshot::begin();
    let words = |error: NetlinkError| error.to_string();
    snapshot.table = snapshot.part("table", || table(client));
    snapshot.info = snapshot.part("info", || client.info().map_err(words));
    snapshot.daemons = snapshot.part("daemons", || match client.daemons() {
        // An IPVS without synchronisation.
        Err(error) if error.errno() == Some(libc::EOPNOTSUPP) => Ok(Vec::new()),
        other => other.map_err(words),
    });
    snapshot.timeouts = snapshot.part("timeouts", || client.timeouts().map_err(words));
    snapshot.totals = snapshot.part("totals", || {
        let text = fs::read_to_string(STATS).map_err(|error| format!("{STATS}: {error}"))?;
        totals(&text).ok_or_else(|| format!("{STATS} has not the expected lines"))
    });
    snapshot.connections = snapshot
        .part("status", || match fs::read_to_string(STATUS) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{STATUS}: {error}")),
            Ok(text) => match connections(&text) {
                None => Err(format!("{STATUS} has not the expected lines")),
                found => Ok(found),
            },
        })
        .flatten();
    snapshot.module = ["rust_ipvs", "ip_vs"]
        .into_iter()
        .find(|name| Path::new("/sys/module").join(name).exists());
    snapshot
}

/// All services with their destinations, sorted, each once: a list that changes while the kernel
/// makes it may have an entry twice.
fn table<T: Transport>(client: &mut Client<T>) -> Result<Vec<Group>, String> {
    let mut tries = 1;
    let mut groups = loop {
        let services = client.services().map_err(|error| error.to_string())?;
        let ids: Vec<_> = services.iter().map(|entry| &entry.service.id).collect();
        match client.destinations_of(&ids) {
            Ok(lists) => {
                let groups = services.into_iter().zip(lists);
                let groups = groups.map(|(service, servers)| Group { service, servers });
                break groups.collect::<Vec<Group>>();
            }
            // A service was deleted meanwhile.
            Err(error) if error.errno() == Some(libc::ESRCH) && tries < TRIES => tries += 1,
            Err(error) => return Err(error.to_string()),
        }
    };
    groups.sort_by_cached_key(|group| order(&group.service.service.id));
    groups.dedup_by(|a, b| a.service.service.id == b.service.service.id);
    for group in &mut groups {
        let key = |entry: &ipvs_netlink::DestinationEntry| {
            let id = entry.destination.id;
            (id.address, id.port)
        };
        group.servers.sort_by_key(key);
        group.servers.dedup_by_key(|entry| key(entry));
    }
    Ok(groups)
}

/// A key by which services have a stable order: marks last.
fn order(id: &ServiceId) -> (u32, u16, u16, std::net::IpAddr, u16) {
    let family = u16::from(id.family());
    match id {
        ServiceId::Address {
            protocol,
            address,
            port,
        } => (0, family, u16::from(*protocol), *address, *port),
        ServiceId::Fwmark { mark, .. } => (*mark, family, 0, id.family().unspecified(), 0),
    }
}

/// Reads [`STATS`]: two lines of headings, and one of hexadecimal numbers.
fn totals(text: &str) -> Option<Totals> {
    let line = text.lines().nth(2)?;
    let mut numbers = line
        .split_ascii_whitespace()
        .map(|word| u64::from_str_radix(word, 16).ok());
    let mut next = || numbers.next().flatten();
    Some(Totals {
        connections: next()?,
        incoming_packets: next()?,
        outgoing_packets: next()?,
        incoming_bytes: next()?,
        outgoing_bytes: next()?,
    })
}

/// Finds the number of connections in [`STATUS`].
fn connections(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Conns:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel() {
        let text = "   Total Incoming Outgoing         Incoming         Outgoing\n\
            \x20  Conns  Packets  Packets            Bytes            Bytes\n\
            \x20      A       1F        0        100000000                7\n\n\
            \x20Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n\
            \x20      1        2        3                4                5\n";
        let found = totals(text).unwrap();
        assert_eq!((found.connections, found.incoming_packets), (10, 31));
        assert_eq!((found.incoming_bytes, found.outgoing_bytes), (1 << 32, 7));
        for wrong in ["", "a\nb\n", "a\nb\n1 2 3 4\n", "a\nb\n1 2 x 4 5\n"] {
            assert_eq!(totals(wrong), None, "{wrong}");
        }
        assert_eq!(connections("Conns:\t12\nConn buckets:\t4096\n"), Some(12));
        assert_eq!(connections("Conn buckets:\t4096\n"), None);
    }
}
