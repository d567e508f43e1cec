// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The commands of the family.

use std::{error, fmt};

use super::change::Change;
use super::conns::{self, Connection, Deleted};
use super::filter::Filter;
use super::reason::{self, Reasons};
use super::snapshot::Snapshot;
use super::uapi::{command, msg_attr, options};
use super::{FAMILY_NAME, FAMILY_VERSION};
use crate::attr::{self, attributes};
use crate::command::Command;
use crate::decode::DecodeError;
use crate::engine::{kernel_error, Engine};
use crate::error::Error;
use crate::message::{Ending, Header, NLM_F_ACK, NLM_F_DUMP, REQUEST_HEADER_LEN};
use crate::service::ServiceId;
use crate::transport::{SocketTransport, Transport};

/// The number of attempts at a dump that changes while the kernel makes it.
const SNAPSHOT_TRIES: u8 = 20;

/// The bytes of a generation in a request.
const GENERATION_LEN: usize = 12;

/// The family `RIPVS` on the socket of a [`crate::Client`]; made by its `ripvs`.
#[derive(Debug)]
pub struct Client<'a, T = SocketTransport> {
    engine: &'a mut Engine<T>,
    family: u16,
}

/// The answer to [`Client::info`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// The number of changes of the configuration since the module was loaded.
    pub generation: u64,
    /// The number of services.
    pub services: u32,
    /// The number of connections, templates included.
    pub connections: u32,
}

/// Changes that were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The generation after them.
    pub generation: u64,
    /// Their number.
    pub changed: u32,
}

/// Changes that were refused: none of them was made.
#[derive(Debug)]
pub struct Refused {
    /// The place of the change at fault; `None` if none of them is.
    pub place: Option<usize>,
    /// The reason.
    pub error: Error,
}

impl Refused {
    /// Returns whether the configuration was another one than expected: read it again, and compute
    /// the changes anew.
    pub fn is_stale(&self) -> bool {
        self.place.is_none() && self.error.errno() == Some(libc::ESTALE)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl error::Error for Refused {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused { place: None, error }
    }
}

impl<T: Transport> crate::Client<T> {
    /// Looks the family `RIPVS` up, which only rust_ipvs has.
    ///
    /// # Errors
    /// [`Error::NoFamily`] if this IPVS does not have it.
    pub fn ripvs(&mut self) -> Result<Client<'_, T>, Error> {
        let family = match self.ripvs {
            Some(family) => family,
            None => self.engine.look_up(FAMILY_NAME)?,
        };
        self.ripvs = Some(family);
        Ok(Client {
            engine: &mut self.engine,
            family,
        })
    }
}

