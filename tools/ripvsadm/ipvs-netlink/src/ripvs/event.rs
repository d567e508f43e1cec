// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Changes of the configuration, as listeners are told (`RIPVS_EVENT_*`).

use super::snapshot::{read_destination, read_service, read_service_id};
use super::uapi::{event, msg_attr, timeouts_attr};
use crate::attr::{self, attributes};
use crate::config::Timeouts;
use crate::decode::DecodeError;
use crate::destination::{Destination, DestinationEntry};
use crate::service::{Service, ServiceId};

/// A change of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The number of changes until then. What was changed together has one.
    pub generation: u64,
    /// The process that made the change; 0 for the kernel itself.
    pub pid: u32,
    /// The change.
    pub kind: EventKind,
}

/// Kinds of changes, with the object as it is after them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A service was added.
    AddService(Service),
    /// Options of a service changed.
    EditService(Service),
    /// A service was deleted, with its destinations.
    DeleteService(ServiceId),
    /// A destination was added.
    AddDestination(ServiceId, Destination),
    /// Options of a destination changed.
    EditDestination(ServiceId, Destination),
    /// A destination was deleted: it is shown as it was.
    DeleteDestination(ServiceId, Destination),
    /// All services were deleted.
    Flush,
    /// Timeouts changed.
    Timeouts(Timeouts),
    /// A synchronisation daemon was started: the number of its role, as in
    /// [`DaemonState`](crate::DaemonState).
    StartDaemon(u32),
    /// A synchronisation daemon was stopped.
    StopDaemon(u32),
    /// A destination is drained, or is so by other options.
    Drain(ServiceId, DestinationEntry),
    /// A drain is done; the destination takes no new connections still.
    Drained(ServiceId, DestinationEntry),
    /// A drain was called off.
    Undrain(ServiceId, DestinationEntry),
    /// A destination has as many connections as it may, and takes no new ones.
    Overload(ServiceId, DestinationEntry),
    /// A destination has few connections again, and takes new ones.
    OverloadEnd(ServiceId, DestinationEntry),
    /// A change of a kind that this crate does not know.
    Other(u32),
}

impl EventKind {
    /// Returns whether the configuration has changed, and its generation with it. The end of a
    /// drain and overload are changes of state, which have the generation of the last change.
    pub fn is_change(&self) -> bool {
        !matches!(
            self,
            EventKind::Drained(..) | EventKind::Overload(..) | EventKind::OverloadEnd(..)
        )
    }
}

/// Attributes of an event.
#[derive(Default)]
struct Parts<'a> {
    number: Option<u32>,
    generation: u64,
    pid: u32,
    service: &'a [u8],
    destination: &'a [u8],
    timeouts: &'a [u8],
    daemon: u32,
}

impl Event {
    /// Reads the attributes of a message.
    ///
    /// # Errors
    /// [`DecodeError`] if an attribute is missing or wrong.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut parts = Parts::default();
        for attribute in attributes(message, "an event") {
            match attribute? {
                (msg_attr::EVENT, payload) => {
                    parts.number = Some(attr::read_u32(payload, "an event")?);
                }
                (msg_attr::GENERATION, payload) => {
                    parts.generation = attr::read_counter(payload, "the generation")?;
                }
                (msg_attr::PID, payload) => parts.pid = attr::read_u32(payload, "a process")?,
                (msg_attr::SERVICE, nest) => parts.service = nest,
                (msg_attr::DEST, nest) => parts.destination = nest,
                (msg_attr::TIMEOUTS, nest) => parts.timeouts = nest,
                (msg_attr::DAEMON, payload) => parts.daemon = attr::read_u32(payload, "a daemon")?,
                _ => {}
            }
        }
        Ok(Event {
            generation: parts.generation,
            pid: parts.pid,
            kind: parts.kind()?,
        })
    }
}

impl Parts<'_> {
    fn kind(&self) -> Result<EventKind, DecodeError> {
        let number = self
            .number
            .ok_or(DecodeError::new("an event", "has no kind"))?;
        let service = || Ok(read_service(self.service)?.service);
        let destination = || {
            let id = read_service_id(self.service)?;
            Ok((id, read_destination(self.destination)?.destination))
        };
        let entry = || {
            let id = read_service_id(self.service)?;
            Ok((id, read_destination(self.destination)?))
        };
        let of_entry = |kind: fn(ServiceId, DestinationEntry) -> EventKind| {
            entry().map(|(id, entry)| kind(id, entry))
        };
        Ok(match number {
            event::NEW_SERVICE => EventKind::AddService(service()?),
            event::SET_SERVICE => EventKind::EditService(service()?),
            event::DEL_SERVICE => EventKind::DeleteService(read_service_id(self.service)?),
            event::NEW_DEST => {
                let (id, server) = destination()?;
                EventKind::AddDestination(id, server)
            }
            event::SET_DEST => {
                let (id, server) = destination()?;
                EventKind::EditDestination(id, server)
            }
            event::DEL_DEST => {
                let (id, server) = destination()?;
                EventKind::DeleteDestination(id, server)
            }
            event::FLUSH => EventKind::Flush,
            event::TIMEOUTS => EventKind::Timeouts(read_timeouts(self.timeouts)?),
            event::START_DAEMON => EventKind::StartDaemon(self.daemon),
            event::STOP_DAEMON => EventKind::StopDaemon(self.daemon),
            event::DRAIN => of_entry(EventKind::Drain)?,
            event::DRAINED => of_entry(EventKind::Drained)?,
            event::UNDRAIN => of_entry(EventKind::Undrain)?,
            event::OVERLOAD => of_entry(EventKind::Overload)?,
            event::OVERLOAD_END => of_entry(EventKind::OverloadEnd)?,
            other => EventKind::Other(other),
        })
    }
}

