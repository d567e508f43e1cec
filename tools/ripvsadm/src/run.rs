// SPDX-License-Identifier: GPL-2.0

//! Doing what a command line asks for.

use std::fs;

use ipvs_netlink::{Client, ServiceEntry};

use crate::cli::help;
use crate::connection;
use crate::error::Error;
use crate::explain;
use crate::model::{Action, Format, Group, Listing, Subject};
use crate::names::{Names, Numeric, System};
use crate::output;
use crate::restore;
use crate::save;
use crate::sort;
use crate::view;

/// Runs a command to its exit code.
///
/// # Errors
/// Whatever kept it from being done; a restored file says so itself, line by line.
pub fn command(action: Action, names: &System) -> Result<u8, Error> {
    match action {
        Action::Help => output::print(&help::usage(), true)?,
        Action::Version => output::print(&help::version(), true)?,
        Action::Restore => return restore::restore(&mut connect()?, names),
        action => perform(action, &mut connect()?, names)?,
    }
    Ok(0)
}

/// Opens the way to the kernel, and makes sure that it may be used.
fn connect() -> Result<Client, Error> {
    let mut client = Client::connect().map_err(explain::setup)?;
    client.info().map_err(explain::setup)?;
    Ok(client)
}

/// Does anything but restoring, over a client that is there already.
pub fn perform(action: Action, client: &mut Client, names: &System) -> Result<(), Error> {
    let result = match &action {
        Action::AddService(service) => client.add_service(service),
        Action::EditService(service) => client.set_service(service),
        Action::DeleteService(id) => client.delete_service(id),
        Action::Clear => client.flush(),
        Action::AddServer(id, server) => client.add_destination(id, server),
        Action::EditServer(id, server) => client.set_destination(id, server),
        Action::DeleteServer(id, server) => client.delete_destination(id, server),
        Action::Zero(id) => client.zero(id.as_ref()),
        Action::SetTimeouts(timeouts) => client.set_timeouts(timeouts),
        Action::StartDaemon(daemon) => client.start_daemon(daemon),
        Action::StopDaemon(state) => client.stop_daemon(*state),
        Action::List(listing) => return list(listing, client, names),
        Action::Save { numeric } => return print_rules(*numeric, client, names),
        Action::Help => return output::print(&help::usage(), true),
        Action::Version => return output::print(&help::version(), true),
        Action::Restore => {
            return Err(Error::Syntax(
                "-R cannot restore from within itself".to_owned(),
            ))
        }
    };
    result.map_err(|error| explain::refusal(error, &action))
}

/// The names to show: the host's, or none where numbers are wanted.
fn names_or_numbers(numeric: bool, names: &System) -> &dyn Names {
    match numeric {
        true => &Numeric,
        false => names,
    }
}

fn list(listing: &Listing, client: &mut Client, names: &System) -> Result<(), Error> {
    let Listing { subject, format } = listing;
    let shown = names_or_numbers(format.numeric, names);
    let text = match subject {
        Subject::Table(None) => {
            let info = client.info().map_err(explain::listing)?;
            let groups = groups(client, format)?;
            view::table(Some(&info), &groups, format, shown)
        }
        Subject::Table(Some(id)) => {
            let service = client.service(id).map_err(explain::listing)?;
            let groups = vec![group(service, client)?];
            let groups = if format.sorted {
                sort::sort(groups)
            } else {
                groups
            };
            view::table(None, &groups, format, shown)
        }
        Subject::Connections => {
            let text = fs::read(connection::PATH).map_err(|error| {
                Error::Listing(format!("cannot read {}: {error}", connection::PATH))
            })?;
            let connections =
                connection::parse(&String::from_utf8_lossy(&text)).map_err(Error::Listing)?;
            view::connections(&connections, format.engine_data, shown)
        }
        Subject::Timeouts => view::timeouts(&client.timeouts().map_err(explain::listing)?),
        Subject::Daemons => view::daemons(&client.daemons().map_err(explain::listing)?),
    };
    output::print(&text, format.numeric)
}

fn print_rules(numeric: bool, client: &mut Client, names: &System) -> Result<(), Error> {
    let groups = groups(client, &Format::default())?;
    output::print(&save::save(&groups, names_or_numbers(numeric, names)), true)
}

/// All services with their real servers.
fn groups(client: &mut Client, format: &Format) -> Result<Vec<Group>, Error> {
    let mut groups = Vec::new();
    for service in client.services().map_err(explain::listing)? {
        groups.push(group(service, client)?);
    }
    Ok(if format.sorted {
        sort::sort(groups)
    } else {
        groups
    })
}

fn group(service: ServiceEntry, client: &mut Client) -> Result<Group, Error> {
    let servers = client
        .destinations(&service.service.id)
        .map_err(explain::listing)?;
    Ok(Group { service, servers })
}
