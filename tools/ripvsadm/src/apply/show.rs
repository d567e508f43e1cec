// SPDX-License-Identifier: GPL-2.0

//! Changes, a line each: `+` for what is added, `~` changed, `-` deleted.

use std::collections::HashMap;

use ipvs_netlink::ripvs::{Change, Listed, Snapshot};
use ipvs_netlink::{DestinationId, ServiceId};

use crate::drain;
use crate::names::Numeric;
use crate::save::{address_words, id_words, server_words, service_words};

/// The lines of changes that were computed for a table.
pub fn changes(now: &Snapshot, changes: &[Change]) -> String {
    let services = now.services.iter();
    let listed: HashMap<&ServiceId, &Listed> = services
        .map(|listed| (&listed.service.service.id, listed))
        .collect();
    let mut text = String::new();
    for change in changes {
        text.push_str(&line(&listed, change));
        text.push('\n');
    }
    text
}

fn line(listed: &HashMap<&ServiceId, &Listed>, change: &Change) -> String {
    let service = |id: &ServiceId| id_words(id, &Numeric);
    let server = |id: &ServiceId, server: &DestinationId| {
        format!("{} {}", service(id), address_words(id, server, &Numeric))
    };
    match change {
        Change::AddService(one) => format!("+ {} {}", service(&one.id), service_words(one)),
        Change::SetService(one) => {
            let was = listed.get(&one.id);
            let was = was.map_or(String::new(), |was| service_words(&was.service.service));
            format!("~ {} {} (was {was})", service(&one.id), service_words(one))
        }
        Change::DeleteService(id) => format!("- {}", service(id)),
        Change::AddDestination(id, one) => {
            format!("+ {} {}", server(id, &one.id), server_words(id, one))
        }
        Change::SetDestination(id, one) => {
            let servers = listed.get(id).map_or(&[][..], |was| &was.destinations);
            let was = servers.iter().find(|was| was.destination.id == one.id);
            let was = was.map_or(String::new(), |was| server_words(id, &was.destination));
            format!(
                "~ {} {} (was {was})",
                server(id, &one.id),
                server_words(id, one)
            )
        }
        Change::DeleteDestination(id, one) => format!("- {}", server(id, one)),
        Change::DrainDestination(id, one, options) => {
            format!("~ {} drain{}", server(id, one), drain::words(options))
        }
        Change::UndrainDestination(id, one) => format!("~ {} undrain", server(id, one)),
        _ => format!("- {change}"),
    }
}