fn read_timeouts(nest: &[u8]) -> Result<Timeouts, DecodeError> {
    let mut timeouts = Timeouts::default();
    for attribute in attributes(nest, "timeouts") {
        match attribute? {
            (timeouts_attr::TCP, payload) => timeouts.tcp = attr::read_u32(payload, "a timeout")?,
            (timeouts_attr::TCP_FIN, payload) => {
                timeouts.tcp_fin = attr::read_u32(payload, "a timeout")?;
            }
            (timeouts_attr::UDP, payload) => timeouts.udp = attr::read_u32(payload, "a timeout")?,
            _ => {}
        }
    }
    Ok(timeouts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::filled;
    use crate::attr::{put, put_nest, put_str};
    use crate::drain::DrainState;
    use crate::ripvs::uapi::{dest_attr, drain_attr, service_attr};

    fn message(number: u32, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        filled(|out| {
            put(out, msg_attr::EVENT, &number.to_ne_bytes());
            put(out, msg_attr::GENERATION, &7u64.to_ne_bytes());
            put(out, msg_attr::PID, &42u32.to_ne_bytes());
            fill(out);
        })
    }

    fn put_service(out: &mut Vec<u8>) {
        put_nest(out, msg_attr::SERVICE, |out| {
            put(out, service_attr::AF, &2u16.to_ne_bytes());
            put(out, service_attr::FWMARK, &9u32.to_ne_bytes());
            put_str(out, service_attr::SCHED_NAME, "rr");
        });
    }

    #[test]
    fn kinds() {
        let flush = Event::decode(&message(event::FLUSH, |_| {})).unwrap();
        assert_eq!((flush.generation, flush.pid), (7, 42));
        assert_eq!(flush.kind, EventKind::Flush);
        let other = Event::decode(&message(99, |_| {})).unwrap();
        assert_eq!(other.kind, EventKind::Other(99));
        let new = Event::decode(&message(event::NEW_SERVICE, put_service)).unwrap();
        let EventKind::AddService(service) = new.kind else {
            panic!("{new:?}");
        };
        assert_eq!(service.scheduler, "rr");
        let gone = Event::decode(&message(event::DEL_SERVICE, put_service)).unwrap();
        assert_eq!(gone.kind, EventKind::DeleteService(service.id.clone()));
        let server = message(event::NEW_DEST, |out| {
            put_service(out);
            put_nest(out, msg_attr::DEST, |out| {
                put(out, dest_attr::ADDR, &[192, 0, 2, 1]);
                put(out, dest_attr::PORT, &80u16.to_be_bytes());
                put(out, dest_attr::FWD_METHOD, &0u32.to_ne_bytes());
                put(out, dest_attr::WEIGHT, &5u32.to_ne_bytes());
            });
        });
        let EventKind::AddDestination(id, server) = Event::decode(&server).unwrap().kind else {
            panic!();
        };
        assert_eq!((id, server.weight), (service.id, 5));
        let drained = message(event::DRAINED, |out| {
            put_service(out);
            put_nest(out, msg_attr::DEST, |out| {
                put(out, dest_attr::ADDR, &[192, 0, 2, 1]);
                put(out, dest_attr::PORT, &80u16.to_be_bytes());
                put(out, dest_attr::FWD_METHOD, &0u32.to_ne_bytes());
                put(out, dest_attr::WEIGHT, &5u32.to_ne_bytes());
                put_nest(out, dest_attr::DRAIN, |out| {
                    put(out, drain_attr::STATE, &3u32.to_ne_bytes());
                });
            });
        });
        let EventKind::Drained(_, entry) = Event::decode(&drained).unwrap().kind else {
            panic!();
        };
        assert_eq!(entry.drain.unwrap().state, DrainState::Done);
        let daemon = message(event::STOP_DAEMON, |out| {
            put(out, msg_attr::DAEMON, &2u32.to_ne_bytes())
        });
        assert_eq!(
            Event::decode(&daemon).unwrap().kind,
            EventKind::StopDaemon(2)
        );
    }

    #[test]
    fn what_is_missing_is_an_error() {
        assert!(Event::decode(&[]).is_err());
        for number in [event::NEW_SERVICE, event::DEL_SERVICE, event::NEW_DEST] {
            assert!(Event::decode(&message(number, |_| {})).is_err());
        }
        assert!(Event::decode(&message(event::NEW_DEST, put_service)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_message_makes_it_panic(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
            number in 0..17u32,
        ) {
            let _ = Event::decode(&bytes);
            let _ = Event::decode(&message(number, |out| out.extend(&bytes)));
        }
    }
}
