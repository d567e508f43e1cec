// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! A synchronous client: requests, their whole answers, their results.
//!
//! The kernel carries requests out while they are sent, one after the other, so that many of them
//! can go in one datagram. What that saves is most of the time of restoring a large table.

use std::collections::VecDeque;

use crate::attr::{self, attributes};
use crate::change::Change;
use crate::command::Command;
use crate::config::{Info, Timeouts};
use crate::daemon::Daemon;
use crate::decode::DecodeError;
use crate::destination::DestinationEntry;
use crate::error::{Error, KernelError};
use crate::message::{
    messages, put_request, want_ack, Content, Ending, Header, FAMILY_NAME, NLM_F_ACK, NLM_F_DUMP,
};
use crate::service::{ServiceEntry, ServiceId};
use crate::transport::{SocketTransport, Transport};
use crate::uapi::cmd_attr::{DAEMON, DEST, SERVICE};

// The controller, of which a family's number is asked.
const CONTROLLER: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

/// Number of attempts at a list that changes while the kernel makes it.
const LIST_TRIES: u8 = 5;

/// The room that an acknowledgement needs in the receive buffer, and a datagram of a list.
const ACK_ROOM: usize = 1280;
const LIST_ROOM: usize = 9216;

/// The bytes after which no request is added to a datagram.
const REQUESTS_MAX: usize = 32 << 10;

/// A connection to the family. Every command needs `CAP_NET_ADMIN` in the first user namespace.
///
/// All methods fail with [`Error::Kernel`] where the kernel refuses, [`Error::Io`] where the
/// socket fails, [`Error::Decode`] where the answer cannot be read.
#[derive(Debug)]
pub struct Client<T = SocketTransport> {
    transport: T,
    family: u16,
    /// The number of the last request.
    sequence: u32,
    requests: Vec<u8>,
    datagram: Vec<u8>,
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
        let mut client = Client {
            transport,
            family: CONTROLLER,
            sequence: 0,
            requests: Vec::new(),
            datagram: Vec::new(),
        };
        client.put(CTRL_CMD_GETFAMILY, NLM_F_ACK, |out| {
            attr::put_str(out, CTRL_ATTR_FAMILY_NAME, FAMILY_NAME);
        });
        let mut id = None;
        let ending = client.exchange(|answer| {
            for attribute in attributes(answer, "the family") {
                if let (CTRL_ATTR_FAMILY_ID, payload) = attribute? {
                    id = Some(attr::read_u16(payload, "the family's number")?);
                }
            }
            Ok(())
        })?;
        match (ending.errno, id) {
            (0, Some(id)) => {
                client.family = id;
                Ok(client)
            }
            (0, None) | (libc::ENOENT, _) => Err(Error::NoFamily),
            _ => Err(kernel_error(None, ending)),
        }
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
        let most = (self.transport.room() / ACK_ROOM).max(1);
        let before = self.sequence;
        let chosen = changes.iter().take(most);
        let chosen = chosen.take_while(|change| change.check().is_ok());
        let mut last = 0;
        let mut count = 0;
        for change in chosen {
            last = self.requests.len();
            self.put(change.command().into(), 0, |out| change.encode(out));
            count += 1;
            if self.requests.len() > REQUESTS_MAX {
                break;
            }
        }
        // A refusal is always told. That the last one has ended, which was asked for, says that
        // all others have.
        want_ack(&mut self.requests, last);
        self.send()?;
        let mut done = false;
        while !done {
            self.transport.receive(&mut self.datagram)?;
            for message in messages(&self.datagram) {
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
        self.put(command.into(), NLM_F_ACK, fill);
        let mut answer = None;
        let ending = self.exchange(|bytes| {
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
        let mut at_once = (self.transport.room() / LIST_ROOM).max(1);
        while !waiting.is_empty() {
            let asked: Vec<_> = waiting.drain(..at_once.min(waiting.len())).collect();
            let before = self.sequence;
            for (index, _) in &asked {
                self.put(command.into(), NLM_F_DUMP, |out| fill(*index, out));
            }
            let endings = self.hear(before, asked.len(), |place, answer| {
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

    /// Sends one request, which is there already, and hands what answers it to `each`.
    fn exchange(
        &mut self,
        mut each: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<Ending, Error> {
        let before = self.sequence.wrapping_sub(1);
        let endings = self.hear(before, 1, |_, answer| each(answer))?;
        Ok(endings.into_iter().next().unwrap_or_default())
    }

    /// Sends the `count` requests that are there, whose numbers follow `before`, and hands what
    /// answers them to `each`, with their places. Returns how each ended; an interrupted list
    /// ends with `EINTR`.
    fn hear(
        &mut self,
        before: u32,
        count: usize,
        mut each: impl FnMut(usize, &[u8]) -> Result<(), DecodeError>,
    ) -> Result<Vec<Ending>, Error> {
        self.send()?;
        let mut endings: Vec<Option<Ending>> = vec![None; count];
        let mut interrupted = vec![false; count];
        let mut open = count;
        while open > 0 {
            self.transport.receive(&mut self.datagram)?;
            for message in messages(&self.datagram) {
                let message = message?;
                // Of another request, where that was given up half way.
                let place = message.sequence.wrapping_sub(before).wrapping_sub(1) as usize;
                let (Some(end), Some(torn)) = (endings.get_mut(place), interrupted.get_mut(place))
                else {
                    continue;
                };
                *torn |= message.interrupted;
                match message.content {
                    Content::Attributes(answer) => each(place, answer)?,
                    Content::End(mut ending) if end.is_none() => {
                        if *torn && ending.errno == 0 {
                            ending.errno = libc::EINTR;
                        }
                        *end = Some(ending);
                        open -= 1;
                    }
                    Content::End(_) | Content::Ignored => {}
                }
            }
        }
        Ok(endings.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Adds a request to those that are to be sent.
    fn put(&mut self, command: u8, flags: u16, fill: impl FnOnce(&mut Vec<u8>)) {
        self.sequence = self.sequence.wrapping_add(1);
        let header = Header {
            family: self.family,
            flags,
            sequence: self.sequence,
            command,
        };
        put_request(&mut self.requests, header, fill);
    }

    /// Sends the requests that are there.
    fn send(&mut self) -> Result<(), Error> {
        let sent = self.transport.send(&self.requests);
        self.requests.clear();
        Ok(sent?)
    }
}

fn kernel_error(command: Option<Command>, ending: Ending) -> Error {
    let Ending {
        errno,
        message,
        offset,
    } = ending;
    Error::Kernel(KernelError {
        command,
        errno,
        message,
        offset,
    })
}

/// The nest `number` of an answer.
fn nest(answer: &[u8], number: u16) -> Result<&[u8], DecodeError> {
    for attribute in attributes(answer, "an answer") {
        match attribute? {
            (kind, payload) if kind == number => return Ok(payload),
            _ => {}
        }
    }
    Err(DecodeError::new("an answer", "has not what was asked for"))
}
