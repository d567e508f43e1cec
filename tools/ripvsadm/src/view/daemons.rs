// SPDX-License-Identifier: GPL-2.0

//! The list of `--daemon`.

use std::fmt::Display;

use ipvs_netlink::{Daemon, DaemonState};

/// The synchronisation daemons, a line each.
pub fn daemons(daemons: &[Daemon]) -> String {
    daemons.iter().map(daemon).collect()
}

fn daemon(daemon: &Daemon) -> String {
    let state = match daemon.state {
        DaemonState::Master => "master",
        DaemonState::Backup => "backup",
    };
    let optional = [
        part("maxlen", &daemon.max_length),
        part("group", &daemon.group),
        part("port", &daemon.port),
        part("ttl", &daemon.ttl),
    ]
    .concat();
    format!(
        "{state} sync daemon (mcast={}, syncid={}{optional})\n",
        daemon.interface, daemon.sync_id
    )
}

fn part(name: &str, value: &Option<impl Display>) -> String {
    value
        .as_ref()
        .map(|value| format!(", {name}={value}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown() {
        let master = Daemon {
            state: DaemonState::Master,
            interface: "lo".into(),
            sync_id: 7,
            max_length: Some(1472),
            group: Some("224.0.0.81".parse().unwrap()),
            port: Some(8848),
            ttl: Some(1),
        };
        let old = Daemon {
            state: DaemonState::Backup,
            max_length: None,
            group: None,
            port: None,
            ttl: None,
            ..master.clone()
        };
        assert_eq!(
            daemons(&[master, old]),
            "master sync daemon (mcast=lo, syncid=7, maxlen=1472, group=224.0.0.81, port=8848, \
             ttl=1)\nbackup sync daemon (mcast=lo, syncid=7)\n"
        );
        assert_eq!(daemons(&[]), "");
    }
}
