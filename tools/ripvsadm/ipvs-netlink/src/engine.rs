// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Requests, their whole answers, their results: what the clients of both families stand on.

use crate::attr::{self, attributes};
use crate::command::Command;
use crate::decode::DecodeError;
use crate::error::{Error, KernelError};
use crate::message::{
    messages, put_request, want_ack, Content, Ending, Header, Messages, NLM_F_ACK,
};
use crate::transport::Transport;

// The controller, of which a family's number is asked.
const CONTROLLER: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CTRL_ATTR_MCAST_GROUPS: u16 = 7;
const CTRL_ATTR_MCAST_GRP_NAME: u16 = 1;
const CTRL_ATTR_MCAST_GRP_ID: u16 = 2;
const CTRL_VERSION: u8 = 1;

/// The room that a datagram of a list needs in the receive buffer, and a large one.
const LIST_ROOM: usize = 9216;
const LARGE_LIST_ROOM: usize = 36 << 10;

/// The number of the group of that name among those of a family.
fn group_number(groups: &[u8], name: &str) -> Result<Option<u32>, DecodeError> {
    for group in attributes(groups, "the family's groups") {
        let (_, group) = group?;
        let (mut number, mut is_it) = (None, false);
        for attribute in attributes(group, "a group") {
            match attribute? {
                (CTRL_ATTR_MCAST_GRP_NAME, text) => {
                    is_it = attr::read_str(text, "a group")? == name
                }
                (CTRL_ATTR_MCAST_GRP_ID, id) => number = Some(attr::read_u32(id, "a group")?),
                _ => {}
            }
        }
        if is_it {
            return Ok(number);
        }
    }
    Ok(None)
}

/// A socket with its requests and answers.
#[derive(Debug)]
pub(crate) struct Engine<T> {
    transport: T,
    /// The number of the last request.
    sequence: u32,
    requests: Vec<u8>,
    datagram: Vec<u8>,
    /// Datagrams of dumps are large: the kernel keeps to the largest buffer that it saw.
    is_large: bool,
}

impl<T: Transport> Engine<T> {
    pub(crate) fn new(transport: T) -> Self {
        Engine {
            transport,
            sequence: 0,
            requests: Vec::new(),
            datagram: Vec::new(),
            is_large: false,
        }
    }

    /// Asks the controller for the number of a family.
    ///
    /// # Errors
    /// [`Error::NoFamily`] if there is none, also after the kernel tried to load a module for it.
    pub(crate) fn look_up(&mut self, name: &str) -> Result<u16, Error> {
        let mut id = None;
        let ending = self.ask_controller(name, |attribute, payload| {
            if attribute == CTRL_ATTR_FAMILY_ID {
                id = Some(attr::read_u16(payload, "the family's number")?);
            }
            Ok(())
        })?;
        match (ending.errno, id) {
            (0, Some(id)) => Ok(id),
            (0, None) | (libc::ENOENT, _) => Err(Error::NoFamily),
            _ => Err(kernel_error(None, ending)),
        }
    }

    /// Asks the controller for the number of a family's multicast group.
    ///
    /// # Errors
    /// [`Error::NoFamily`] if there is no such family, or no such group of it.
    pub(crate) fn look_up_group(&mut self, name: &str, group: &str) -> Result<u32, Error> {
        let mut id = None;
        let ending = self.ask_controller(name, |attribute, payload| {
            if attribute == CTRL_ATTR_MCAST_GROUPS {
                id = group_number(payload, group)?;
            }
            Ok(())
        })?;
        match (ending.errno, id) {
            (0, Some(id)) => Ok(id),
            (0, None) | (libc::ENOENT, _) => Err(Error::NoFamily),
            _ => Err(kernel_error(None, ending)),
        }
    }

    /// Asks the controller for a family, and hands each attribute of its answer to `each`.
    fn ask_controller(
        &mut self,
        name: &str,
        mut each: impl FnMut(u16, &[u8]) -> Result<(), DecodeError>,
    ) -> Result<Ending, Error> {
        let header = Header {
            family: CONTROLLER,
            version: CTRL_VERSION,
            flags: NLM_F_ACK,
            sequence: 0,
            command: CTRL_CMD_GETFAMILY,
        };
        self.put(header, |out| {
            attr::put_str(out, CTRL_ATTR_FAMILY_NAME, name)
        });
        self.exchange(|answer| {
            for attribute in attributes(answer, "the family") {
                let (number, payload) = attribute?;
                each(number, payload)?;
            }
            Ok(())
        })
    }

    /// The transport.
    pub(crate) fn transport(&self) -> &T {
        &self.transport
    }

    /// The number of the last request.
    pub(crate) fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The bytes of the requests that are not sent yet.
    pub(crate) fn pending(&self) -> usize {
        self.requests.len()
    }

    /// As [`Transport::room`].
    pub(crate) fn room(&self) -> usize {
        self.transport.room()
    }

    /// The part of the room that a list may take before it is received.
    pub(crate) fn list_room(&self) -> usize {
        match self.is_large {
            true => LARGE_LIST_ROOM,
            false => LIST_ROOM,
        }
    }

    /// Has datagrams of dumps as large as the kernel makes them, from now on.
    pub(crate) fn receive_large(&mut self) {
        self.is_large = true;
    }

    /// Has the request that begins at `start` acknowledged even if it succeeds.
    pub(crate) fn want_ack(&mut self, start: usize) {
        want_ack(&mut self.requests, start);
    }

    /// Waits for the next datagram and returns its messages.
    pub(crate) fn receive(&mut self) -> Result<Messages<'_>, Error> {
        match self.is_large {
            true => self.transport.receive_large(&mut self.datagram)?,
            false => self.transport.receive(&mut self.datagram)?,
        }
        Ok(messages(&self.datagram))
    }

    /// Sends one request, which is there already, and hands what answers it to `each`.
    pub(crate) fn exchange(
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
    pub(crate) fn hear(
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
            for message in self.receive()? {
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

    /// Adds a request to those that are to be sent, and gives it its number.
    pub(crate) fn put(&mut self, header: Header, fill: impl FnOnce(&mut Vec<u8>)) {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        put_request(&mut self.requests, Header { sequence, ..header }, fill);
    }

    /// Sends the requests that are there.
    pub(crate) fn send(&mut self) -> Result<(), Error> {
        let sent = self.transport.send(&self.requests);
        self.requests.clear();
        Ok(sent?)
    }
}

/// Returns the error of a request that ended so.
pub(crate) fn kernel_error(command: Option<Command>, ending: Ending) -> Error {
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
pub(crate) fn nest(answer: &[u8], number: u16) -> Result<&[u8], DecodeError> {
    for attribute in attributes(answer, "an answer") {
        match attribute? {
            (kind, payload) if kind == number => return Ok(payload),
            _ => {}
        }
    }
    Err(DecodeError::new("an answer", "has not what was asked for"))
}
