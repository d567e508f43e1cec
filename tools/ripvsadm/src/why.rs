// SPDX-License-Identifier: GPL-2.0

//! `ripvsadm why`: the reasons that the kernel module counts, and a check list for what it cannot
//! see.

mod advice;
mod checks;
mod host;
pub mod options;
mod show;

use std::io::{self, IsTerminal};
use std::thread;

use ipvs_netlink::{Client, Transport};

use host::ThisHost;
use options::Options;
use show::Look;

use crate::cli::subcommand::Given;
use crate::error::Error;
use crate::explain;
use crate::fetch;
use crate::model::Group;
use crate::names::System;
use crate::output;

/// Clears a terminal's screen.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Carries `ripvsadm why` out.
///
/// # Errors
/// The option that is wrong; what kept the reasons or the table from being read.
fn run(given: &Given, names: &System) -> Result<u8, Error> {
    let options = Options::new(given, names)?;
    let mut client = fetch::connect()?;
    let mut before = None;
    let mut left = options.count;
    loop {
        let look = look(&mut client, &options)?;
        print(&look, before.as_ref(), &options)?;
        left = left.map(|left| left - 1);
        if left == Some(0) {
            return Ok(0);
        }
        before = match options.zero {
            true => Some(Look::default()),
            false => Some(look),
        };
        thread::sleep(options.delay);
    }
}

/// Reads everything once.
fn look<T: Transport>(client: &mut Client<T>, options: &Options) -> Result<Look, Error> {
    let only = options.service.as_ref();
    let mut reasons = None;
    let mut connections = None;
    if let Some(mut ripvs) = fetch::ripvs(client).map_err(explain::listing)? {
        reasons = Some(ripvs.reasons(only).map_err(explain::listing)?);
        connections = Some(ripvs.info().map_err(explain::listing)?.connections.into());
        if options.zero {
            ripvs.zero_reasons(only).map_err(explain::listing)?;
        }
    }
    let mut groups = fetch::all(client)?;
    groups.retain(|group: &Group| only.is_none_or(|id| group.service.service.id == *id));
    Ok(Look {
        reasons,
        findings: checks::check(&mut ThisHost::default(), &groups, connections),
    })
}

fn print(look: &Look, before: Option<&Look>, options: &Options) -> Result<(), Error> {
    if options.json {
        return output::print(&look.json(before, options.watch), true);
    }
    if options.watch && io::stdout().is_terminal() {
        output::print(CLEAR, true)?;
    } else if before.is_some() {
        output::print("\n", true)?;
    }
    output::print(&look.text(before), true)
}