impl<T: Transport> Client<'_, T> {
    /// Reads the generation, and how much there is.
    ///
    /// # Errors
    /// See [`crate::Client`].
    pub fn info(&mut self) -> Result<Info, Error> {
        self.put(command::GET_INFO, NLM_F_ACK, |_| {});
        let mut info = None;
        let ending = self.engine.exchange(|answer| {
            let mut found = Info::default();
            for attribute in attributes(answer, "an answer") {
                match attribute? {
                    (msg_attr::GENERATION, payload) => {
                        found.generation = attr::read_counter(payload, "the generation")?;
                    }
                    (msg_attr::SERVICES, payload) => {
                        found.services = attr::read_u32(payload, "the number of services")?;
                    }
                    (msg_attr::CONNECTIONS, payload) => {
                        found.connections = attr::read_u32(payload, "the number of connections")?;
                    }
                    _ => {}
                }
            }
            info = Some(found);
            Ok(())
        })?;
        answered(ending, info, Command::GetInfo)
    }

    /// Reads all services with their destinations, and their counters and rates if `statistics`.
    /// It is what was configured at one moment: a dump that was interrupted by changes is repeated.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if each of 20 dumps was interrupted; else see [`crate::Client`].
    pub fn snapshot(&mut self, statistics: bool) -> Result<Snapshot, Error> {
        self.engine.receive_large();
        for _ in 0..SNAPSHOT_TRIES {
            // An empty dump does not tell its generation.
            let mut snapshot = Snapshot {
                generation: self.info()?.generation,
                services: Vec::new(),
            };
            self.put(command::GET_SERVICES, NLM_F_DUMP, |out| {
                if statistics {
                    attr::put(out, msg_attr::OPTIONS, &options::STATISTICS.to_ne_bytes());
                }
            });
            let ending = self.engine.exchange(|answer| snapshot.add(answer))?;
            match ending.errno {
                0 => return Ok(snapshot),
                libc::EINTR => {}
                _ => return Err(kernel_error(Some(Command::GetService), ending)),
            }
        }
        Err(Error::Unexpected {
            command: Command::GetService,
            reason: "the table kept changing meanwhile",
        })
    }

    /// Makes all changes, in their order, or none. With `expected` they are made only if the
    /// configuration still has that generation.
    ///
    /// # Errors
    /// The kernel's refusal, with the place of the change at fault if there is one, see
    /// [`Refused::is_stale`]. Nothing was changed then, except possibly if the socket failed.
    pub fn apply(&mut self, expected: Option<u64>, changes: &[Change]) -> Result<Applied, Refused> {
        for (place, change) in changes.iter().enumerate() {
            change.check().map_err(|error| Refused {
                place: Some(place),
                error,
            })?;
        }
        self.put(command::APPLY, NLM_F_ACK, |out| {
            if let Some(generation) = expected {
                attr::put(out, msg_attr::GENERATION, &generation.to_ne_bytes());
            }
            for change in changes {
                change.encode(out);
            }
        });
        let mut applied = None;
        let ending = self.engine.exchange(|answer| {
            applied = Some(read_applied(answer)?);
            Ok(())
        })?;
        if ending.errno == 0 {
            return answered(ending, applied, Command::SetConfig).map_err(Refused::from);
        }
        let before = REQUEST_HEADER_LEN + expected.map_or(0, |_| GENERATION_LEN);
        let place = ending
            .offset
            .and_then(|offset| place(changes, (offset as usize).checked_sub(before)?));
        let command = place.and_then(|place| changes.get(place));
        let error = kernel_error(command.and_then(Change::command), ending);
        Err(Refused { place, error })
    }

    /// Reads the connections and templates that a filter means. Each that is there throughout comes
    /// once.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if each of 20 dumps was interrupted; else see [`crate::Client`].
    pub fn connections(&mut self, filter: &Filter) -> Result<Vec<Connection>, Error> {
        for _ in 0..SNAPSHOT_TRIES {
            let mut found = Vec::new();
            if self.each_connection(filter, |connection| found.push(connection))? {
                return Ok(found);
            }
        }
        Err(Error::Unexpected {
            command: Command::GetInfo,
            reason: "the table kept changing its hash key meanwhile",
        })
    }

    /// Calls `each` for each connection and template that a filter means, as the kernel shows them;
    /// keeps none of them. Returns `false` if one may have come more than once, as the table got
    /// another hash key meanwhile.
    ///
    /// # Errors
    /// See [`crate::Client`].
    pub fn each_connection(
        &mut self,
        filter: &Filter,
        mut each: impl FnMut(Connection),
    ) -> Result<bool, Error> {
        self.engine.receive_large();
        self.put(command::GET_CONNECTIONS, NLM_F_DUMP, |out| {
            filter.encode(out);
        });
        let ending = self.engine.exchange(|answer| {
            each(conns::read_message(answer)?);
            Ok(())
        })?;
        match ending.errno {
            0 => Ok(true),
            libc::EINTR => Ok(false),
            _ => Err(kernel_error(None, ending)),
        }
    }

    /// Counts the connections and templates that a filter means.
    ///
    /// # Errors
    /// See [`crate::Client`].
    pub fn count_connections(&mut self, filter: &Filter) -> Result<u32, Error> {
        self.put(command::COUNT_CONNECTIONS, NLM_F_ACK, |out| {
            filter.encode(out);
        });
        let mut count = None;
        let ending = self.engine.exchange(|answer| {
            count = Some(conns::read_count(answer)?);
            Ok(())
        })?;
        answered(ending, count, Command::GetInfo)
    }

    /// Deletes the connections and templates that a filter means, with those that they control and
    /// their entries of conntrack. An empty filter is all of them.
    ///
    /// # Errors
    /// See [`crate::Client`].
    pub fn delete_connections(&mut self, filter: &Filter) -> Result<Deleted, Error> {
        self.put(command::DEL_CONNECTIONS, NLM_F_ACK, |out| {
            filter.encode(out);
            if filter.is_empty() {
                attr::put(out, msg_attr::OPTIONS, &options::ALL.to_ne_bytes());
            }
        });
        let mut deleted = None;
        let ending = self.engine.exchange(|answer| {
            deleted = Some(conns::read_deleted(answer)?);
            Ok(())
        })?;
        answered(ending, deleted, Command::Flush)
    }

    /// Reads how often each reason was counted: those of the namespace first, which include those
    /// of services that are gone, then those of each service that has any. With a service only
    /// those of that one.
    ///
    /// # Errors
    /// See [`crate::Client`].
    pub fn reasons(&mut self, service: Option<&ServiceId>) -> Result<Vec<Reasons>, Error> {
        self.engine.receive_large();
        self.put(command::GET_REASONS, NLM_F_DUMP, |out| {
            reason::put_service(out, service);
        });
        let mut found = Vec::new();
        let ending = self.engine.exchange(|answer| {
            found.push(reason::read(answer)?);
            Ok(())
        })?;
        match ending.errno {
            0 => Ok(found),
            _ => Err(kernel_error(Some(Command::GetService), ending)),
        }
    }

    /// Zeroes the reasons of a service; without one, those of the namespace and of all services.
    ///
    /// # Errors
    /// See [`crate::Client`].
    pub fn zero_reasons(&mut self, service: Option<&ServiceId>) -> Result<(), Error> {
        self.put(command::ZERO_REASONS, NLM_F_ACK, |out| {
            reason::put_service(out, service);
        });
        let ending = self.engine.exchange(|_| Ok(()))?;
        match ending.errno {
            0 => Ok(()),
            _ => Err(kernel_error(Some(Command::Zero), ending)),
        }
    }

    /// Adds a request to those that are to be sent.
    fn put(&mut self, command: u8, flags: u16, fill: impl FnOnce(&mut Vec<u8>)) {
        let header = Header {
            family: self.family,
            version: FAMILY_VERSION,
            flags,
            sequence: 0,
            command,
        };
        self.engine.put(header, fill);
    }
}

/// Returns the answer, or the error that the kernel ended with.
fn answered<E>(ending: Ending, answer: Option<E>, command: Command) -> Result<E, Error> {
    match (ending.errno, answer) {
        (0, Some(answer)) => Ok(answer),
        (0, None) => Err(Error::Unexpected {
            command,
            reason: "the kernel acknowledged without an answer",
        }),
        _ => Err(kernel_error(Some(command), ending)),
    }
}

fn read_applied(answer: &[u8]) -> Result<Applied, DecodeError> {
    let mut applied = Applied::default();
    for attribute in attributes(answer, "an answer") {
        match attribute? {
            (msg_attr::GENERATION, payload) => {
                applied.generation = attr::read_counter(payload, "the generation")?;
            }
            (msg_attr::CHANGED, payload) => {
                applied.changed = attr::read_u32(payload, "the number of changes")?;
            }
            _ => {}
        }
    }
    Ok(applied)
}

/// Returns the change whose attribute is at an offset among all their attributes.
fn place(changes: &[Change], offset: usize) -> Option<usize> {
    let mut bytes = Vec::new();
    let mut end = 0;
    changes.iter().position(|change| {
        bytes.clear();
        change.encode(&mut bytes);
        end += bytes.len();
        offset < end
    })
}
