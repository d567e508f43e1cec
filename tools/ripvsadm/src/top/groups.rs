// SPDX-License-Identifier: GPL-2.0

//! Groups of connections: by client, server, service or state, the largest first.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;

use crate::connection::Endpoint;
use crate::conns::source::Shown;
use crate::view;

/// Key that connections are grouped by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// The client's address.
    #[default]
    Client,
    /// Address and port of the destination.
    Server,
    /// Protocol, VIP and port, or the mark.
    Service,
    /// Protocol and state.
    State,
}

impl By {
    /// All of them.
    pub const ALL: [By; 4] = [By::Client, By::Server, By::Service, By::State];

    /// The heading, and the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            By::Client => "client",
            By::Server => "server",
            By::Service => "service",
            By::State => "state",
        }
    }

    /// The word for more than one.
    pub fn plural(self) -> &'static str {
        match self {
            By::Client => "clients",
            By::Server => "servers",
            By::Service => "services",
            By::State => "states",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<By> {
        By::ALL.into_iter().find(|by| by.name() == name)
    }

    /// Returns the one so many places further, cyclically.
    pub fn beside(self, places: usize) -> By {
        let mut all = By::ALL.into_iter().cycle();
        all.position(|by| by == self);
        all.nth(places.wrapping_sub(1)).unwrap_or(self)
    }
}

/// Numbers of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections.
    pub conns: u64,
    /// Those that are established.
    pub established: u64,
    /// Those whose last packet was a minute ago or earlier, which only rust_ipvs shows.
    pub idle: u64,
    /// Templates.
    pub templates: u64,
}

impl Counts {
    fn add(&mut self, shown: &Shown) {
        if shown.is_template() {
            self.templates += 1;
            return;
        }
        self.conns += 1;
        self.established += u64::from(shown.connection.state == "ESTABLISHED");
        self.idle += u64::from(shown.more.as_ref().is_some_and(|more| more.idle >= 60));
    }
}

/// The key of a group. Names are made of those that are shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Group {
    Client(IpAddr),
    Server(IpAddr, u16),
    Service(String, IpAddr, u16),
    Mark(u32, bool),
    State(String, String),
}

impl Group {
    fn of(shown: &Shown, by: By) -> Self {
        let connection = &shown.connection;
        let Endpoint { address, port } = match by {
            By::Server => connection.real_server,
            _ => connection.virtual_server,
        };
        match by {
            By::Client => Group::Client(connection.client.address),
            By::Server => Group::Server(address, port),
            By::Service => match shown.mark() {
                Some(mark) => Group::Mark(mark, connection.client.address.is_ipv6()),
                None => Group::Service(connection.protocol.clone(), address, port),
            },
            By::State => Group::State(
                match shown.is_template() {
                    true => "template".to_owned(),
                    false => connection.protocol.clone(),
                },
                connection.state.clone(),
            ),
        }
    }

    fn name(&self) -> String {
        let end = |address, port| view::full_address(address, port, None, &crate::names::Numeric);
        match self {
            Group::Client(address) => address.to_string(),
            Group::Server(address, port) => end(*address, *port),
            Group::Service(protocol, address, port) => {
                format!("{protocol} {}", end(*address, *port))
            }
            Group::Mark(mark, false) => format!("FWM {mark}"),
            Group::Mark(mark, true) => format!("FWM {mark} IPv6"),
            Group::State(protocol, state) => format!("{protocol} {state}"),
        }
    }
}

/// Connections in groups while they are read.
#[derive(Debug, Default)]
pub struct Groups {
    counts: HashMap<Group, Counts>,
    total: Counts,
}

/// Groups in order, and their sum.
#[derive(Debug, Default)]
pub struct Sorted {
    /// Names and numbers, the largest first.
    pub rows: Vec<(String, Counts)>,
    /// The sum.
    pub total: Counts,
}

impl Groups {
    /// Adds a connection.
    pub fn add(&mut self, shown: &Shown, by: By) {
        self.counts
            .entry(Group::of(shown, by))
            .or_default()
            .add(shown);
        self.total.add(shown);
    }

    /// Sorts them: the most connections first, then the most templates, then by name.
    pub fn sort(self) -> Sorted {
        let named = self.counts.into_iter();
        let mut rows: Vec<(String, Counts)> = named
            .map(|(group, counts)| (group.name(), counts))
            .collect();
        rows.sort_by(|(name, a), (other, b)| {
            let key = |counts: &Counts| (Reverse(counts.conns), Reverse(counts.templates));
            key(a).cmp(&key(b)).then_with(|| name.cmp(other))
        });
        Sorted {
            rows,
            total: self.total,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::connection::parse;
    use crate::connection::tests::LINES;

    /// The connections of C's list in groups.
    pub fn sorted(by: By) -> Sorted {
        let mut groups = Groups::default();
        for connection in parse(LINES).unwrap() {
            let shown = Shown {
                connection,
                more: None,
            };
            groups.add(&shown, by);
        }
        groups.sort()
    }

    fn rows(by: By) -> Vec<(String, u64, u64)> {
        let rows = sorted(by).rows.into_iter();
        rows.map(|(name, counts)| (name, counts.conns, counts.templates))
            .collect()
    }

    #[test]
    fn the_largest_come_first() {
        let row = |name: &str, conns, templates| (name.to_owned(), conns, templates);
        assert_eq!(
            rows(By::Client),
            [row("203.0.113.5", 2, 2), row("2001:db8:f::1", 1, 0),]
        );
        assert_eq!(rows(By::Server)[0], row("198.51.100.1:80", 1, 0));
        assert!(rows(By::Server).contains(&row("[2001:db8::1]:8443", 1, 0)));
        assert_eq!(
            rows(By::Service),
            [
                row("TCP 192.0.2.1:80", 1, 0),
                row("TCP 192.0.2.1:8443", 1, 0),
                row("TCP [2001:db8:f::2]:81", 1, 0),
                row("FWM 99", 0, 1),
                row("UDP 192.0.2.1:5060", 0, 1),
            ]
        );
        assert_eq!(
            rows(By::State),
            [
                row("TCP SYN_RECV", 2, 0),
                row("TCP ESTABLISHED", 1, 0),
                row("template NONE", 0, 2),
            ]
        );
        let total = sorted(By::State).total;
        assert_eq!((total.conns, total.established, total.templates), (3, 1, 2));
    }

    #[test]
    fn names() {
        for by in By::ALL {
            assert_eq!(By::named(by.name()), Some(by));
            assert_eq!(by.beside(1).beside(By::ALL.len() - 1), by);
            assert!(by.plural().starts_with(by.name()));
        }
        assert_eq!(By::named("x"), None);
    }
}
