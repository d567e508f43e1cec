// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! A socket that listens to changes of the configuration.

use std::collections::VecDeque;

use super::event::Event;
use super::FAMILY_NAME;
use crate::engine::Engine;
use crate::error::Error;
use crate::message::Content;
use crate::transport::SocketTransport;

/// The multicast group of changes.
const GROUP: &str = "config";

/// Something that a [`Listener`] has heard.
///
/// One is heard at a time, so the size of the smaller variant costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)]
pub enum Heard {
    /// A change.
    Event(Event),
    /// Changes were lost, as they came faster than they were read: read the configuration anew.
    Lost,
}

/// A socket that listens to changes of the configuration in the caller's network namespace.
///
/// To miss nothing, open it before the configuration is read with
/// [`snapshot`](super::Client::snapshot), and ignore events of that generation and before.
#[derive(Debug)]
pub struct Listener {
    engine: Engine<SocketTransport>,
    waiting: VecDeque<Event>,
}

impl Listener {
    /// Opens the socket. It needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// [`Error::NoFamily`] if this IPVS tells nobody of changes; [`Error::Io`].
    pub fn open() -> Result<Self, Error> {
        let mut engine = Engine::new(SocketTransport::open()?);
        let group = engine.look_up_group(FAMILY_NAME, GROUP)?;
        engine.transport().join(group)?;
        Ok(Listener {
            engine,
            waiting: VecDeque::new(),
        })
    }

    /// Waits for the next change.
    ///
    /// # Errors
    /// [`Error::Io`] if the socket fails, [`Error::Decode`] for a message that is no event.
    pub fn hear(&mut self) -> Result<Heard, Error> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Heard::Event(event));
            }
            match self.engine.receive() {
                Ok(messages) => {
                    for message in messages {
                        if let Content::Attributes(event) = message?.content {
                            self.waiting.push_back(Event::decode(event)?);
                        }
                    }
                }
                Err(Error::Io(error)) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    return Ok(Heard::Lost);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
