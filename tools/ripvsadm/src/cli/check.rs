// SPDX-License-Identifier: GPL-2.0

//! Checks that the options go with the command and with each other.

use ipvs_netlink::{ForwardMethod, Protocol, ServiceId, TunnelType};

use super::options::{Command, Opt};
use super::read::Draft;
use crate::error::Error;

/// Subjects that `-L` lists instead of the table; at most one, and no service beside it.
const SUBJECTS: [Opt; 4] = [Opt::Service, Opt::Connection, Opt::Timeout, Opt::Daemon];

/// Columns of the table, which the other subjects do not have.
const COLUMNS: [Opt; 4] = [Opt::Stats, Opt::Rate, Opt::Thresholds, Opt::PersistentConn];

const TUNNEL: [Opt; 5] = [
    Opt::TunnelType,
    Opt::TunnelPort,
    Opt::TunnelNoChecksum,
    Opt::TunnelChecksum,
    Opt::TunnelRemoteChecksum,
];

const CHECKSUMS: [Opt; 3] = [
    Opt::TunnelNoChecksum,
    Opt::TunnelChecksum,
    Opt::TunnelRemoteChecksum,
];

/// Checks everything that needs no look-up.
pub fn check(draft: &Draft) -> Result<(), Error> {
    options(draft)?;
    words(draft)?;
    match draft.command {
        Command::List => listing(draft),
        Command::AddService | Command::EditService => service(draft),
        Command::AddServer | Command::EditServer => {
            families(draft)?;
            tunnel(draft)
        }
        _ => Ok(()),
    }
}

fn wrong(text: String) -> Result<(), Error> {
    Err(Error::Argument(text))
}

/// The command has what it requires and nothing that it does not take.
fn options(draft: &Draft) -> Result<(), Error> {
    let command = draft.command;
    if let Some(missing) = command.required().iter().find(|opt| !draft.has(**opt)) {
        return wrong(format!("{command} needs {missing}"));
    }
    match draft.stray {
        Some(stray) => wrong(format!("{command} does not take {stray}")),
        None => Ok(()),
    }
}

/// Only `--set` has words of its own, three of them.
fn words(draft: &Draft) -> Result<(), Error> {
    let expected = if draft.command == Command::Set { 3 } else { 0 };
    if draft.rest.len() < expected {
        return wrong("--set needs three timeouts in seconds: tcp tcpfin udp".to_owned());
    }
    match draft.rest.get(expected) {
        Some(word) => wrong(format!("\"{word}\" belongs to no option")),
        None => Ok(()),
    }
}

/// One subject, and columns only of the table.
fn listing(draft: &Draft) -> Result<(), Error> {
    let mut subjects = SUBJECTS.iter().filter(|opt| draft.has(**opt));
    if let (Some(first), Some(second)) = (subjects.next(), subjects.next()) {
        return wrong(format!("-L shows {first} or {second}, not both"));
    }
    let other = SUBJECTS[1..].iter().find(|opt| draft.has(**opt));
    // -c has columns for what --persistent-conn asks for.
    let column = COLUMNS.iter().find(|opt| {
        draft.has(**opt) && !(**opt == Opt::PersistentConn && draft.has(Opt::Connection))
    });
    match (other, column) {
        (Some(other), Some(column)) => wrong(format!("{column} does not go with {other}")),
        _ => Ok(()),
    }
}

/// A service that the kernel could serve.
fn service(draft: &Draft) -> Result<(), Error> {
    let Some(ServiceId::Address { protocol, port, .. }) = &draft.service else {
        return Ok(());
    };
    if *port == 0 && !draft.has(Opt::Persistent) {
        return wrong(
            "a service without a port stands for all ports and must be persistent: \
             give it a port, or -p"
                .to_owned(),
        );
    }
    if draft.has(Opt::OnePacket) && *protocol != Protocol::Udp {
        return wrong(format!(
            "one-packet scheduling (-o) is for UDP (-u) and -f, not {protocol}"
        ));
    }
    Ok(())
}

/// A real server of the other family can only be reached by a tunnel.
fn families(draft: &Draft) -> Result<(), Error> {
    let (Some(service), Some(server)) = (&draft.service, &draft.server) else {
        return Ok(());
    };
    let same = service.family() == ipvs_netlink::AddressFamily::of(&server.address);
    if same || draft.forward == Some(ForwardMethod::Tunnel) {
        return Ok(());
    }
    wrong(format!(
        "service and real server {} are not of the same address family: only a tunnel (-i) \
         can do that",
        server.address
    ))
}

/// The options of a tunnel fit its type.
fn tunnel(draft: &Draft) -> Result<(), Error> {
    let given = TUNNEL.iter().find(|opt| draft.has(**opt));
    if draft.forward != Some(ForwardMethod::Tunnel) {
        return match given {
            Some(opt) => wrong(format!("{opt} needs tunnelling (-i)")),
            None => Ok(()),
        };
    }
    let (name, allowed): (_, &[Opt]) = match draft.tunnel_type.unwrap_or_default() {
        TunnelType::Gue => ("gue", &TUNNEL),
        TunnelType::Gre => (
            "gre",
            &[Opt::TunnelType, Opt::TunnelNoChecksum, Opt::TunnelChecksum],
        ),
        TunnelType::Ipip | TunnelType::Other(_) => ("ipip", &[Opt::TunnelType]),
    };
    if name == "gue" && !draft.has(Opt::TunnelPort) {
        return wrong("a gue tunnel needs a port (--tun-port)".to_owned());
    }
    if let Some(stray) = TUNNEL
        .iter()
        .find(|opt| draft.has(**opt) && !allowed.contains(opt))
    {
        return wrong(format!("{stray} is not for {name} tunnels"));
    }
    let mut checksums = CHECKSUMS.iter().filter(|opt| draft.has(**opt));
    match (checksums.next(), checksums.next()) {
        (Some(first), Some(second)) => wrong(format!("{first} and {second} exclude each other")),
        _ => Ok(()),
    }
}
