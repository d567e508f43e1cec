// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Changes of the configuration, as requests.

use crate::attr;
use crate::command::Command;
use crate::config::Timeouts;
use crate::daemon::{encode_state, Daemon, DaemonState};
use crate::destination::{Destination, DestinationId};
use crate::error::Error;
use crate::service::{Service, ServiceId};
use crate::uapi::cmd_attr::{DAEMON, DEST, SERVICE};
use crate::uapi::{IFNAME_MAXLEN, PENAME_MAXLEN, SCHEDNAME_MAXLEN};

/// The greatest length of a scheduler's name.
const SCHEDULER_LIMIT: usize = SCHEDNAME_MAXLEN - 1;
/// The greatest length of a persistence engine's name.
const ENGINE_LIMIT: usize = PENAME_MAXLEN;
/// The greatest length of a network interface's name.
const INTERFACE_LIMIT: usize = IFNAME_MAXLEN - 1;

/// One change of the configuration: what [`Client::apply`](crate::Client::apply) asks for.
///
/// The errnos are those that the kernel refuses it with, besides `EPERM` and `ENOMEM`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Adds a service. `EEXIST` where it is there already, `ENOENT` where the kernel has no such
    /// scheduler or persistence engine.
    AddService(Service),
    /// Changes all of a service's configuration but its identity. `ESRCH` where it is not there,
    /// `ENOENT` as above.
    EditService(Service),
    /// Removes a service and its destinations; its connections stay until they expire. `ESRCH`
    /// where it is not there.
    DeleteService(ServiceId),
    /// Adds a destination to a service. `ESRCH` where there is no such service, `EEXIST` where
    /// the destination is there already, `EINVAL` for an address that is none of a host.
    AddDestination(ServiceId, Destination),
    /// Changes all of a destination's configuration but its identity. `ESRCH` where there is no
    /// such service, `ENOENT` where it has no such destination.
    EditDestination(ServiceId, Destination),
    /// Removes a destination from a service. Errnos as for editing.
    DeleteDestination(ServiceId, DestinationId),
    /// Removes all services.
    Flush,
    /// Zeroes the counters of a service and its destinations, or all counters. `ESRCH` where the
    /// service is not there.
    Zero(Option<ServiceId>),
    /// Sets the protocol timeouts; 0 keeps what is set. `EINVAL` where one is too long.
    SetTimeouts(Timeouts),
    /// Starts a synchronisation daemon. `EEXIST` where that role runs already, `ENODEV` where
    /// there is no such interface.
    StartDaemon(Daemon),
    /// Stops a synchronisation daemon. `ESRCH` where that role does not run.
    StopDaemon(DaemonState),
}

impl Change {
    /// The command that asks for it.
    pub fn command(&self) -> Command {
        match self {
            Change::AddService(_) => Command::NewService,
            Change::EditService(_) => Command::SetService,
            Change::DeleteService(_) => Command::DelService,
            Change::AddDestination(..) => Command::NewDestination,
            Change::EditDestination(..) => Command::SetDestination,
            Change::DeleteDestination(..) => Command::DelDestination,
            Change::Flush => Command::Flush,
            Change::Zero(_) => Command::Zero,
            Change::SetTimeouts(_) => Command::SetConfig,
            Change::StartDaemon(_) => Command::NewDaemon,
            Change::StopDaemon(_) => Command::DelDaemon,
        }
    }

    /// Adds the request's attributes, all that stands behind its generic-netlink header, to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Change::AddService(service) | Change::EditService(service) => {
                attr::put_nest(out, SERVICE, |out| service.encode(out));
            }
            Change::DeleteService(id) | Change::Zero(Some(id)) => {
                attr::put_nest(out, SERVICE, |out| id.encode(out));
            }
            Change::AddDestination(id, server) | Change::EditDestination(id, server) => {
                attr::put_nest(out, SERVICE, |out| id.encode(out));
                attr::put_nest(out, DEST, |out| server.encode(out));
            }
            Change::DeleteDestination(id, server) => {
                attr::put_nest(out, SERVICE, |out| id.encode(out));
                attr::put_nest(out, DEST, |out| server.encode(out));
            }
            Change::SetTimeouts(timeouts) => timeouts.encode(out),
            Change::StartDaemon(daemon) => {
                attr::put_nest(out, DAEMON, |out| daemon.encode(out));
            }
            Change::StopDaemon(state) => {
                attr::put_nest(out, DAEMON, |out| encode_state(*state, out));
            }
            Change::Flush | Change::Zero(None) => {}
        }
    }

    /// Makes sure that the names in it fit their attributes.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Change::AddService(service) | Change::EditService(service) => check_names(service),
            Change::StartDaemon(daemon) => {
                check_name("interface", &daemon.interface, INTERFACE_LIMIT)
            }
            _ => Ok(()),
        }
    }
}

/// Checks that the names of a service fit.
pub(crate) fn check_names(service: &Service) -> Result<(), Error> {
    check_name("scheduler", &service.scheduler, SCHEDULER_LIMIT)?;
    match &service.persistence_engine {
        Some(engine) => check_name("persistence engine", engine, ENGINE_LIMIT),
        None => Ok(()),
    }
}

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
