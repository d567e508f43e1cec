// SPDX-License-Identifier: GPL-2.0

//! Checks that the options go with the command and with each other.

use ipvs_netlink::{ForwardMethod, Protocol, ServiceId, TunnelType};

use super::options::{Command, Opt};
use super::read::CommandLine;
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
pub fn check(line: &CommandLine) -> Result<(), Error> {
    options(line)?;
    words(line)?;
    match line.command {
        Command::List => listing(line),
        Command::AddService | Command::EditService => service(line),
        Command::AddServer | Command::EditServer => {
            families(line)?;
            tunnel(line)
        }
        _ => Ok(()),
    }
}

fn wrong(text: String) -> Result<(), Error> {
    Err(Error::Argument(text))
}

/// The command has what it requires and nothing that it does not take.
fn options(line: &CommandLine) -> Result<(), Error> {
    let command = line.command;
    if let Some(missing) = command.required().iter().find(|opt| !line.has(**opt)) {
        return wrong(format!("{command} needs {missing}"));
    }
    match line.stray {
        Some(stray) => wrong(format!("{command} does not take {stray}")),
        None => Ok(()),
    }
}

/// Only `--set` has words of its own, three of them.
fn words(line: &CommandLine) -> Result<(), Error> {
    let expected = if line.command == Command::Set { 3 } else { 0 };
    if line.rest.len() < expected {
        return wrong("--set needs three timeouts in seconds: tcp tcpfin udp".to_owned());
    }
    match line.rest.get(expected) {
        Some(word) => wrong(format!("\"{word}\" belongs to no option")),
        None => Ok(()),
    }
}

/// One subject, and columns only of the table.
fn listing(line: &CommandLine) -> Result<(), Error> {
    let mut subjects = SUBJECTS.iter().filter(|opt| line.has(**opt));
    if let (Some(first), Some(second)) = (subjects.next(), subjects.next()) {
        return wrong(format!("-L shows {first} or {second}, not both"));
    }
    let other = SUBJECTS[1..].iter().find(|opt| line.has(**opt));
    // -c has columns for what --persistent-conn asks for.
    let column = COLUMNS.iter().find(|opt| {
        line.has(**opt) && !(**opt == Opt::PersistentConn && line.has(Opt::Connection))
    });
    match (other, column) {
        (Some(other), Some(column)) => wrong(format!("{column} does not go with {other}")),
        _ => Ok(()),
    }
}

/// A service that the kernel could serve.
fn service(line: &CommandLine) -> Result<(), Error> {
    let Some(ServiceId::Address { protocol, port, .. }) = &line.service else {
        return Ok(());
    };
    if *port == 0 && !line.has(Opt::Persistent) {
        return wrong(
            "a service without a port stands for all ports and must be persistent: \
             give it a port, or -p"
                .to_owned(),
        );
    }
    if line.has(Opt::OnePacket) && *protocol != Protocol::Udp {
        return wrong(format!(
            "one-packet scheduling (-o) is for UDP (-u) and -f, not {protocol}"
        ));
    }
    Ok(())
}

/// A real server of the other family can only be reached by a tunnel.
fn families(line: &CommandLine) -> Result<(), Error> {
    let (Some(service), Some(server)) = (&line.service, &line.server) else {
        return Ok(());
    };
    let same = service.family() == ipvs_netlink::AddressFamily::of(&server.address);
    if same || line.forward == Some(ForwardMethod::Tunnel) {
        return Ok(());
    }
    wrong(format!(
        "service and real server {} are not of the same address family: only a tunnel (-i) \
         can do that",
        server.address
    ))
}

/// The options of a tunnel fit its type.
fn tunnel(line: &CommandLine) -> Result<(), Error> {
    let given = TUNNEL.iter().find(|opt| line.has(**opt));
    if line.forward != Some(ForwardMethod::Tunnel) {
        return match given {
            Some(opt) => wrong(format!("{opt} needs tunnelling (-i)")),
            None => Ok(()),
        };
    }
    let (name, allowed): (_, &[Opt]) = match line.tunnel_type.unwrap_or_default() {
        TunnelType::Gue => ("gue", &TUNNEL),
        TunnelType::Gre => (
            "gre",
            &[Opt::TunnelType, Opt::TunnelNoChecksum, Opt::TunnelChecksum],
        ),
        TunnelType::Ipip | TunnelType::Other(_) => ("ipip", &[Opt::TunnelType]),
    };
    if name == "gue" && !line.has(Opt::TunnelPort) {
        return wrong("a gue tunnel needs a port (--tun-port)".to_owned());
    }
    if let Some(stray) = TUNNEL
        .iter()
        .find(|opt| line.has(**opt) && !allowed.contains(opt))
    {
        return wrong(format!("{stray} is not for {name} tunnels"));
    }
    let mut checksums = CHECKSUMS.iter().filter(|opt| line.has(**opt));
    match (checksums.next(), checksums.next()) {
        (Some(first), Some(second)) => wrong(format!("{first} and {second} exclude each other")),
        _ => Ok(()),
    }
}
