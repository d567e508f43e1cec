// SPDX-License-Identifier: GPL-2.0

//! `ripvsadm apply`, `diff` and `export`: the table as a file that says what is to be.
//!
//! [`file`](mod@file) reads it in either form, [`show`] puts changes in words.
//! The difference itself is the crate's.

mod file;
mod json;
pub mod options;
mod schema;
mod show;

use ipvs_netlink::ripvs::{diff, Change, Refused, Snapshot};
use ipvs_netlink::{Client, Error as NetlinkError, Transport};

use file::Configuration;
pub use schema::schema;

use crate::cli::subcommand::Given;
use crate::error::Error;
use crate::explain;
use crate::fetch;
use crate::names::{Numeric, System};
use crate::output;
use crate::save;

/// Number of attempts at a table that others change meanwhile.
const TRIES: u8 = 20;

/// The exit code of a table that differs from a file.
const DIFFERS: u8 = 3;

/// Carries `ripvsadm apply` out.
///
/// # Errors
/// The option or the line that is wrong; what kept the changes from being made.
fn run_apply(given: &Given, names: &System) -> Result<u8, Error> {
    let file = given.words().first();
    let Some(file) = file else {
        if !given.has("schema") {
            return Err(given.wrong("it needs FILE, or - for standard input"));
        }
        return output::print(&schema(), true).map(|()| 0);
    };
    if given.has("schema") {
        return Err(given.wrong("--schema takes no file"));
    }
    let wanted = file::read(file, names)?;
    let mut client = fetch::connect()?;
    if given.has("dry-run") {
        return difference(&mut client, &wanted);
    }
    let (now, changes) = apply(&mut client, &wanted)?;
    if !given.has("quiet") {
        output::print(&show::changes(&now, &changes), true)?;
    }
    Ok(0)
}

/// Carries `ripvsadm diff` out.
///
/// # Errors
/// The line that is wrong; what kept the table from being read.
fn run_diff(given: &Given, names: &System) -> Result<u8, Error> {
    let file = given.words().first().map_or("-", String::as_str);
    let wanted = file::read(file, names)?;
    difference(&mut fetch::connect()?, &wanted)
}

/// Carries `ripvsadm export` out.
///
/// # Errors
/// Failures to read the table.
fn run_export(given: &Given, _: &System) -> Result<u8, Error> {
    let groups = fetch::table(&mut fetch::connect()?, true, false)?;
    let text = match given.has("json") {
        true => json::export(&groups),
        false => save::save(&groups, &Numeric),
    };
    output::print(&text, true).map(|()| 0)
}

/// Shows what would be changed.
fn difference<T: Transport>(client: &mut Client<T>, wanted: &Configuration) -> Result<u8, Error> {
    let now = snapshot(client)?;
    let changes = diff(&now, &wanted.wanted);
    output::print(&show::changes(&now, &changes), true)?;
    match changes.is_empty() {
        true => Ok(0),
        false => Ok(DIFFERS),
    }
}

/// Reads the table.
fn snapshot<T: Transport>(client: &mut Client<T>) -> Result<Snapshot, Error> {
    let mut ripvs = client.ripvs().map_err(no_family)?;
    ripvs.snapshot(false).map_err(explain::listing)
}

/// Makes of the table what is wanted, in one step. Returns the table as it was, and what was
/// changed.
///
/// # Errors
/// [`Error::Refused`]: nothing was changed then.
fn apply<T: Transport>(
    client: &mut Client<T>,
    wanted: &Configuration,
) -> Result<(Snapshot, Vec<Change>), Error> {
    for _ in 0..TRIES {
        let now = snapshot(client)?;
        let changes = diff(&now, &wanted.wanted);
        if changes.is_empty() {
            return Ok((now, changes));
        }
        let mut ripvs = client.ripvs().map_err(no_family)?;
        match ripvs.apply(Some(now.generation), &changes) {
            Ok(_) => return Ok((now, changes)),
            Err(refused) if refused.is_stale() => {}
            Err(refused) => return Err(refusal(&refused, &changes, wanted)),
        }
    }
    Err(Error::Refused(
        "somebody else kept changing the table; nothing was changed".to_owned(),
    ))
}

fn no_family(error: NetlinkError) -> Error {
    match error {
        NetlinkError::NoFamily => Error::Setup(
            "this needs rust_ipvs: the IPVS of this kernel cannot change several things together"
                .to_owned(),
        ),
        other => explain::setup(other),
    }
}

/// The error for a refusal, with the line of the file at fault.
fn refusal(refused: &Refused, changes: &[Change], wanted: &Configuration) -> Error {
    let change = refused.place.and_then(|place| changes.get(place));
    let reason = match &refused.error {
        NetlinkError::Kernel(kernel) => kernel
            .message
            .clone()
            .unwrap_or_else(|| kernel.errno_text()),
        other => other.to_string(),
    };
    Error::Refused(match change {
        Some(change) => format!(
            "{}: cannot {change}: {reason}; nothing was changed",
            wanted.place(change)
        ),
        None => format!("{}: {reason}; nothing was changed", wanted.name()),
    })
}

#[cfg(test)]
mod tests;
