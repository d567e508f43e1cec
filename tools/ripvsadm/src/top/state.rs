// SPDX-License-Identifier: GPL-2.0

//! State of `top`: rows, their order, and what keys do to them.

use std::cmp::Reverse;

use ipvs_netlink::Stats;

use super::options::Key;
use crate::model::Group;

/// A line of the table: a service, a real server, or all services together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// `TCP 192.0.2.1:80`, `198.51.100.1:80`.
    pub name: String,
    /// The rates.
    pub stats: Stats,
    /// Established connections.
    pub active: u64,
    /// True if it gets no new connections: a real server of weight 0.
    pub idle: bool,
}

impl Row {
    /// Returns what the column of `key` has; 0 for the name.
    pub fn number(&self, key: Key) -> u64 {
        match key {
            Key::Cps => self.stats.connection_rate,
            Key::InPps => self.stats.incoming_packet_rate,
            Key::OutPps => self.stats.outgoing_packet_rate,
            Key::InBps => self.stats.incoming_byte_rate,
            Key::OutBps => self.stats.outgoing_byte_rate,
            Key::Active => self.active,
            Key::Conns => self.stats.connections,
            Key::Name => 0,
        }
    }

    fn add(&mut self, other: &Row) {
        let (sum, stats) = (&mut self.stats, &other.stats);
        for (total, value) in [
            (&mut sum.connections, stats.connections),
            (&mut sum.connection_rate, stats.connection_rate),
            (&mut sum.incoming_packet_rate, stats.incoming_packet_rate),
            (&mut sum.outgoing_packet_rate, stats.outgoing_packet_rate),
            (&mut sum.incoming_byte_rate, stats.incoming_byte_rate),
            (&mut sum.outgoing_byte_rate, stats.outgoing_byte_rate),
            (&mut self.active, other.active),
        ] {
            *total = total.saturating_add(value);
        }
    }
}

/// Command of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// Quit.
    Quit,
    /// Sort by the next column to the right.
    Right,
    /// Sort by the next column to the left.
    Left,
    /// Show or hide real servers.
    Servers,
    /// Pause or resume.
    Pause,
    /// One line up, one line down.
    Up,
    Down,
    /// One page up, one page down.
    PageUp,
    PageDown,
    /// To the first line, to the last.
    Home,
    End,
}

/// Reads what a terminal sends for keys; what means nothing is skipped.
pub fn pressed(bytes: &[u8]) -> Vec<Pressed> {
    const SEQUENCES: [(&[u8], Pressed); 21] = [
        (b"\x1b[A", Pressed::Up),
        (b"\x1b[B", Pressed::Down),
        (b"\x1b[C", Pressed::Right),
        (b"\x1b[D", Pressed::Left),
        (b"\x1bOA", Pressed::Up),
        (b"\x1bOB", Pressed::Down),
        (b"\x1bOC", Pressed::Right),
        (b"\x1bOD", Pressed::Left),
        (b"\x1b[5~", Pressed::PageUp),
        (b"\x1b[6~", Pressed::PageDown),
        (b"\x1b[H", Pressed::Home),
        (b"\x1b[F", Pressed::End),
        (b"q", Pressed::Quit),
        // Ctrl-C.
        (b"\x03", Pressed::Quit),
        (b">", Pressed::Right),
        (b"s", Pressed::Right),
        (b"<", Pressed::Left),
        (b"d", Pressed::Servers),
        (b" ", Pressed::Pause),
        (b"k", Pressed::Up),
        (b"j", Pressed::Down),
    ];
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let known = SEQUENCES.iter().find(|(keys, _)| rest.starts_with(keys));
        found.extend(known.map(|(_, pressed)| *pressed));
        let length = known.map_or(1, |(keys, _)| keys.len());
        rest = rest.get(length..).unwrap_or_default();
    }
    found
}

/// Everything that is on the screen.
#[derive(Debug)]
pub struct State {
    key: Key,
    services: Vec<(Row, Vec<Row>)>,
    total: Row,
    servers_shown: bool,
    paused: bool,
    /// Number of rows above the first one on the screen.
    above: usize,
}

