// SPDX-License-Identifier: GPL-2.0

//! From a checked [`CommandLine`] to the [`Action`] that it means, defaults filled in.

use ipvs_netlink::{
    ripvs, Change, Daemon, Destination, DestinationId, ForwardMethod, Netmask, Protocol, Service,
    ServiceFlags, ServiceId, Timeouts, Tunnel, TunnelFlags,
};

use super::options::{Command, Opt, SCHEDULER_DEFAULT};
use super::read::CommandLine;
use super::value::{self, TIMEOUT_MAX};
use crate::error::Error;
use crate::model::{Action, Columns, Format, Listing, Subject};
use crate::names::Lookup;

/// The interface of a daemon where none is asked for.
const INTERFACE_DEFAULT: &str = "eth0";

/// Makes an action of a command line that [`check`](super::check) has let pass.
pub fn build(line: CommandLine, lookup: &dyn Lookup) -> Result<Action, Error> {
    Ok(match line.command {
        Command::Restore => Action::Restore,
        Command::Save => Action::Save {
            numeric: line.has(Opt::Numeric),
        },
        Command::List => Action::List(listing(line)),
        Command::Help => Action::Help,
        Command::Version => Action::Version,
        Command::AddService if !line.own.set.is_empty() => {
            Action::Own(ripvs::Change::AddService(service(&line)?))
        }
        Command::EditService if !line.own.is_empty() => {
            Action::Own(ripvs::Change::EditService(service(&line)?, line.own))
        }
        _ => Action::Change(change(line, lookup)?),
    })
}

/// Returns what the kernel is to do.
fn change(line: CommandLine, lookup: &dyn Lookup) -> Result<Change, Error> {
    Ok(match line.command {
        Command::AddService => Change::AddService(service(&line)?),
        Command::EditService => Change::EditService(service(&line)?),
        Command::DeleteService => Change::DeleteService(id(&line)?),
        Command::AddServer => Change::AddDestination(id(&line)?, server(&line, lookup)?),
        Command::EditServer => Change::EditDestination(id(&line)?, server(&line, lookup)?),
        Command::DeleteServer => Change::DeleteDestination(id(&line)?, server_id(&line, lookup)?),
        Command::Clear => Change::Flush,
        Command::Zero => Change::Zero(line.service),
        Command::Set => Change::SetTimeouts(timeouts(&line)?),
        Command::StartDaemon => Change::StartDaemon(daemon(line)?),
        Command::StopDaemon => {
            Change::StopDaemon(line.daemon_state.ok_or_else(|| lacks("a state"))?)
        }
        _ => return Err(lacks("a change")),
    })
}

/// The error for what the check should have found; no command line of [`super::parse`] gets here.
fn lacks(what: &str) -> Error {
    Error::Argument(format!("the command lacks {what}"))
}

fn id(line: &CommandLine) -> Result<ServiceId, Error> {
    line.service.clone().ok_or_else(|| lacks("a service"))
}

fn service(line: &CommandLine) -> Result<Service, Error> {
    let id = id(line)?;
    let scheduler = match line.scheduler.as_deref() {
        None | Some("") => SCHEDULER_DEFAULT,
        Some(name) => name,
    };
    let mut flags = match &line.scheduler_flags {
        Some(text) => value::scheduler_flags(text, scheduler)?,
        None => ServiceFlags::default(),
    };
    if line.has(Opt::Persistent) {
        flags = flags.with(ServiceFlags::PERSISTENT);
    }
    if line.has(Opt::OnePacket) {
        flags = flags.with(ServiceFlags::ONE_PACKET);
    }
    Ok(Service {
        scheduler: scheduler.to_owned(),
        persistence_engine: line.engine.clone(),
        flags,
        timeout: line.timeout.unwrap_or_default(),
        netmask: match &line.netmask {
            Some(text) => value::netmask(text, id.family())?,
            None => Netmask::host(id.family()),
        },
        own: line.own.set,
        id,
    })
}

