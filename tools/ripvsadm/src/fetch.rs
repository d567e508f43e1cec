// SPDX-License-Identifier: GPL-2.0

//! The way to the kernel, and reading the table from it.

use std::path::Path;

use ipvs_netlink::{
    ripvs, Client, Error as NetlinkError, OwnOptions, ServiceEntry, ServiceId, Transport,
};

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

/// All services with their real servers and counters, in the kernel's order.
///
/// # Errors
/// Failures to read them.
pub fn all<T: Transport>(client: &mut Client<T>) -> Result<Vec<Group>, Error> {
    table(client, false, true)
}

/// All services with their real servers, both in ipvsadm's order where `sorted`, else in the
/// kernel's. Counters may be zero unless `statistics`.
///
/// # Errors
/// Failures to read them.
pub fn table<T: Transport>(
    client: &mut Client<T>,
    sorted: bool,
    statistics: bool,
) -> Result<Vec<Group>, Error> {
    if let Some(mut groups) = at_once(client, statistics).map_err(explain::listing)? {
        if sorted {
            groups = sort::by_service(groups, |group| &group.service);
            for group in &mut groups {
                group.servers = sort::servers(std::mem::take(&mut group.servers));
            }
        }
        return Ok(groups);
    }
    let services = client.services().map_err(explain::listing)?;
    groups(services, sorted, client)
}

/// The family `RIPVS`; `None` if this IPVS does not have it.
///
/// # Errors
/// Failures of the look-up.
pub fn ripvs<T: Transport>(
    client: &mut Client<T>,
) -> Result<Option<ripvs::Client<'_, T>>, NetlinkError> {
    // To look a family up that is not there makes the kernel start modprobe.
    if !Path::new("/sys/module/rust_ipvs").exists() {
        return Ok(None);
    }
    match client.ripvs() {
        Ok(ripvs) => Ok(Some(ripvs)),
        Err(NetlinkError::NoFamily) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All services with their real servers in one dump, which only rust_ipvs has; `None` elsewhere,
/// and if others keep changing the table meanwhile.
///
/// # Errors
/// Failures of the dump.
pub fn at_once<T: Transport>(
    client: &mut Client<T>,
    statistics: bool,
) -> Result<Option<Vec<Group>>, NetlinkError> {
    let Some(mut ripvs) = ripvs(client)? else {
        return Ok(None);
    };
    match ripvs.snapshot(statistics) {
        Ok(snapshot) => Ok(Some(
            snapshot.services.into_iter().map(Group::from).collect(),
        )),
        Err(NetlinkError::Unexpected { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Options that a service has in place of the namespace's, of which the family `IPVS` tells
/// nothing.
///
/// # Errors
/// Failures to read them.
pub fn own<T: Transport>(id: &ServiceId, client: &mut Client<T>) -> Result<OwnOptions, Error> {
    let groups = at_once(client, false).map_err(explain::listing)?;
    let services = groups.unwrap_or_default().into_iter();
    let mut services = services.map(|group| group.service.service);
    let found = services.find(|service| service.id == *id);
    Ok(found.map(|service| service.own).unwrap_or_default())
}

/// Those services with their real servers, both in ipvsadm's order where `sorted`, else in the
/// kernel's.
///
/// # Errors
/// Failures to read the real servers.
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
