// SPDX-License-Identifier: GPL-2.0

//! A command line from beginning to end: what needs no kernel, the way to the kernel, a file of
//! rules or one command.

use std::ffi::OsString;
use std::io;

use crate::cli;
use crate::cli::help;
use crate::cli::subcommand::Subcommand;
use crate::error::Error;
use crate::fetch::connect;
use crate::model::Action;
use crate::names::System;
use crate::output;
use crate::perform::perform;
use crate::restore;

/// Runs a command line, without the program's name, to its exit code.
///
/// # Errors
/// The word that is wrong; whatever kept it from being done.
pub fn run(words: &[OsString], names: &System) -> Result<u8, Error> {
    if let Some((first, rest)) = words.split_first() {
        if let Some(subcommand) = first.to_str().and_then(Subcommand::named) {
            return subcommand.perform(rest, names);
        }
    }
    command(cli::parse(words, names)?, names)
}

/// Runs a command of the grammar to its exit code.
///
/// # Errors
/// Whatever kept it from being done; a restored file says so itself, line by line.
fn command(action: Action, names: &System) -> Result<u8, Error> {
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
