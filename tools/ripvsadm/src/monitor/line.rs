// SPDX-License-Identifier: GPL-2.0

//! Lines of `monitor`: a change as the command that would make it again, or as an object.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use ipvs_netlink::ripvs::{Event, EventKind};
use ipvs_netlink::{Destination, DestinationEntry, Service, ServiceId};
use serde::Serialize;

use crate::drain;
use crate::model::Group;
use crate::names::Numeric;
use crate::save;

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Seconds since 1970, in UTC.
    time: f64,
    /// The kind of the change.
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    /// The name of the process, if it still runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    /// The service, as after -A.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    /// The address of the real server.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    /// The options of the grammar that would make the change again.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// The state of the real server in words, if the event is about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

/// The name of a running process.
fn command(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

impl Line {
    /// A line without a change.
    fn empty(event: &'static str, time: SystemTime) -> Self {
        Line {
            time: seconds(time),
            event,
            generation: None,
            pid: None,
            command: None,
            service: None,
            server: None,
            rule: None,
            state: None,
        }
    }

    /// The line of a change that was heard of at `time`.
    pub fn new(event: &Event, time: SystemTime) -> Self {
        let line = Line {
            generation: Some(event.generation),
            pid: Some(event.pid),
            command: command(event.pid),
            ..Line::empty("", time)
        };
        line.of(&event.kind)
    }

    /// The line that tells of lost changes.
    pub fn lost(time: SystemTime) -> Self {
        Line::empty("lost", time)
    }

    /// The lines of a whole configuration.
    pub fn all(groups: &[Group], generation: u64, time: SystemTime) -> Vec<Self> {
        let line = || Line {
            generation: Some(generation),
            ..Line::empty("", time)
        };
        let mut lines = Vec::new();
        for group in groups {
            let service = &group.service.service;
            lines.push(line().of_service("service", "-A", service));
            for entry in &group.servers {
                let server = &entry.destination;
                lines.push(line().of_server("server", "-a", &service.id, server));
                if entry.drain.is_some() {
                    lines.push(line().of_drain("drain", &service.id, entry));
                }
            }
        }
        lines.push(Line {
            event: "all",
            ..line()
        });
        lines
    }

    fn of(self, kind: &EventKind) -> Self {
        match kind {
            EventKind::AddService(service) => self.of_service("new-service", "-A", service),
            EventKind::EditService(service) => self.of_service("set-service", "-E", service),
            EventKind::DeleteService(id) => {
                let words = save::id_words(id, &Numeric);
                self.with("del-service", format!("-D {words}"), Some(words), None)
            }
            EventKind::AddDestination(id, server) => self.of_server("new-server", "-a", id, server),
            EventKind::EditDestination(id, server) => {
                self.of_server("set-server", "-e", id, server)
            }
            EventKind::DeleteDestination(id, server) => {
                let words = save::id_words(id, &Numeric);
                let address = save::address_words(id, &server.id, &Numeric);
                let rule = format!("-d {words} {address}");
                self.with("del-server", rule, Some(words), Some(server.id.to_string()))
            }
            EventKind::Drain(id, entry) => self.of_drain("drain", id, entry),
            EventKind::Undrain(id, entry) => self.of_drain("undrain", id, entry),
            EventKind::Drained(id, entry) => {
                let words = entry.drain.map(|drain| drain::state_words(&drain, entry));
                self.of_state("drained", id, entry, words.unwrap_or_default())
            }
            EventKind::Overload(id, entry) => {
                let most = entry.destination.upper_threshold;
                let words = format!("overload: {} of {most} connections", connections(entry));
                self.of_state("overload", id, entry, words)
            }
            EventKind::OverloadEnd(id, entry) => {
                let words = format!("overload is over: {} connections", connections(entry));
                self.of_state("overload-end", id, entry, words)
            }
            EventKind::Flush => self.with("flush", "-C".to_owned(), None, None),
            EventKind::Timeouts(now) => {
                let rule = format!("--set {} {} {}", now.tcp, now.tcp_fin, now.udp);
                self.with("timeouts", rule, None, None)
            }
            EventKind::StartDaemon(role) => {
                let rule = format!("--start-daemon {}", role_name(*role));
                self.with("start-daemon", rule, None, None)
            }
            EventKind::StopDaemon(role) => {
                let rule = format!("--stop-daemon {}", role_name(*role));
                self.with("stop-daemon", rule, None, None)
            }
            _ => Line {
                event: "other",
                ..self
            },
        }
    }

    fn of_service(self, event: &'static str, option: &str, service: &Service) -> Self {
        let words = save::id_words(&service.id, &Numeric);
        let rule = format!("{option} {words} {}", save::service_words(service));
        self.with(event, rule, Some(words), None)
    }

    fn of_server(
        self,
        event: &'static str,
        option: &str,
        id: &ServiceId,
        server: &Destination,
    ) -> Self {
        let words = save::id_words(id, &Numeric);
        let address = save::address_words(id, &server.id, &Numeric);
        let options = save::server_words(id, server);
        let rule = format!("{option} {words} {address} {options}");
        self.with(event, rule, Some(words), Some(server.id.to_string()))
    }

    /// The line of a drain that begins, or ends.
    fn of_drain(self, event: &'static str, id: &ServiceId, entry: &DestinationEntry) -> Self {
        let server = &entry.destination.id;
        let words = save::id_words(id, &Numeric);
        let address = save::address_words(id, server, &Numeric);
        let options = entry.drain.map(|drain| drain::words(&drain.options));
        let options = options.unwrap_or_default();
        let rule = format!("{event} {words} {address}{options}");
        self.with(event, rule, Some(words), Some(server.to_string()))
    }

    /// The line of a state that nobody has set.
    fn of_state(
        self,
        event: &'static str,
        id: &ServiceId,
        entry: &DestinationEntry,
        state: String,
    ) -> Self {
        Line {
            event,
            service: Some(save::id_words(id, &Numeric)),
            server: Some(entry.destination.id.to_string()),
            state: Some(state),
            ..self
        }
    }

    fn with(
        self,
        event: &'static str,
        rule: String,
        service: Option<String>,
        server: Option<String>,
    ) -> Self {
        Line {
            event,
            service,
            server,
            rule: Some(rule),
            ..self
        }
    }

    /// The line as an object.
    pub fn json(&self) -> String {
        // There is nothing in it that cannot be an object.
        let text = serde_json::to_string(self).unwrap_or_default();
        format!("{text}\n")
    }

    /// The line for a reader: time of the day in UTC, generation, process, command.
    pub fn text(&self) -> String {
        let day = self.time.rem_euclid(86400.0);
        // Less than a day.
        let whole = day as u64;
        let mut text = format!(
            "{:02}:{:02}:{:02}.{:03}",
            whole / 3600,
            whole / 60 % 60,
            whole % 60,
            ((day - day.floor()) * 1000.0) as u64,
        );
        if let Some(generation) = self.generation {
            text.push_str(&format!("  {generation:>6}"));
        }
        if let Some(pid) = self.pid {
            let name = self.command.as_deref().unwrap_or("-");
            let name = match pid {
                0 => "kernel".to_owned(),
                _ => format!("{name}[{pid}]"),
            };
            text.push_str(&format!("  {name:<20}"));
        }
        text.push_str("  ");
        if let (Some(service), Some(server), Some(state)) =
            (&self.service, &self.server, &self.state)
        {
            text.push_str(&format!("# {service} -r {server} {state}\n"));
            return text;
        }
        text.push_str(match (self.event, &self.rule) {
            (_, Some(rule)) => rule,
            ("all", None) => "# that is all",
            ("lost", None) => "# changes were lost; all that is configured now:",
            _ => "# a change of another kind",
        });
        text.push('\n');
        text
    }
}

/// The number of connections of a real server.
fn connections(entry: &DestinationEntry) -> u32 {
    let (active, others) = (entry.active_connections, entry.inactive_connections);
    active.saturating_add(others)
}

fn role_name(role: u32) -> &'static str {
    match role {
        1 => "master",
        2 => "backup",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs_netlink::{Protocol, ServiceEntry, Stats, Timeouts};
    use std::time::Duration;

    fn web() -> ServiceId {
        ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 80)
    }

    fn at() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(86_400_000 + 3_723_042)
    }

    fn line(kind: EventKind) -> Line {
        let event = Event {
            generation: 12,
            // None has it.
            pid: u32::MAX,
            kind,
        };
        Line::new(&event, at())
    }

    #[test]
    fn commands() {
        let mut server = Destination::new("198.51.100.1".parse().unwrap(), 8080);
        server.weight = 3;
        let gone = server.clone();
        for (kind, rule) in [
            (
                EventKind::AddService(Service::new(web(), "wlc")),
                "-A -t 192.0.2.1:80 -s wlc",
            ),
            (
                EventKind::EditService(Service::new(web(), "rr")),
                "-E -t 192.0.2.1:80 -s rr",
            ),
            (EventKind::DeleteService(web()), "-D -t 192.0.2.1:80"),
            (
                EventKind::AddDestination(web(), server.clone()),
                "-a -t 192.0.2.1:80 -r 198.51.100.1:8080 -g -w 3",
            ),
            (
                EventKind::EditDestination(web(), server),
                "-e -t 192.0.2.1:80 -r 198.51.100.1:8080 -g -w 3",
            ),
            (
                EventKind::DeleteDestination(web(), gone),
                "-d -t 192.0.2.1:80 -r 198.51.100.1:8080",
            ),
            (EventKind::Flush, "-C"),
            (
                EventKind::Timeouts(Timeouts {
                    tcp: 900,
                    tcp_fin: 120,
                    udp: 300,
                }),
                "--set 900 120 300",
            ),
            (EventKind::StartDaemon(1), "--start-daemon master"),
            (EventKind::StopDaemon(2), "--stop-daemon backup"),
        ] {
            let text = line(kind).text();
            let start = format!("01:02:03.042      12  {:<20}  ", "-[4294967295]");
            assert_eq!(text, format!("{start}{rule}\n"));
        }
    }

    #[test]
    fn objects() {
        let text = line(EventKind::DeleteService(web())).json();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["event"], "del-service");
        assert_eq!(value["generation"], 12);
        assert_eq!(value["service"], "-t 192.0.2.1:80");
        assert_eq!(value["rule"], "-D -t 192.0.2.1:80");
        assert!(value.get("server").is_none());
        assert_eq!(text.lines().count(), 1);
        assert_eq!(
            Line::lost(at()).json(),
            "{\"time\":90123.042,\"event\":\"lost\"}\n"
        );
    }

    #[test]
    fn all_that_is_configured() {
        let server = DestinationEntry {
            destination: Destination::new("198.51.100.1".parse().unwrap(), 80),
            active_connections: 0,
            inactive_connections: 0,
            persistent_connections: 0,
            drain: None,
            stats: Stats::default(),
        };
        let group = Group {
            service: ServiceEntry {
                service: Service::new(web(), "rr"),
                stats: Stats::default(),
            },
            servers: vec![server],
        };
        let lines = Line::all(&[group], 3, at());
        let text: String = lines.iter().map(Line::text).collect();
        assert_eq!(
            text,
            "01:02:03.042       3  -A -t 192.0.2.1:80 -s rr\n\
             01:02:03.042       3  -a -t 192.0.2.1:80 -r 198.51.100.1:80 -g -w 1\n\
             01:02:03.042       3  # that is all\n"
        );
    }
}
