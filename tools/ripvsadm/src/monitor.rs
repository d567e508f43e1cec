// SPDX-License-Identifier: GPL-2.0

//! `ripvsadm monitor`: changes of the configuration, as they are made.
//!
//! A line is made by [`line`](mod@line); here are the socket and the table that is printed after
//! changes were lost.

mod line;
pub mod options;

use std::time::SystemTime;

use ipvs_netlink::ripvs::{Heard, Listener, Snapshot};
use ipvs_netlink::{Client, Error as NetlinkError};

use line::Line;
use options::Options;

use crate::cli::subcommand::Given;
use crate::error::Error;
use crate::explain;
use crate::fetch;
use crate::model::Group;
use crate::names::System;
use crate::output;

/// Carries `ripvsadm monitor` out.
///
/// # Errors
/// The option that is wrong; what keeps changes from being heard or shown.
fn run(given: &Given, _: &System) -> Result<u8, Error> {
    let options = Options::new(given)?;
    let mut client = fetch::connect()?;
    let mut listener = Listener::open().map_err(needs_rust)?;
    // After the listener was opened, so that nothing is missed in between.
    let mut seen = match options.initial {
        true => show_all(&mut client, &options)?,
        false => 0,
    };
    let mut left = options.count;
    while left != Some(0) {
        match listener.hear().map_err(explain::listing)? {
            Heard::Event(event) if event.generation <= seen && event.kind.is_change() => continue,
            Heard::Event(event) => {
                let line = Line::new(&event, SystemTime::now());
                print(&line, &options)?;
            }
            Heard::Lost => {
                print(&Line::lost(SystemTime::now()), &options)?;
                seen = show_all(&mut client, &options)?;
            }
        }
        left = left.map(|left| left - 1);
    }
    Ok(0)
}

/// A refusal to listen.
fn needs_rust(error: NetlinkError) -> Error {
    match error {
        NetlinkError::NoFamily => Error::Setup(
            "this IPVS tells nobody of changes: monitor needs the kernel module rust_ipvs"
                .to_owned(),
        ),
        other => explain::setup(other),
    }
}

/// Prints the configuration, and returns its generation.
fn show_all(client: &mut Client, options: &Options) -> Result<u64, Error> {
    let snapshot = client
        .ripvs()
        .and_then(|mut ripvs| ripvs.snapshot(false))
        .map_err(explain::listing)?;
    let generation = snapshot.generation;
    for line in Line::all(&groups(snapshot), generation, SystemTime::now()) {
        print(&line, options)?;
    }
    Ok(generation)
}

/// The services of a snapshot, the oldest destination of each first.
fn groups(snapshot: Snapshot) -> Vec<Group> {
    let mut groups: Vec<Group> = snapshot.services.into_iter().map(Group::from).collect();
    for group in &mut groups {
        group.servers.reverse();
    }
    groups
}

fn print(line: &Line, options: &Options) -> Result<(), Error> {
    let text = match options.json {
        true => line.json(),
        false => line.text(),
    };
    output::print(&text, true)
}