/// The real server's address and the port that was given, the service's where none was.
fn server_id(line: &CommandLine, lookup: &dyn Lookup) -> Result<DestinationId, Error> {
    let server = line.server.as_ref().ok_or_else(|| lacks("a real server"))?;
    let (protocol, service_port): (Option<Protocol>, u16) = match &line.service {
        Some(ServiceId::Address { protocol, port, .. }) => (Some(*protocol), *port),
        _ => (None, 0),
    };
    let port = match &server.port {
        Some(text) => value::port(text, "real server", protocol, lookup)?,
        None => service_port,
    };
    Ok(DestinationId {
        address: server.address,
        port,
    })
}

fn server(line: &CommandLine, lookup: &dyn Lookup) -> Result<Destination, Error> {
    let forward = line.forward.unwrap_or(ForwardMethod::DirectRoute);
    let mut id = server_id(line, lookup)?;
    if let (Some(ServiceId::Address { port, .. }), true) =
        (&line.service, forward != ForwardMethod::Masquerade)
    {
        // Without translation the packet keeps the port that the client sent it to.
        id.port = *port;
    }
    let flags = if line.has(Opt::TunnelChecksum) {
        TunnelFlags::CHECKSUM
    } else if line.has(Opt::TunnelRemoteChecksum) {
        TunnelFlags::REMOTE_CHECKSUM
    } else {
        TunnelFlags::default()
    };
    Ok(Destination {
        id,
        forward,
        weight: line.weight.unwrap_or(1),
        upper_threshold: line.upper_threshold.unwrap_or_default(),
        lower_threshold: line.lower_threshold.unwrap_or_default(),
        tunnel: Tunnel {
            kind: line.tunnel_type.unwrap_or_default(),
            port: line.tunnel_port.unwrap_or_default(),
            flags,
        },
    })
}

fn listing(line: CommandLine) -> Listing {
    // Where several are asked for, the first of these is shown.
    let columns = [
        (Opt::Stats, Columns::Stats),
        (Opt::Rate, Columns::Rate),
        (Opt::Thresholds, Columns::Thresholds),
        (Opt::PersistentConn, Columns::Persistent),
        (Opt::TunnelInfo, Columns::Tunnels),
    ];
    let columns = columns.into_iter().find(|(opt, _)| line.has(*opt));
    let format = Format {
        columns: columns.map(|(_, columns)| columns).unwrap_or_default(),
        numeric: line.has(Opt::Numeric),
        exact: line.has(Opt::Exact),
        sorted: !line.has(Opt::NoSort),
        json: line.has(Opt::Json),
        engine_data: line.has(Opt::PersistentConn),
    };
    let subject = if line.has(Opt::Connection) {
        Subject::Connections
    } else if line.has(Opt::Timeout) {
        Subject::Timeouts
    } else if line.has(Opt::Daemon) {
        Subject::Daemons
    } else {
        Subject::Table(line.service)
    };
    Listing { subject, format }
}

fn timeouts(line: &CommandLine) -> Result<Timeouts, Error> {
    let seconds = |index: usize, what: &str| {
        let text = line.rest.get(index).ok_or_else(|| lacks("a timeout"))?;
        let seconds = value::number(text, what, 0, TIMEOUT_MAX)?;
        u32::try_from(seconds).map_err(|_| lacks("a timeout"))
    };
    Ok(Timeouts {
        tcp: seconds(0, "tcp timeout")?,
        tcp_fin: seconds(1, "tcpfin timeout")?,
        udp: seconds(2, "udp timeout")?,
    })
}

fn daemon(line: CommandLine) -> Result<Daemon, Error> {
    Ok(Daemon {
        state: line.daemon_state.ok_or_else(|| lacks("a state"))?,
        interface: line
            .mcast_interface
            .unwrap_or_else(|| INTERFACE_DEFAULT.to_owned()),
        sync_id: line.sync_id.unwrap_or_default(),
        max_length: line.sync_max_length,
        group: line.mcast_group,
        port: line.mcast_port,
        ttl: line.mcast_ttl,
    })
}
