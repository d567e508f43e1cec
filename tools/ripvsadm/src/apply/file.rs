// SPDX-License-Identifier: GPL-2.0

//! A file that says what is to be: lines of the grammar, or JSON.
//!
//! JSON is put in the words of the grammar, so that both are checked alike.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io::Read;
use std::{fmt, fs, io};

use ipvs_netlink::ripvs::{Change as Difference, Wanted, WantedDrain, WantedService};
use ipvs_netlink::{Change, Destination, DestinationId, Service, ServiceId};

use super::json;
use crate::cli::{self, plain};
use crate::drain;
use crate::error::Error;
use crate::model::Action;
use crate::names::Lookup;
use crate::restore;

/// The place of something in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line, from 1 on.
    Line(usize),
    /// A service in JSON.
    Service(usize),
    /// A destination of a service in JSON.
    Destination(usize, usize),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Line(number) => write!(f, "line {number}"),
            Origin::Service(service) => write!(f, "services[{service}]"),
            Origin::Destination(service, number) => {
                write!(f, "services[{service}].destinations[{number}]")
            }
        }
    }
}

/// Up to so many destinations of a service are compared with a new one, one by one.
const FEW: usize = 16;

/// The configuration that a file wants.
#[derive(Debug, Default)]
pub struct Configuration {
    name: String,
    /// Services with their destinations.
    pub wanted: Wanted,
    /// The origin of each service and of its destinations.
    origins: Vec<(Origin, Vec<Origin>)>,
    /// The places of services among those that are wanted.
    places: HashMap<ServiceId, usize>,
    /// The place of the service that the last line was about.
    last: usize,
    /// Destinations whose drains are mentioned.
    drained: HashSet<(ServiceId, DestinationId)>,
    /// Destinations of services with more than [`FEW`], each with the place of its service.
    servers: HashSet<(usize, DestinationId)>,
}

/// Reads a file, `-` for standard input.
///
/// # Errors
/// [`Error::Stream`] if it cannot be read, [`Error::Argument`] for what is wrong in it.
pub fn read(file: &str, lookup: &dyn Lookup) -> Result<Configuration, Error> {
    let failed = |error: io::Error| Error::Listing(format!("cannot read {file}: {error}"));
    let mut bytes = Vec::new();
    match file {
        "-" => {
            io::stdin().lock().read_to_end(&mut bytes)?;
            parse("standard input", &bytes, lookup)
        }
        _ => {
            bytes = fs::read(file).map_err(failed)?;
            parse(file, &bytes, lookup)
        }
    }
}

/// Reads the bytes of a file: JSON if they begin with a brace, else lines.
///
/// # Errors
/// [`Error::Argument`] for what is wrong in them.
pub fn parse(name: &str, bytes: &[u8], lookup: &dyn Lookup) -> Result<Configuration, Error> {
    let mut configuration = Configuration {
        name: name.to_owned(),
        ..Configuration::default()
    };
    if bytes.trim_ascii_start().starts_with(b"{") {
        let document = json::read(bytes)
            .map_err(|error| Error::Argument(format!("{}: {error}", configuration.name)))?;
        for (origin, words) in document.lines() {
            configuration.add(origin, &words, lookup)?;
        }
        return Ok(configuration);
    }
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if let Some(change) = plain::read(line) {
            configuration.take(Origin::Line(number + 1), Ok(Action::Change(change)))?;
            continue;
        }
        let words = restore::words(line);
        if !words.is_empty() {
            configuration.add(Origin::Line(number + 1), &words, lookup)?;
        }
    }
    Ok(configuration)
}

impl Configuration {
    /// The name of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the place of what a change is about: the file, and the line if the file has one.
    pub fn place(&self, change: &Difference) -> String {
        let service = change.service().and_then(|id| self.places.get(id));
        let place = service.and_then(|service| {
            let (origin, origins) = self.origins.get(*service)?;
            let Some(id) = change.destination() else {
                return Some(origin);
            };
            let servers = &self.wanted.services.get(*service)?.destinations;
            origins.get(servers.iter().position(|one| one.id == *id)?)
        });
        match place {
            Some(origin) => format!("{}: {origin}", self.name),
            None => self.name.clone(),
        }
    }

