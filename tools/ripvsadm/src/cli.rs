// SPDX-License-Identifier: GPL-2.0

//! The command line: ipvsadm's grammar, read word by word into an [`Action`].

mod build;
mod check;
#[cfg(test)]
mod generate;
pub mod help;
pub mod options;
mod read;
pub mod value;

use std::ffi::OsString;

use crate::error::Error;
use crate::model::{Action, Listing};
use crate::names::Lookup;
use crate::top;

/// Reads a command line, without the program's name.
///
/// # Errors
/// [`Error::Syntax`] and [`Error::Argument`], which name the word that is wrong.
pub fn parse(words: &[OsString], lookup: &dyn Lookup) -> Result<Action, Error> {
    if words.is_empty() {
        return Ok(Action::List(Listing::default()));
    }
    if words.first().is_some_and(|word| word == "top") {
        return top::options::read(&words[1..]).map(Action::Top);
    }
    let line = read::read(words, lookup)?;
    check::check(&line)?;
    build::build(line, lookup)
}

#[cfg(test)]
mod tests;
