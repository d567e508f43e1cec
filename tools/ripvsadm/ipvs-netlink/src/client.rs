// SPDX-License-Identifier: GPL-2.0

//! A synchronous client: one request, its whole answer, one result.

use std::fmt::Debug;
use std::io;

use netlink_packet_core::{
    Emitable, NetlinkHeader, NetlinkMessage, NetlinkPayload, ParseableParametrized, NLM_F_ACK,
    NLM_F_DUMP, NLM_F_REQUEST,
};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};

use crate::command::Command;
use crate::config::{Info, Timeouts};
use crate::daemon::{Daemon, DaemonAttr, DaemonState};
use crate::destination::{Destination, DestinationEntry, DestinationId};
use crate::error::{Error, KernelError};
use crate::message::{Attribute, IpvsMessage, FAMILY_NAME};
use crate::reply::{Datagram, Refusal, Reply};
use crate::resolve::FamilyLookup;
use crate::service::{Service, ServiceEntry, ServiceId};

/// The greatest length of a scheduler's, and of an interface's, name.
const NAME_LIMIT: usize = 15;
/// The greatest length of a persistence engine's name.
const ENGINE_LIMIT: usize = 16;

/// How often a listing is started again because the tables changed while the kernel made it.
const DUMP_RETRIES: usize = 5;

/// Carries requests to the kernel and its datagrams back.
///
/// [`SocketTransport`] does; a test may have another.
pub trait Transport {
    /// Sends one request.
    fn send(&mut self, request: &[u8]) -> io::Result<()>;

    /// Waits for the next datagram and puts all of it into `datagram`, instead of what was there.
    fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<()>;
}

/// A generic-netlink socket.
#[derive(Debug)]
pub struct SocketTransport {
    socket: Socket,
}

impl SocketTransport {
    /// No datagram of the kernel is longer than this.
    const DATAGRAM_LIMIT: usize = 1 << 17;

    /// Opens the socket and asks for extended errors, which old kernels do not have.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        for refused in [socket.set_ext_ack(true), socket.set_cap_ack(true)] {
            if let Err(error) = refused {
                if error.raw_os_error() != Some(libc::ENOPROTOOPT) {
                    return Err(error);
                }
            }
        }
        Ok(SocketTransport { socket })
    }
}

impl Transport for SocketTransport {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        match self.socket.send(request, 0)? {
            sent if sent == request.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<()> {
        datagram.clear();
        datagram.reserve(Self::DATAGRAM_LIMIT);
        let length = loop {
            match self.socket.recv(datagram, libc::MSG_TRUNC) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => break other?,
            }
        };
        match length > datagram.len() {
            true => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "datagram too long",
            )),
            false => Ok(()),
        }
    }
}

