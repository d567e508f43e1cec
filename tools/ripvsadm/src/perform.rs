// SPDX-License-Identifier: GPL-2.0

//! Executes one command line with an existing client.

use std::fs;

use ipvs_netlink::{Client, Info, Transport};

use crate::cli::help;
use crate::connection;
use crate::error::Error;
use crate::explain;
use crate::fetch;
use crate::model::{Action, Columns, Format, Group, Listing, Subject};
use crate::names::{Names, Numeric, System};
use crate::output;
use crate::own;
use crate::save;
use crate::view;

/// Executes any action but `-R`.
///
/// # Errors
/// Whatever kept it from being done; [`Error::Syntax`] for `-R`.
pub fn perform<T: Transport>(
    action: Action,
    client: &mut Client<T>,
    names: &System,
) -> Result<(), Error> {
    match action {
        Action::Change(change) => client
            .apply(&change)
            .map_err(|error| explain::refusal(error, &change)),
        Action::Own(change) => own::perform(change, client),
        Action::List(listing) => list(&listing, client, names),
        Action::Save { numeric } => print_rules(numeric, client, names),
        Action::Help => output::print(&help::usage(), true),
        Action::Version => output::print(&help::version(), true),
        Action::Restore => Err(Error::Syntax(
            "-R cannot restore from within itself".to_owned(),
        )),
    }
}

/// The names to show: the host's, or none where numbers are wanted.
fn names_or_numbers(numeric: bool, names: &System) -> &dyn Names {
    match numeric {
        true => &Numeric,
        false => names,
    }
}

fn list<T: Transport>(
    listing: &Listing,
    client: &mut Client<T>,
    names: &System,
) -> Result<(), Error> {
    let Listing { subject, format } = listing;
    let shown = names_or_numbers(format.numeric, names);
    let text = match subject {
        Subject::Table(None) => {
            let info = client.info().map_err(explain::listing)?;
            let statistics = matches!(format.columns, Columns::Stats | Columns::Rate);
            let groups = fetch::table(client, format.sorted, statistics || format.json)?;
            show(Some(&info), &groups, format, shown)
        }
        Subject::Table(Some(id)) => {
            let mut service = client.service(id).map_err(explain::listing)?;
            service.service.own = fetch::own(id, client)?;
            let groups = fetch::groups(vec![service], format.sorted, client)?;
            show(None, &groups, format, shown)
        }
        Subject::Connections => {
            let text = fs::read(connection::PATH).map_err(|error| {
                Error::Listing(format!("cannot read {}: {error}", connection::PATH))
            })?;
            let connections =
                connection::parse(&String::from_utf8_lossy(&text)).map_err(Error::Listing)?;
            match format.json {
                true => view::json::connections(&connections),
                false => view::connections(&connections, format.engine_data, shown),
            }
        }
        Subject::Timeouts => {
            let timeouts = client.timeouts().map_err(explain::listing)?;
            match format.json {
                true => view::json::timeouts(&timeouts),
                false => view::timeouts(&timeouts),
            }
        }
        Subject::Daemons => {
            let daemons = client.daemons().map_err(explain::listing)?;
            match format.json {
                true => view::json::daemons(&daemons),
                false => view::daemons(&daemons),
            }
        }
    };
    output::print(&text, format.numeric || format.json)
}

/// The table, as text or JSON.
fn show(info: Option<&Info>, groups: &[Group], format: &Format, names: &dyn Names) -> String {
    match format.json {
        true => view::json::table(info, groups),
        false => view::table(info, groups, format, names),
    }
}

fn print_rules<T: Transport>(
    numeric: bool,
    client: &mut Client<T>,
    names: &System,
) -> Result<(), Error> {
    let groups = fetch::table(client, true, false)?;
    output::print(&save::save(&groups, names_or_numbers(numeric, names)), true)
}
