// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! A synchronous client: requests, their whole answers, their results.
//!
//! The kernel carries requests out while they are sent, one after the other, so that many of them
//! can go in one datagram. What that saves is most of the time of restoring a large table.

use std::collections::VecDeque;

use crate::attr;
use crate::change::Change;
use crate::command::Command;
use crate::config::{Info, Timeouts};
use crate::daemon::Daemon;
use crate::decode::DecodeError;
use crate::destination::DestinationEntry;
use crate::engine::{kernel_error, nest, Engine};
use crate::error::Error;
use crate::message::{Content, Header, FAMILY_NAME, FAMILY_VERSION, NLM_F_ACK, NLM_F_DUMP};
use crate::service::{ServiceEntry, ServiceId};
use crate::transport::{SocketTransport, Transport};
use crate::uapi::cmd_attr::{DAEMON, DEST, SERVICE};

/// Number of attempts at a list that changes while the kernel makes it.
const LIST_TRIES: u8 = 5;

/// The room that an acknowledgement needs in the receive buffer.
const ACK_ROOM: usize = 1280;

/// The bytes after which no request is added to a datagram.
const REQUESTS_MAX: usize = 32 << 10;

/// A connection to the family. Every command needs `CAP_NET_ADMIN` in the first user namespace.
///
/// All methods fail with [`Error::Kernel`] where the kernel refuses, [`Error::Io`] where the
/// socket fails, [`Error::Decode`] where the answer cannot be read.
#[derive(Debug)]
pub struct Client<T = SocketTransport> {
    pub(crate) engine: Engine<T>,
    /// The number of the family `IPVS`.
    family: u16,
    /// The number of the family `RIPVS`, once it was looked up.
    pub(crate) ripvs: Option<u16>,
}

impl Client {
    /// Opens a socket in the caller's network namespace and looks the family up.
    ///
    /// The kernel tries to load a module for the family where none is loaded.
    ///
    /// # Errors
    /// [`Error::NoFamily`] where there is still none, [`Error::Io`] where there is no socket.
    pub fn connect() -> Result<Self, Error> {
        Client::with_transport(SocketTransport::open()?)
    }
}

