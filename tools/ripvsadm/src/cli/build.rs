// SPDX-License-Identifier: GPL-2.0

//! From a checked [`Draft`] to the [`Action`] that it means, defaults filled in.

use ipvs_netlink::{
    Change, Daemon, Destination, DestinationId, ForwardMethod, Netmask, Protocol, Service,
    ServiceFlags, ServiceId, Timeouts, Tunnel, TunnelFlags,
};

use super::options::{Command, Opt, SCHEDULER_DEFAULT};
use super::read::Draft;
use super::value::{self, TIMEOUT_MAX};
use crate::error::Error;
use crate::model::{Action, Columns, Format, Listing, Subject};
use crate::names::Lookup;

/// The interface of a daemon where none is asked for.
const INTERFACE_DEFAULT: &str = "eth0";

/// Makes an action of a draft that [`check`](super::check) has let pass.
pub fn build(draft: Draft, lookup: &dyn Lookup) -> Result<Action, Error> {
    Ok(match draft.command {
        Command::Restore => Action::Restore,
        Command::Save => Action::Save {
            numeric: draft.has(Opt::Numeric),
        },
        Command::List => Action::List(listing(draft)),
        Command::Help => Action::Help,
        Command::Version => Action::Version,
        _ => Action::Change(change(draft, lookup)?),
    })
}

/// Returns what the kernel is to do.
fn change(draft: Draft, lookup: &dyn Lookup) -> Result<Change, Error> {
    Ok(match draft.command {
        Command::AddService => Change::AddService(service(&draft)?),
        Command::EditService => Change::EditService(service(&draft)?),
        Command::DeleteService => Change::DeleteService(id(&draft)?),
        Command::AddServer => Change::AddDestination(id(&draft)?, server(&draft, lookup)?),
        Command::EditServer => Change::EditDestination(id(&draft)?, server(&draft, lookup)?),
        Command::DeleteServer => Change::DeleteDestination(id(&draft)?, server_id(&draft, lookup)?),
        Command::Clear => Change::Flush,
        Command::Zero => Change::Zero(draft.service),
        Command::Set => Change::SetTimeouts(timeouts(&draft)?),
        Command::StartDaemon => Change::StartDaemon(daemon(draft)?),
        Command::StopDaemon => {
            Change::StopDaemon(draft.daemon_state.ok_or_else(|| lacks("a state"))?)
        }
        _ => return Err(lacks("a change")),
    })
}

/// The error for what the check should have found; no draft of [`super::parse`] gets here.
fn lacks(what: &str) -> Error {
    Error::Argument(format!("the command lacks {what}"))
}

fn id(draft: &Draft) -> Result<ServiceId, Error> {
    draft.service.clone().ok_or_else(|| lacks("a service"))
}

fn service(draft: &Draft) -> Result<Service, Error> {
    let id = id(draft)?;
    let scheduler = match draft.scheduler.as_deref() {
        None | Some("") => SCHEDULER_DEFAULT,
        Some(name) => name,
    };
    let mut flags = match &draft.scheduler_flags {
        Some(text) => value::scheduler_flags(text, scheduler)?,
        None => ServiceFlags::default(),
    };
    if draft.has(Opt::Persistent) {
        flags = flags.with(ServiceFlags::PERSISTENT);
    }
    if draft.has(Opt::OnePacket) {
        flags = flags.with(ServiceFlags::ONE_PACKET);
    }
    Ok(Service {
        scheduler: scheduler.to_owned(),
        persistence_engine: draft.engine.clone(),
        flags,
        timeout: draft.timeout.unwrap_or_default(),
        netmask: match &draft.netmask {
            Some(text) => value::netmask(text, id.family())?,
            None => Netmask::host(id.family()),
        },
        id,
    })
}

/// The real server's address and the port that was given, the service's where none was.
fn server_id(draft: &Draft, lookup: &dyn Lookup) -> Result<DestinationId, Error> {
    let server = draft
        .server
        .as_ref()
        .ok_or_else(|| lacks("a real server"))?;
    let (protocol, service_port): (Option<Protocol>, u16) = match &draft.service {
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

fn server(draft: &Draft, lookup: &dyn Lookup) -> Result<Destination, Error> {
    let forward = draft.forward.unwrap_or(ForwardMethod::DirectRoute);
    let mut id = server_id(draft, lookup)?;
    if let (Some(ServiceId::Address { port, .. }), true) =
        (&draft.service, forward != ForwardMethod::Masquerade)
    {
        // Without translation the packet keeps the port that the client sent it to.
        id.port = *port;
    }
    let flags = if draft.has(Opt::TunnelChecksum) {
        TunnelFlags::CHECKSUM
    } else if draft.has(Opt::TunnelRemoteChecksum) {
        TunnelFlags::REMOTE_CHECKSUM
    } else {
        TunnelFlags::default()
    };
    Ok(Destination {
        id,
        forward,
        weight: draft.weight.unwrap_or(1),
        upper_threshold: draft.upper_threshold.unwrap_or_default(),
        lower_threshold: draft.lower_threshold.unwrap_or_default(),
        tunnel: Tunnel {
            kind: draft.tunnel_type.unwrap_or_default(),
            port: draft.tunnel_port.unwrap_or_default(),
            flags,
        },
    })
}

fn listing(draft: Draft) -> Listing {
    // Where several are asked for, the first of these is shown.
    let columns = [
        (Opt::Stats, Columns::Stats),
        (Opt::Rate, Columns::Rate),
        (Opt::Thresholds, Columns::Thresholds),
        (Opt::PersistentConn, Columns::Persistent),
        (Opt::TunnelInfo, Columns::Tunnels),
    ];
    let columns = columns.into_iter().find(|(opt, _)| draft.has(*opt));
    let format = Format {
        columns: columns.map(|(_, columns)| columns).unwrap_or_default(),
        numeric: draft.has(Opt::Numeric),
        exact: draft.has(Opt::Exact),
        sorted: !draft.has(Opt::NoSort),
        json: draft.has(Opt::Json),
        engine_data: draft.has(Opt::PersistentConn),
    };
    let subject = if draft.has(Opt::Connection) {
        Subject::Connections
    } else if draft.has(Opt::Timeout) {
        Subject::Timeouts
    } else if draft.has(Opt::Daemon) {
        Subject::Daemons
    } else {
        Subject::Table(draft.service)
    };
    Listing { subject, format }
}

fn timeouts(draft: &Draft) -> Result<Timeouts, Error> {
    let seconds = |index: usize, what: &str| {
        let text = draft.rest.get(index).ok_or_else(|| lacks("a timeout"))?;
        let seconds = value::number(text, what, 0, TIMEOUT_MAX)?;
        u32::try_from(seconds).map_err(|_| lacks("a timeout"))
    };
    Ok(Timeouts {
        tcp: seconds(0, "tcp timeout")?,
        tcp_fin: seconds(1, "tcpfin timeout")?,
        udp: seconds(2, "udp timeout")?,
    })
}

fn daemon(draft: Draft) -> Result<Daemon, Error> {
    Ok(Daemon {
        state: draft.daemon_state.ok_or_else(|| lacks("a state"))?,
        interface: draft
            .mcast_interface
            .unwrap_or_else(|| INTERFACE_DEFAULT.to_owned()),
        sync_id: draft.sync_id.unwrap_or_default(),
        max_length: draft.sync_max_length,
        group: draft.mcast_group,
        port: draft.mcast_port,
        ttl: draft.mcast_ttl,
    })
}
