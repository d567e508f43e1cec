// SPDX-License-Identifier: GPL-2.0

//! The way to the kernel, and reading the table from it.

use ipvs_netlink::{Client, ServiceEntry, Transport};

use crate::error::Error;
use crate::explain;
use crate::model::Group;
use crate::sort;

/// Opens the way to the kernel, and makes sure that it may be used.
///
/// # Errors
/// [`Error::Setup`], with the remedy.
pub fn connect() -> Result<Client, Error> {
    let mut client = Client::connect().map_err(explain::setup)?;
    client.info().map_err(explain::setup)?;
    Ok(client)
}

/// All services with their real servers, in the kernel's order.
///
/// # Errors
/// What kept them from being read.
pub fn all<T: Transport>(client: &mut Client<T>) -> Result<Vec<Group>, Error> {
    let services = client.services().map_err(explain::listing)?;
    groups(services, false, client)
}

/// Those services with their real servers, both in ipvsadm's order where `sorted`, else in the
/// kernel's.
///
/// # Errors
/// What kept the real servers from being read.
pub fn groups<T: Transport>(
    mut services: Vec<ServiceEntry>,
    sorted: bool,
    client: &mut Client<T>,
) -> Result<Vec<Group>, Error> {
    if sorted {
        services = sort::services(services);
    }
    let ids: Vec<_> = services.iter().map(|entry| &entry.service.id).collect();
    let lists = client.destinations_of(&ids).map_err(explain::listing)?;
    let groups = services.into_iter().zip(lists);
    Ok(groups
        .map(|(service, servers)| Group {
            service,
            servers: match sorted {
                true => sort::servers(servers),
                false => servers,
            },
        })
        .collect())
}
