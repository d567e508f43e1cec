// SPDX-License-Identifier: GPL-2.0

//! Whether what was said goes together: the options with the command and with each other.

use ipvs_netlink::{ForwardMethod, Protocol, ServiceId, TunnelType};

use super::read::Draft;
use super::word::{Item, Verb};
use crate::error::Error;

/// What `-L` lists instead of the table; at most one, and no service beside it.
const SUBJECTS: [Item; 4] = [Item::Service, Item::Connection, Item::Timeout, Item::Daemon];

/// Columns of the table, which the other subjects do not have.
const COLUMNS: [Item; 4] = [
    Item::Stats,
    Item::Rate,
    Item::Thresholds,
    Item::PersistentConn,
];

const TUNNEL: [Item; 5] = [
    Item::TunnelType,
    Item::TunnelPort,
    Item::TunnelNoChecksum,
    Item::TunnelChecksum,
    Item::TunnelRemoteChecksum,
];

const CHECKSUMS: [Item; 3] = [
    Item::TunnelNoChecksum,
    Item::TunnelChecksum,
    Item::TunnelRemoteChecksum,
];

/// Checks everything that needs no look-up.
pub fn check(draft: &Draft) -> Result<(), Error> {
    items(draft)?;
    words(draft)?;
    match draft.verb {
        Verb::List => listing(draft),
        Verb::AddService | Verb::EditService => service(draft),
        Verb::AddServer | Verb::EditServer => {
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
fn items(draft: &Draft) -> Result<(), Error> {
    let verb = draft.verb;
    if let Some(missing) = verb.required().iter().find(|item| !draft.has(**item)) {
        return wrong(format!("{verb} needs {missing}"));
    }
    let taken = |item: &Item| verb.required().contains(item) || verb.optional().contains(item);
    match draft.given.iter().find(|item| !taken(item)) {
        Some(stray) => wrong(format!("{verb} does not take {stray}")),
        None => Ok(()),
    }
}

/// Only `--set` has words of its own, three of them.
fn words(draft: &Draft) -> Result<(), Error> {
    let expected = if draft.verb == Verb::Set { 3 } else { 0 };
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
    let mut subjects = SUBJECTS.iter().filter(|item| draft.has(**item));
    if let (Some(first), Some(second)) = (subjects.next(), subjects.next()) {
        return wrong(format!("-L shows {first} or {second}, not both"));
    }
    let other = SUBJECTS[1..].iter().find(|item| draft.has(**item));
    // -c has columns for what --persistent-conn asks for.
    let column = COLUMNS.iter().find(|item| {
        draft.has(**item) && !(**item == Item::PersistentConn && draft.has(Item::Connection))
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
    if *port == 0 && !draft.has(Item::Persistent) {
        return wrong(
            "a service without a port stands for all ports and must be persistent: \
             give it a port, or -p"
                .to_owned(),
        );
    }
    if draft.has(Item::OnePacket) && *protocol != Protocol::Udp {
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
    let given = TUNNEL.iter().find(|item| draft.has(**item));
    if draft.forward != Some(ForwardMethod::Tunnel) {
        return match given {
            Some(item) => wrong(format!("{item} needs tunnelling (-i)")),
            None => Ok(()),
        };
    }
    let (name, allowed): (_, &[Item]) = match draft.tunnel_type.unwrap_or_default() {
        TunnelType::Gue => ("gue", &TUNNEL),
        TunnelType::Gre => (
            "gre",
            &[
                Item::TunnelType,
                Item::TunnelNoChecksum,
                Item::TunnelChecksum,
            ],
        ),
        TunnelType::Ipip | TunnelType::Other(_) => ("ipip", &[Item::TunnelType]),
    };
    if name == "gue" && !draft.has(Item::TunnelPort) {
        return wrong("a gue tunnel needs a port (--tun-port)".to_owned());
    }
    if let Some(stray) = TUNNEL
        .iter()
        .find(|item| draft.has(**item) && !allowed.contains(item))
    {
        return wrong(format!("{stray} is not for {name} tunnels"));
    }
    let mut checksums = CHECKSUMS.iter().filter(|item| draft.has(**item));
    match (checksums.next(), checksums.next()) {
        (Some(first), Some(second)) => wrong(format!("{first} and {second} exclude each other")),
        _ => Ok(()),
    }
}