    /// Adds what a command line says.
    fn add(
        &mut self,
        origin: Origin,
        words: &[OsString],
        lookup: &dyn Lookup,
    ) -> Result<(), Error> {
        match drain::line(words, lookup) {
            Some(drain) => self.add_drain(origin, drain),
            None => self.take(origin, cli::parse(words, lookup)),
        }
    }

    /// Adds what was read.
    fn take(&mut self, origin: Origin, read: Result<Action, Error>) -> Result<(), Error> {
        let added = match read {
            Ok(Action::Change(Change::AddService(service)))
            | Ok(Action::Own(Difference::AddService(service))) => self.add_service(origin, service),
            Ok(Action::Change(Change::AddDestination(id, server))) => {
                self.add_destination(origin, &id, server)
            }
            Ok(_) => Err("only -A, -a, drain and undrain say what is to be".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        added.map_err(|error| Error::Argument(format!("{}: {origin}: {error}", self.name)))
    }

    /// Adds the drain of a real server that is above.
    fn add_drain(&mut self, origin: Origin, read: Result<WantedDrain, Error>) -> Result<(), Error> {
        let wrong = |text: String| Error::Argument(format!("{}: {origin}: {text}", self.name));
        let drain = read.map_err(|error| wrong(error.to_string()))?;
        let (id, server) = (&drain.service, drain.destination);
        let service = self.place_of(id);
        let service = service.and_then(|place| self.wanted.services.get(place));
        let servers = service.map_or(&[][..], |service| &service.destinations);
        if !servers.iter().any(|one| one.id == server) {
            return Err(wrong(format!("no -a of the real server {server} is above")));
        }
        if !self.drained.insert((id.clone(), server)) {
            return Err(wrong(format!(
                "a drain of the real server {server} is above already"
            )));
        }
        self.wanted.drains.push(drain);
        Ok(())
    }

    fn add_service(&mut self, origin: Origin, service: Service) -> Result<(), String> {
        let place = self.wanted.services.len();
        if let Some(first) = self.places.insert(service.id.clone(), place) {
            let first = self
                .origins
                .get(first)
                .map(|(origin, _)| origin.to_string());
            let first = first.unwrap_or_default();
            return Err(format!("the service {} is in {first} already", service.id));
        }
        self.last = place;
        self.origins.push((origin, Vec::new()));
        self.wanted.services.push(WantedService {
            service,
            destinations: Vec::new(),
        });
        Ok(())
    }

    /// Returns the place of a service: mostly that of the line before.
    fn place_of(&self, id: &ServiceId) -> Option<usize> {
        let last = self.wanted.services.get(self.last);
        match last.is_some_and(|last| last.service.id == *id) {
            true => Some(self.last),
            false => self.places.get(id).copied(),
        }
    }

    fn add_destination(
        &mut self,
        origin: Origin,
        id: &ServiceId,
        server: Destination,
    ) -> Result<(), String> {
        let place = self.place_of(id);
        let place = place.ok_or_else(|| format!("no -A of the service {id} is above"))?;
        self.last = place;
        let entry = self.wanted.services.get_mut(place);
        let (Some(entry), Some((_, origins))) = (entry, self.origins.get_mut(place)) else {
            return Ok(());
        };
        let is_same = |one: &Destination| one.id == server.id;
        let before = &entry.destinations;
        if before.len() == FEW {
            let ids = before.iter().map(|one| (place, one.id));
            self.servers.extend(ids);
        }
        let is_known = match before.len() < FEW {
            true => before.iter().any(is_same),
            false => !self.servers.insert((place, server.id)),
        };
        if is_known {
            let first = before.iter().position(is_same);
            let first = first.and_then(|first| origins.get(first));
            let first = first.map(ToString::to_string);
            let first = first.unwrap_or_default();
            return Err(format!(
                "the real server {} is in {first} already",
                server.id
            ));
        }
        entry.destinations.push(server);
        origins.push(origin);
        Ok(())
    }
}
