// SPDX-License-Identifier: GPL-2.0

//! A command line from beginning to end: what needs no kernel, the way to the kernel, a file of
//! rules or one command.

use std::io;

use ipvs_netlink::Client;

use crate::cli::help;
use crate::error::Error;
use crate::explain;
use crate::model::Action;
use crate::names::System;
use crate::output;
use crate::perform::perform;
use crate::restore;

/// Runs a command to its exit code.
///
/// # Errors
/// Whatever kept it from being done; a restored file says so itself, line by line.
pub fn command(action: Action, names: &System) -> Result<u8, Error> {
    match action {
        Action::Help => output::print(&help::usage(), true)?,
        Action::Version => output::print(&help::version(), true)?,
        Action::Restore => {
            let input = io::stdin().lock();
            return restore::restore(input, &mut connect()?, names, &mut io::stderr().lock());
        }
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