/// A connection to the family. Every command needs `CAP_NET_ADMIN` in the first user namespace.
#[derive(Debug)]
pub struct Client<T = SocketTransport> {
    transport: T,
    family: u16,
    sequence: u32,
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
            family: 0,
            sequence: 0,
            datagram: Vec::new(),
        };
        let question = FamilyLookup::Name(FAMILY_NAME.to_owned());
        let (replies, refusal) = client.exchange(question, NLM_F_ACK)?;
        let id = replies.into_iter().find_map(|reply| match reply {
            FamilyLookup::Id(id) => id,
            FamilyLookup::Name(_) => None,
        });
        match (refusal.errno, id) {
            (0, Some(id)) => {
                client.family = id;
                Ok(client)
            }
            (0, None) => Err(Error::NoFamily),
            (libc::ENOENT, _) => Err(Error::NoFamily),
            _ => Err(kernel_error(None, refusal)),
        }
    }

    /// The version of IPVS and the size of its connection table.
    ///
    /// # Errors
    /// Like every method here: [`Error::Kernel`] with what the kernel objects to, [`Error::Io`],
    /// [`Error::Decode`]; all of them leave the kernel's configuration as it was.
    pub fn info(&mut self) -> Result<Info, Error> {
        let answer = self.one(Command::GetInfo, vec![])?;
        Ok(Info::from_attributes(&answer.attributes)?)
    }

    /// All services, in the kernel's order.
    ///
    /// # Errors
    /// See [`Client::info`].
    pub fn services(&mut self) -> Result<Vec<ServiceEntry>, Error> {
        let answers = self.dump(Command::GetService, vec![])?;
        answers.iter().map(service_entry).collect()
    }

    /// One service.
    ///
    /// # Errors
    /// `ESRCH` where there is none; else see [`Client::info`].
    pub fn service(&mut self, id: &ServiceId) -> Result<ServiceEntry, Error> {
        let request = vec![Attribute::Service(id.to_attributes())];
        service_entry(&self.one(Command::GetService, request)?)
    }

    /// The destinations of a service, newest first.
    ///
    /// # Errors
    /// See [`Client::info`]. The C implementation answers for a service that it does not have
    /// as for one without destinations.
    pub fn destinations(&mut self, id: &ServiceId) -> Result<Vec<DestinationEntry>, Error> {
        let request = vec![Attribute::Service(id.to_attributes())];
        let answers = self.dump(Command::GetDestination, request)?;
        let mut entries = Vec::with_capacity(answers.len());
        for answer in &answers {
            let nest = answer
                .attributes
                .iter()
                .find_map(|attribute| match attribute {
                    Attribute::Destination(nest) => Some(nest),
                    _ => None,
                });
            let nest = nest.ok_or(Error::Unexpected {
                command: Command::GetDestination,
                reason: "the kernel's answer has no DEST attribute",
            })?;
            entries.push(DestinationEntry::from_attributes(nest, id.family())?);
        }
        Ok(entries)
    }

    /// Adds a service.
    ///
    /// # Errors
    /// `EEXIST` where it is there already, `ENOENT` where the kernel has no such scheduler or
    /// persistence engine; else see [`Client::info`].
    pub fn add_service(&mut self, service: &Service) -> Result<(), Error> {
        self.change_service(Command::NewService, service)
    }

    /// Changes a service: all of its configuration but its identity.
    ///
    /// # Errors
    /// `ESRCH` where it is not there; else as [`Client::add_service`].
    pub fn set_service(&mut self, service: &Service) -> Result<(), Error> {
        self.change_service(Command::SetService, service)
    }

    /// Removes a service and its destinations. Its connections stay until they expire.
    ///
    /// # Errors
    /// `ESRCH` where it is not there; else see [`Client::info`].
    pub fn delete_service(&mut self, id: &ServiceId) -> Result<(), Error> {
        self.ack(
            Command::DelService,
            vec![Attribute::Service(id.to_attributes())],
        )
    }

    /// Removes all services.
    ///
    /// # Errors
    /// See [`Client::info`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.ack(Command::Flush, vec![])
    }

    /// Zeroes the counters of a service and its destinations, or all counters.
    ///
    /// # Errors
    /// `ESRCH` where the service is not there; else see [`Client::info`].
    pub fn zero(&mut self, id: Option<&ServiceId>) -> Result<(), Error> {
        let request = id.map(|id| Attribute::Service(id.to_attributes()));
        self.ack(Command::Zero, request.into_iter().collect())
    }

    /// Adds a destination to a service.
    ///
    /// # Errors
    /// `ESRCH` where there is no such service, `EEXIST` where the destination is there already;
    /// else see [`Client::info`].
    pub fn add_destination(&mut self, id: &ServiceId, server: &Destination) -> Result<(), Error> {
        self.change_destination(Command::NewDestination, id, server)
    }

    /// Changes a destination of a service: all of its configuration but its identity.
    ///
    /// # Errors
    /// `ESRCH` where there is no such service, `ENOENT` where it has no such destination; else
    /// see [`Client::info`].
    pub fn set_destination(&mut self, id: &ServiceId, server: &Destination) -> Result<(), Error> {
        self.change_destination(Command::SetDestination, id, server)
    }

    /// Removes a destination from a service.
    ///
    /// # Errors
    /// As [`Client::set_destination`].
    pub fn delete_destination(
        &mut self,
        id: &ServiceId,
        server: &DestinationId,
    ) -> Result<(), Error> {
        let request = vec![
            Attribute::Service(id.to_attributes()),
            Attribute::Destination(server.to_attributes()),
        ];
        self.ack(Command::DelDestination, request)
    }

    /// The protocol timeouts.
    ///
    /// # Errors
    /// See [`Client::info`].
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let answer = self.one(Command::GetConfig, vec![])?;
        Ok(Timeouts::from_attributes(&answer.attributes))
    }

    /// Sets the protocol timeouts; 0 keeps what is set.
    ///
    /// # Errors
    /// `EINVAL` where one is too long; else see [`Client::info`].
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error> {
        self.ack(Command::SetConfig, timeouts.to_attributes())
    }

    /// The synchronisation daemons that run.
    ///
    /// # Errors
    /// See [`Client::info`]; `EOPNOTSUPP` from an implementation without them.
    pub fn daemons(&mut self) -> Result<Vec<Daemon>, Error> {
        let answers = self.dump(Command::GetDaemon, vec![])?;
        let mut daemons = Vec::with_capacity(answers.len());
        for answer in answers {
            for attribute in answer.attributes {
                if let Attribute::Daemon(nest) = attribute {
                    daemons.push(Daemon::from_attributes(&nest)?);
                }
            }
        }
        Ok(daemons)
    }

    /// Starts a synchronisation daemon.
    ///
    /// # Errors
    /// `EEXIST` where that role runs already, `ENODEV` where there is no such interface; else see
    /// [`Client::daemons`].
    pub fn start_daemon(&mut self, daemon: &Daemon) -> Result<(), Error> {
        check_name("interface", &daemon.interface, NAME_LIMIT)?;
        self.ack(
            Command::NewDaemon,
            vec![Attribute::Daemon(daemon.to_attributes())],
        )
    }

    /// Stops a synchronisation daemon.
    ///
    /// # Errors
    /// `ESRCH` where that role does not run; else see [`Client::daemons`].
    pub fn stop_daemon(&mut self, state: DaemonState) -> Result<(), Error> {
        let nest = vec![DaemonAttr::State(state.into())];
        self.ack(Command::DelDaemon, vec![Attribute::Daemon(nest)])
    }

    /// Adds or changes a service.
    fn change_service(&mut self, command: Command, service: &Service) -> Result<(), Error> {
        check_name("scheduler", &service.scheduler, NAME_LIMIT)?;
        if let Some(engine) = &service.persistence_engine {
            check_name("persistence engine", engine, ENGINE_LIMIT)?;
        }
        self.ack(command, vec![Attribute::Service(service.to_attributes())])
    }

    /// Adds or changes a destination.
    fn change_destination(
        &mut self,
        command: Command,
        id: &ServiceId,
        server: &Destination,
    ) -> Result<(), Error> {
        let request = vec![
            Attribute::Service(id.to_attributes()),
            Attribute::Destination(server.to_attributes()),
        ];
        self.ack(command, request)
    }

    /// A request that is answered by an acknowledgement.
    fn ack(&mut self, command: Command, attributes: Vec<Attribute>) -> Result<(), Error> {
        let (_, refusal) = self.exchange(
            IpvsMessage {
                command,
                attributes,
            },
            NLM_F_ACK,
        )?;
        accept(command, refusal)
    }

    /// A request that is answered by one message.
    fn one(&mut self, command: Command, attributes: Vec<Attribute>) -> Result<IpvsMessage, Error> {
        let (replies, refusal) = self.exchange(
            IpvsMessage {
                command,
                attributes,
            },
            NLM_F_ACK,
        )?;
        accept(command, refusal)?;
        replies.into_iter().next().ok_or(Error::Unexpected {
            command,
            reason: "the kernel acknowledged without an answer",
        })
    }

    /// A request that is answered by any number of messages; asked again where the kernel says
    /// that its tables changed meanwhile.
    fn dump(
        &mut self,
        command: Command,
        attributes: Vec<Attribute>,
    ) -> Result<Vec<IpvsMessage>, Error> {
        let request = IpvsMessage {
            command,
            attributes,
        };
        for _ in 0..DUMP_RETRIES {
            let (replies, refusal) = self.exchange(request.clone(), NLM_F_DUMP)?;
            if refusal.errno == libc::EINTR {
                continue;
            }
            accept(command, refusal)?;
            return Ok(replies);
        }
        Err(Error::Unexpected {
            command,
            reason: "the table kept changing meanwhile",
        })
    }

    /// Sends a request and collects everything up to the end of its answer. An interrupted
    /// listing ends with `EINTR`.
    fn exchange<F>(&mut self, payload: F, flags: u16) -> Result<(Vec<F>, Refusal), Error>
    where
        F: GenlFamily + Emitable + ParseableParametrized<[u8], GenlHeader> + Debug,
    {
        self.sequence = self.sequence.wrapping_add(1);
        let request = serialize(payload, self.family, flags | NLM_F_REQUEST, self.sequence);
        self.transport.send(&request)?;

        let mut messages = Vec::new();
        let mut interrupted = false;
        loop {
            self.transport.receive(&mut self.datagram)?;
            let datagram = Datagram::parse(&self.datagram, self.sequence)?;
            interrupted |= datagram.interrupted;
            for reply in datagram.replies {
                match reply {
                    Reply::Message(message) => messages.push(message),
                    Reply::End(mut refusal) => {
                        if interrupted && refusal.errno == 0 {
                            refusal.errno = libc::EINTR;
                        }
                        return Ok((messages, refusal));
                    }
                    Reply::Ignored => {}
                }
            }
        }
    }
}

