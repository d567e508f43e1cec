// SPDX-License-Identifier: GPL-2.0

//! The command line: ipvsadm's grammar, read word by word into an [`Action`], and subcommands.

mod build;
mod check;
#[cfg(test)]
mod generate;
pub mod help;
pub mod options;
mod own;
pub mod plain;
mod read;
pub mod subcommand;
pub mod value;

use std::ffi::OsString;

use crate::error::Error;
use crate::model::{Action, Listing};
use crate::names::Lookup;

/// Reads a command line of the grammar, without the program's name.
///
/// # Errors
/// [`Error::Syntax`] and [`Error::Argument`], which name the word that is wrong.
pub fn parse(words: &[OsString], lookup: &dyn Lookup) -> Result<Action, Error> {
    if words.is_empty() {
        return Ok(Action::List(Listing::default()));
    }
    let line = read::read(words, lookup)?;
    check::check(&line)?;
    build::build(line, lookup)
}

#[cfg(test)]
mod tests;