impl State {
    /// An empty table, sorted by `key`.
    pub fn new(key: Key) -> Self {
        State {
            key,
            services: Vec::new(),
            total: Row::default(),
            servers_shown: true,
            paused: false,
            above: 0,
        }
    }

    /// Updates the rows from a reply of the kernel.
    pub fn update(&mut self, groups: &[Group]) {
        self.services = groups.iter().map(rows).collect();
        self.total = Row::default();
        for (service, _) in &self.services {
            self.total.add(service);
        }
        self.sort();
    }

    /// Executes the command of a key; `page` is the number of rows on the screen.
    pub fn press(&mut self, pressed: Pressed, page: usize) {
        let page = page.max(1);
        match pressed {
            Pressed::Quit => {}
            Pressed::Right | Pressed::Left => {
                let right = pressed == Pressed::Right;
                self.key = self.key.beside(if right { 1 } else { Key::ALL.len() - 1 });
                self.above = 0;
                self.sort();
            }
            Pressed::Servers => {
                self.servers_shown = !self.servers_shown;
                self.above = 0;
            }
            Pressed::Pause => self.paused = !self.paused,
            Pressed::Up => self.above = self.above.saturating_sub(1),
            Pressed::Down => self.above = self.above.saturating_add(1),
            Pressed::PageUp => self.above = self.above.saturating_sub(page),
            Pressed::PageDown => self.above = self.above.saturating_add(page),
            Pressed::Home => self.above = 0,
            Pressed::End => self.above = usize::MAX,
        }
        self.above = self.above.min(self.count().saturating_sub(page));
    }

    /// Returns whether the table is paused.
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// Returns what it is sorted by.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The sum of all services, and how many they are and their real servers.
    pub fn total(&self) -> (&Row, usize, usize) {
        let servers = self.services.iter().map(|(_, servers)| servers.len());
        (&self.total, self.services.len(), servers.sum())
    }

    /// The rows from the first one on the screen on; `true` for real servers.
    pub fn rows(&self) -> impl Iterator<Item = (&Row, bool)> {
        self.all().skip(self.above)
    }

    /// All rows, from the first on.
    pub fn all(&self) -> impl Iterator<Item = (&Row, bool)> {
        self.services.iter().flat_map(|(service, servers)| {
            let shown = if self.servers_shown { servers.len() } else { 0 };
            let servers = servers.iter().take(shown).map(|row| (row, true));
            std::iter::once((service, false)).chain(servers)
        })
    }

    fn count(&self) -> usize {
        self.all().count()
    }

    /// The greatest first; equals, and names, from the first to the last.
    fn sort(&mut self) {
        let key = self.key;
        let order = |row: &Row| (Reverse(row.number(key)), row.name.clone());
        self.services.sort_by_cached_key(|(row, _)| order(row));
        for (_, servers) in &mut self.services {
            servers.sort_by_cached_key(order);
        }
    }
}