/// The bytes of a request.
fn serialize<F>(payload: F, family: u16, flags: u16, sequence: u32) -> Vec<u8>
where
    F: GenlFamily + Emitable + Debug,
{
    let mut message = GenlMessage::from_payload(payload);
    message.set_resolved_family_id(family);
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = sequence;
    let mut request = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    bytes
}

/// Turns the end of an answer into a result.
fn accept(command: Command, refusal: Refusal) -> Result<(), Error> {
    match refusal.errno {
        0 => Ok(()),
        _ => Err(kernel_error(Some(command), refusal)),
    }
}

fn kernel_error(command: Option<Command>, refusal: Refusal) -> Error {
    let Refusal {
        errno,
        message,
        offset,
    } = refusal;
    Error::Kernel(KernelError {
        command,
        errno,
        message,
        offset,
    })
}

/// Makes sure that a name fits its attribute.
fn check_name(what: &'static str, name: &str, limit: usize) -> Result<(), Error> {
    if name.len() > limit || name.contains('\0') {
        return Err(Error::BadName {
            what,
            name: name.to_owned(),
            limit,
        });
    }
    Ok(())
}

/// The service in an answer.
fn service_entry(answer: &IpvsMessage) -> Result<ServiceEntry, Error> {
    let nest = answer
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            Attribute::Service(nest) => Some(nest),
            _ => None,
        });
    let nest = nest.ok_or(Error::Unexpected {
        command: Command::GetService,
        reason: "the kernel's answer has no SERVICE attribute",
    })?;
    Ok(ServiceEntry::from_attributes(nest)?)
}
