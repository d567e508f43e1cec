// SPDX-License-Identifier: GPL-2.0

//! One pass over the kernel's IPVS: everything that the metrics are made of.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use ipvs_netlink::ripvs::ReasonCount;
use ipvs_netlink::{
    Client, Daemon, DestinationEntry, Error as NetlinkError, Info, ServiceEntry, ServiceId,
    Timeouts, Transport,
};

use crate::explain;
use crate::fetch;
use crate::model::Group;

/// Totals of the network namespace, which the netlink family does not have.
const STATS: &str = "/proc/net/ip_vs_stats";
/// The number of connections; older kernels have no such file.
const STATUS: &str = "/proc/net/ip_vs_status";
/// A file that is there as long as IPVS is.
const PRESENT: &str = "/proc/net/ip_vs";

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
    /// Reasons of the namespace for drops and refusals; `None` with an IPVS that counts none.
    pub reasons: Option<Vec<ReasonCount>>,
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
            reasons: None,
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
    snapshot.table = snapshot.part("table", || table(client).map_err(words));
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
        .part("status", || connections_in_table(client))
        .flatten();
    snapshot.reasons = snapshot
        .part("reasons", || reasons(client).map_err(words))
        .flatten();
    snapshot.module = ["rust_ipvs", "ip_vs"]
        .into_iter()
        .find(|name| Path::new("/sys/module").join(name).exists());
    snapshot
}

/// All services with their destinations, sorted, each once.
fn table<T: Transport>(client: &mut Client<T>) -> Result<Vec<Group>, NetlinkError> {
    let mut groups = match fetch::at_once(client, true)? {
        Some(groups) => groups,
        None => list_by_list(client)?,
    };
    groups.sort_by_cached_key(|group| order(&group.service.service.id));
    groups.dedup_by(|a, b| a.service.service.id == b.service.service.id);
    for group in &mut groups {
        let key = |entry: &DestinationEntry| {
            let id = entry.destination.id;
            (id.address, id.port)
        };
        group.servers.sort_by_key(key);
        group.servers.dedup_by_key(|entry| key(entry));
    }
    Ok(groups)
}

/// The table by the family `IPVS`. A list that changes while the kernel makes it may have an entry
/// twice.
fn list_by_list<T: Transport>(client: &mut Client<T>) -> Result<Vec<Group>, NetlinkError> {
    let services = client.services()?;
    let ids: Vec<_> = services.iter().map(|entry| &entry.service.id).collect();
    match client.destinations_of(&ids) {
        Ok(lists) => {
            let groups = services.into_iter().zip(lists);
            let groups = groups.map(|(service, servers)| Group { service, servers });
            Ok(groups.collect())
        }
        Err(error) if is_gone(&error) => one_by_one(services, client),
        Err(error) => Err(error),
    }
}