/// The rows of a service and its real servers.
fn rows(group: &Group) -> (Row, Vec<Row>) {
    let servers: Vec<Row> = group
        .servers
        .iter()
        .map(|entry| Row {
            name: entry.destination.id.to_string(),
            stats: entry.stats,
            active: entry.active_connections.into(),
            idle: entry.destination.weight == 0,
        })
        .collect();
    let service = Row {
        name: group.service.service.id.to_string(),
        stats: group.service.stats,
        active: servers.iter().map(|row| row.active).sum(),
        idle: false,
    };
    (service, servers)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use ipvs_netlink::{Destination, DestinationEntry, Protocol, Service, ServiceEntry, ServiceId};

    fn server(octet: u8, cps: u64, active: u32, weight: u32) -> DestinationEntry {
        DestinationEntry {
            destination: Destination {
                weight,
                ..Destination::new([198, 51, 100, octet].into(), 80)
            },
            active_connections: active,
            inactive_connections: 0,
            persistent_connections: 0,
            drain: None,
            stats: Stats {
                connection_rate: cps,
                ..Stats::default()
            },
        }
    }

    fn group(port: u16, cps: u64, bytes: u64, servers: Vec<DestinationEntry>) -> Group {
        let id = ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), port);
        Group {
            service: ServiceEntry {
                service: Service::new(id, "rr"),
                stats: Stats {
                    connections: 100 * cps,
                    connection_rate: cps,
                    incoming_byte_rate: bytes,
                    ..Stats::default()
                },
            },
            servers,
        }
    }

    /// Two services with two real servers each, for tests of the screen, too.
    pub fn groups() -> Vec<Group> {
        vec![
            group(80, 3, 9000, vec![server(1, 1, 5, 1), server(2, 2, 4, 1)]),
            group(443, 70, 200, vec![server(1, 70, 1, 1), server(2, 0, 0, 0)]),
        ]
    }

    fn names(state: &State) -> Vec<&str> {
        state.rows().map(|(row, _)| row.name.as_str()).collect()
    }

    fn state() -> State {
        let mut state = State::new(Key::Cps);
        state.update(&groups());
        state
    }

    #[test]
    fn the_busiest_come_first() {
        let mut state = state();
        assert_eq!(
            names(&state),
            [
                "TCP 192.0.2.1:443",
                "198.51.100.1:80",
                "198.51.100.2:80",
                "TCP 192.0.2.1:80",
                "198.51.100.2:80",
                "198.51.100.1:80"
            ]
        );
        let (total, services, servers) = state.total();
        assert_eq!((services, servers), (2, 4));
        assert_eq!(total.number(Key::Cps), 73);
        assert_eq!(total.number(Key::Active), 10);
        assert_eq!(total.number(Key::Conns), 7300);

        // By bytes, three columns to the right.
        for _ in 0..3 {
            state.press(Pressed::Right, 10);
        }
        assert_eq!(state.key(), Key::InBps);
        assert_eq!(names(&state)[0], "TCP 192.0.2.1:80");
        // The name is left of the first column, and is sorted upwards.
        for _ in 0..4 {
            state.press(Pressed::Left, 10);
        }
        assert_eq!(state.key(), Key::Name);
        assert_eq!(names(&state)[0], "TCP 192.0.2.1:443");
        assert_eq!(names(&state)[1], "198.51.100.1:80");
    }

    #[test]
    fn names_of_keys() {
        for key in Key::ALL {
            assert_eq!(Key::named(key.name()), Some(key));
            assert_eq!(Key::named(&key.name().to_lowercase()), Some(key));
            assert_eq!(key.beside(1).beside(Key::ALL.len() - 1), key);
        }
        assert_eq!(Key::named("x"), None);
    }

    #[test]
    fn scrolling_ends_at_the_ends() {
        let mut state = state();
        let first = |state: &State| state.all().count() - state.rows().count();
        for (pressed, above) in [
            (Pressed::Up, 0),
            (Pressed::Down, 1),
            (Pressed::PageDown, 4),
            (Pressed::PageDown, 4),
            (Pressed::Down, 4),
            (Pressed::PageUp, 2),
            (Pressed::End, 4),
            (Pressed::Home, 0),
        ] {
            state.press(pressed, if above == 1 { 3 } else { 2 });
            let expected = if pressed == Pressed::PageDown {
                first(&state)
            } else {
                above
            };
            assert_eq!(first(&state), expected, "{pressed:?}");
        }
        state.press(Pressed::End, 2);
        assert_eq!(first(&state), 4);
        state.press(Pressed::Servers, 2);
        assert_eq!(names(&state), ["TCP 192.0.2.1:443", "TCP 192.0.2.1:80"]);
        // A screen that holds everything does not scroll.
        state.press(Pressed::End, 100);
        assert_eq!(first(&state), 0);
    }

    #[test]
    fn pausing() {
        let mut state = state();
        state.press(Pressed::Pause, 2);
        assert!(state.paused());
        state.press(Pressed::Pause, 2);
        assert!(!state.paused());
    }

    #[test]
    fn keys() {
        use Pressed::{Down, PageDown, Pause, Quit, Right, Up};
        assert_eq!(
            pressed(b"\x1b[Aj \x1b[6~>x\x1bq\x03"),
            [Up, Down, Pause, PageDown, Right, Quit, Quit]
        );
        assert_eq!(pressed(b"\x1b"), []);
        assert_eq!(pressed(b""), []);
    }
}
