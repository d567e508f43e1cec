// SPDX-License-Identifier: GPL-2.0

//! Daemons as JSON.

use std::net::IpAddr;

use ipvs_netlink::{Daemon, DaemonState};
use serde::Serialize;

use super::document::document;

#[derive(Serialize)]
struct DaemonsDocument<'a> {
    daemons: Vec<DaemonObject<'a>>,
}

#[derive(Serialize)]
struct DaemonObject<'a> {
    role: &'static str,
    interface: &'a str,
    sync_id: u32,
    max_length_bytes: Option<u16>,
    group: Option<IpAddr>,
    port: Option<u16>,
    ttl: Option<u8>,
}

/// The synchronisation daemons that run.
pub fn daemons(daemons: &[Daemon]) -> String {
    let object = |daemon| {
        let Daemon {
            state,
            interface,
            sync_id,
            max_length,
            group,
            port,
            ttl,
        }: &Daemon = daemon;
        DaemonObject {
            role: match state {
                DaemonState::Master => "master",
                DaemonState::Backup => "backup",
            },
            interface,
            sync_id: *sync_id,
            max_length_bytes: *max_length,
            group: *group,
            port: *port,
            ttl: *ttl,
        }
    };
    document(&DaemonsDocument {
        daemons: daemons.iter().map(object).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::json::document::tests::read;
    use serde_json::json;

    #[test]
    fn a_daemon_and_none() {
        let backup = Daemon {
            state: DaemonState::Backup,
            interface: "eth1".to_owned(),
            sync_id: 7,
            max_length: Some(1472),
            group: Some("224.0.0.81".parse().unwrap()),
            port: Some(8848),
            ttl: None,
        };
        assert_eq!(
            read(&daemons(&[backup])),
            json!({"daemons": [{
                "role": "backup", "interface": "eth1", "sync_id": 7, "max_length_bytes": 1472,
                "group": "224.0.0.81", "port": 8848, "ttl": null,
            }]})
        );
        assert_eq!(read(&daemons(&[])), json!({"daemons": []}));
    }
}