/// The same, if a service was deleted meanwhile: it is left out.
fn one_by_one<T: Transport>(
    services: Vec<ServiceEntry>,
    client: &mut Client<T>,
) -> Result<Vec<Group>, NetlinkError> {
    let mut groups = Vec::new();
    for service in services {
        match client.destinations(&service.service.id) {
            Ok(servers) => groups.push(Group { service, servers }),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(groups)
}

fn is_gone(error: &NetlinkError) -> bool {
    error.errno() == Some(libc::ESRCH)
}

/// Reads the reasons of the namespace. `None` if this IPVS counts none.
fn reasons<T: Transport>(client: &mut Client<T>) -> Result<Option<Vec<ReasonCount>>, NetlinkError> {
    let Some(mut ripvs) = fetch::ripvs(client)? else {
        return Ok(None);
    };
    let all = ripvs.reasons(None)?;
    Ok(all.into_iter().next().map(|reasons| reasons.counts))
}

/// Reads the number of connections: from the family `RIPVS`, or from [`STATUS`], for which the
/// kernel looks at each bucket. `None` if this IPVS has neither.
fn connections_in_table<T: Transport>(client: &mut Client<T>) -> Result<Option<u64>, String> {
    let words = |error: NetlinkError| error.to_string();
    if let Some(mut ripvs) = fetch::ripvs(client).map_err(words)? {
        let info = ripvs.info().map_err(words)?;
        return Ok(Some(info.connections.into()));
    }
    match fs::read_to_string(STATUS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{STATUS}: {error}")),
        Ok(text) => match connections(&text) {
            None => Err(format!("{STATUS} has not the expected lines")),
            found => Ok(found),
        },
    }
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
    use std::collections::VecDeque;

    use crate::view::table_tests;

    const NLM_F_MULTI: u16 = 2;
    const ERROR: u16 = 2;
    const DONE: u16 = 3;
    const FAMILY: u16 = 28;

    /// A kernel with the services of the tests of listings, the second of which goes as soon as it
    /// is listed; the others are listed twice.
    #[derive(Default)]
    struct Kernel {
        answers: VecDeque<Vec<u8>>,
    }

    impl Kernel {
        fn answer(&mut self, kind: u16, flags: u16, sequence: &[u8], payload: &[u8]) {
            let mut bytes = (16 + payload.len() as u32).to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(flags.to_ne_bytes());
            bytes.extend(sequence);
            bytes.extend([0; 4]);
            bytes.extend(payload);
            self.answers.push_back(bytes);
        }

        /// An entry of a list: the header of generic netlink, and a nest.
        fn entry(&mut self, sequence: &[u8], attribute: u8, nest: &[u8]) {
            let length = (nest.len() as u16 + 4).to_ne_bytes();
            let head = [1, 1, 0, 0, length[0], length[1], attribute, 0x80];
            self.answer(FAMILY, NLM_F_MULTI, sequence, &[&head, nest].concat());
        }

        fn request(&mut self, request: &[u8]) {
            let (kind, sequence, command) = (&request[4..6], &request[8..12], request[16]);
            if kind == 16u16.to_ne_bytes() {
                if request.windows(5).any(|name| name == b"RIPVS") {
                    let errno = (-libc::ENOENT).to_ne_bytes();
                    let payload = [&errno[..], &[0; 16]].concat();
                    return self.answer(ERROR, 0, sequence, &payload);
                }
                let family = [1, 2, 0, 0, 6, 0, 1, 0, FAMILY as u8, 0, 0, 0];
                self.answer(16, 0, sequence, &family);
                return self.answer(ERROR, 0, sequence, &[0; 20]);
            }
            let groups = table_tests::groups();
            let mut list = Vec::new();
            if command == 4 {
                for group in [&groups[2], &groups[1], &groups[0], &groups[2], &groups[0]] {
                    group.service.encode(&mut list);
                    self.entry(sequence, 1, &list);
                    list.clear();
                }
            } else {
                let id = ServiceId::decode(&request[24..]).unwrap();
                if id == groups[1].service.service.id {
                    let errno = (-libc::ESRCH).to_ne_bytes();
                    return self.answer(DONE, NLM_F_MULTI, sequence, &errno);
                }
                let group = groups.iter().find(|group| group.service.service.id == id);
                for server in group.unwrap().servers.iter().rev().cycle().take(4) {
                    server.encode(&mut list);
                    self.entry(sequence, 2, &list);
                    list.clear();
                }
            }
            self.answer(DONE, NLM_F_MULTI, sequence, &[0; 4]);
        }
    }

    impl Transport for Kernel {
        fn send(&mut self, mut requests: &[u8]) -> io::Result<()> {
            while !requests.is_empty() {
                let length = u32::from_ne_bytes(requests[..4].try_into().unwrap()) as usize;
                self.request(&requests[..length]);
                requests = &requests[length..];
            }
            Ok(())
        }

        fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<()> {
            *datagram = self.answers.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
            Ok(())
        }
    }

    #[test]
    fn a_table_that_changes_while_it_is_read() {
        let mut client = Client::with_transport(Kernel::default()).unwrap();
        let found = table(&mut client).unwrap();
        let groups = table_tests::groups();
        let ids: Vec<_> = found
            .iter()
            .map(|group| &group.service.service.id)
            .collect();
        assert_eq!(
            ids,
            [&groups[0].service.service.id, &groups[2].service.service.id]
        );
        assert_eq!(found[0].servers, groups[0].servers);
        assert!(found[1].servers.is_empty());
    }

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