impl<T: Transport> Client<T> {
    /// Looks the family up over `transport`.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn with_transport(transport: T) -> Result<Self, Error> {
        let mut engine = Engine::new(transport);
        let family = engine.look_up(FAMILY_NAME)?;
        Ok(Client {
            engine,
            family,
            ripvs: None,
        })
    }

    /// The version of IPVS and the size of its connection table.
    ///
    /// # Errors
    /// See [`Client`].
    pub fn info(&mut self) -> Result<Info, Error> {
        self.one(Command::GetInfo, |_| {}, Info::decode)
    }

    /// The protocol timeouts.
    ///
    /// # Errors
    /// See [`Client`].
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.one(Command::GetConfig, |_| {}, Timeouts::decode)
    }

    /// One service.
    ///
    /// # Errors
    /// `ESRCH` where there is none; else see [`Client`].
    pub fn service(&mut self, id: &ServiceId) -> Result<ServiceEntry, Error> {
        self.one(
            Command::GetService,
            |out| attr::put_nest(out, SERVICE, |out| id.encode(out)),
            |answer| ServiceEntry::decode(nest(answer, SERVICE)?),
        )
    }

    /// All services, in the kernel's order.
    ///
    /// # Errors
    /// See [`Client`].
    pub fn services(&mut self) -> Result<Vec<ServiceEntry>, Error> {
        self.list(Command::GetService, |answer| {
            ServiceEntry::decode(nest(answer, SERVICE)?)
        })
    }

    /// The synchronisation daemons that run.
    ///
    /// # Errors
    /// See [`Client`]; `EOPNOTSUPP` from an implementation without them.
    pub fn daemons(&mut self) -> Result<Vec<Daemon>, Error> {
        self.list(Command::GetDaemon, |answer| {
            Daemon::decode(nest(answer, DAEMON)?)
        })
    }

    /// The destinations of a service, newest first.
    ///
    /// # Errors
    /// See [`Client`]. The C implementation answers for a service that it does not have as for
    /// one without destinations.
    pub fn destinations(&mut self, id: &ServiceId) -> Result<Vec<DestinationEntry>, Error> {
        let lists = self.destinations_of(&[id])?;
        Ok(lists.into_iter().next().unwrap_or_default())
    }

    /// The destinations of each of `services`, in their order: as [`Client::destinations`] of one
    /// after the other, but many are asked for at once.
    ///
    /// # Errors
    /// As [`Client::destinations`].
    pub fn destinations_of(
        &mut self,
        services: &[&ServiceId],
    ) -> Result<Vec<Vec<DestinationEntry>>, Error> {
        let id = |index: usize| services.get(index).copied();
        self.lists(
            Command::GetDestination,
            services.len(),
            |index, out| {
                if let Some(id) = id(index) {
                    attr::put_nest(out, SERVICE, |out| id.encode(out));
                }
            },
            |index, answer| {
                let id = id(index).ok_or(DecodeError::new("an answer", "is nobody's"))?;
                DestinationEntry::decode(nest(answer, DEST)?, id.family())
            },
        )
    }

    /// Makes one change.
    ///
    /// # Errors
    /// What the kernel refuses it with, see [`Change`]; [`Error::BadName`] for a name that does
    /// not fit; else see [`Client`]. The configuration is then as it was.
    pub fn apply(&mut self, change: &Change) -> Result<(), Error> {
        let refused = self.apply_all(std::slice::from_ref(change))?;
        match refused.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    /// Makes changes, one after the other; that one is refused does not keep the next from being
    /// made. Returns those that were refused: their places among `changes`, and why, as
    /// [`Client::apply`] has it.
    ///
    /// # Errors
    /// Where the socket fails, or what it brings cannot be read; which changes were made, the
    /// kernel alone knows then.
    pub fn apply_all(&mut self, changes: &[Change]) -> Result<Vec<(usize, Error)>, Error> {
        let mut refused = Vec::new();
        let mut from = 0;
        while let Some(rest) = changes.get(from..).filter(|rest| !rest.is_empty()) {
            let done = match rest.first().map(Change::check) {
                Some(Err(error)) => {
                    refused.push((from, error));
                    1
                }
                _ => self.apply_some(rest, from, &mut refused)?,
            };
            from += done;
        }
        Ok(refused)
    }

    /// Makes the first of `changes`, as many as fit; `from` is the place of the first. Returns
    /// how many they were.
    fn apply_some(
        &mut self,
        changes: &[Change],
        from: usize,
        refused: &mut Vec<(usize, Error)>,
    ) -> Result<usize, Error> {
        let most = (self.engine.room() / ACK_ROOM).max(1);
        let before = self.engine.sequence();
        let chosen = changes.iter().take(most);
        let chosen = chosen.take_while(|change| change.check().is_ok());
        let mut last = 0;
        let mut count = 0;
        for change in chosen {
            last = self.engine.pending();
            self.put(change.command(), 0, |out| change.encode(out));
            count += 1;
            if self.engine.pending() > REQUESTS_MAX {
                break;
            }
        }
        // A refusal is always told. That the last one has ended, which was asked for, says that
        // all others have.
        self.engine.want_ack(last);
        self.engine.send()?;
        let mut done = false;
        while !done {
            for message in self.engine.receive()? {
                let message = message?;
                let place = message.sequence.wrapping_sub(before).wrapping_sub(1) as usize;
                let (Content::End(ending), true) = (message.content, place < count) else {
                    continue;
                };
                done |= place + 1 == count;
                if ending.errno != 0 {
                    let command = changes.get(place).map(Change::command);
                    refused.push((from + place, kernel_error(command, ending)));
                }
            }
        }
        Ok(count)
    }

    /// A request that is answered by one message.
    fn one<E>(
        &mut self,
        command: Command,
        fill: impl FnOnce(&mut Vec<u8>),
        decode: impl Fn(&[u8]) -> Result<E, DecodeError>,
    ) -> Result<E, Error> {
        self.put(command, NLM_F_ACK, fill);
        let mut answer = None;
        let ending = self.engine.exchange(|bytes| {
            answer = Some(decode(bytes)?);
            Ok(())
        })?;
        if ending.errno != 0 {
            return Err(kernel_error(Some(command), ending));
        }
        answer.ok_or(Error::Unexpected {
            command,
            reason: "the kernel acknowledged without an answer",
        })
    }

    /// One list.
    fn list<E>(
        &mut self,
        command: Command,
        decode: impl Fn(&[u8]) -> Result<E, DecodeError>,
    ) -> Result<Vec<E>, Error> {
        let lists = self.lists(command, 1, |_, _| {}, |_, answer| decode(answer))?;
        Ok(lists.into_iter().next().unwrap_or_default())
    }

    /// Several lists, the requests for which `fill` makes of their numbers.
    ///
    /// The kernel makes one list at a time for a socket. It begins while the request is sent; one
    /// that fits into a datagram is made then, and the next request gets its turn. One that does
    /// not keeps the following from being begun: they fail with `EBUSY`, and are asked for again.
    fn lists<E>(
        &mut self,
        command: Command,
        count: usize,
        fill: impl Fn(usize, &mut Vec<u8>),
        decode: impl Fn(usize, &[u8]) -> Result<E, DecodeError>,
    ) -> Result<Vec<Vec<E>>, Error> {
        let mut lists: Vec<Vec<E>> = std::iter::repeat_with(Vec::new).take(count).collect();
        let mut waiting: VecDeque<(usize, u8)> = (0..count).map(|index| (index, 0)).collect();
        let mut at_once = (self.engine.room() / self.engine.list_room()).max(1);
        while !waiting.is_empty() {
            let asked: Vec<_> = waiting.drain(..at_once.min(waiting.len())).collect();
            let before = self.engine.sequence();
            for (index, _) in &asked {
                self.put(command, NLM_F_DUMP, |out| fill(*index, out));
            }
            let endings = self.engine.hear(before, asked.len(), |place, answer| {
                if let Some((index, _)) = asked.get(place) {
                    if let Some(list) = lists.get_mut(*index) {
                        list.push(decode(*index, answer)?);
                    }
                }
                Ok(())
            })?;
            let alone = asked.len() == 1;
            if endings.iter().any(|ending| ending.errno == libc::EBUSY) {
                at_once = (at_once / 2).max(1);
            }
            for ((index, tries), ending) in asked.into_iter().zip(endings).rev() {
                match ending.errno {
                    0 => continue,
                    libc::EBUSY if !alone => waiting.push_front((index, tries)),
                    libc::EINTR if tries + 1 < LIST_TRIES => waiting.push_front((index, tries + 1)),
                    libc::EINTR => {
                        return Err(Error::Unexpected {
                            command,
                            reason: "the table kept changing meanwhile",
                        })
                    }
                    _ => return Err(kernel_error(Some(command), ending)),
                }
                if let Some(list) = lists.get_mut(index) {
                    list.clear();
                }
            }
        }
        Ok(lists)
    }

    /// Adds a request to those that are to be sent.
    fn put(&mut self, command: Command, flags: u16, fill: impl FnOnce(&mut Vec<u8>)) {
        let header = Header {
            family: self.family,
            version: FAMILY_VERSION,
            flags,
            sequence: 0,
            command: command.into(),
        };
        self.engine.put(header, fill);
    }
}
