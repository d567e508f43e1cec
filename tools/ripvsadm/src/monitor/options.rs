// SPDX-License-Identifier: GPL-2.0

//! Options of `monitor`.

use crate::cli::options::{Spelling, Value};
use crate::cli::subcommand::{Given, SubOption, Subcommand, Words};
use crate::error::Error;

/// The subcommand's entry.
pub static SUBCOMMAND: Subcommand = Subcommand {
    name: "monitor",
    brief: "changes of the configuration, as they are made",
    help:
        "Prints each change of services, real servers, timeouts and daemons, whoever makes it, as \
        the command that would make it again. It needs rust_ipvs.",
    manual: "\
Print each change of services, real servers, timeouts and daemons, whoever makes it, as the command
that would make it again, with the time, the generation of the configuration and the process.
It needs rust_ipvs: C IPVS tells nobody of changes.",
    notes: "\
Changes that were made together have one generation.
If they come faster than they are read, some are lost: a line says so, and the whole configuration
follows.",
    words: Words::NONE,
    options: &[
        SubOption::JSON_LINES,
        SubOption {
            spelling: Spelling::new(&['i'], "initial"),
            brief: "begin with all that is configured",
            manual: "Print all that is configured first.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&['c'], "count"),
            value: Value::free("N", r"\fIcount\fR", "number"),
            brief: "end after so many changes",
            manual: "End after so many changes.",
            ..SubOption::PLAIN
        },
    ],
    shared: &[],
    run: super::run,
};

/// Options of `monitor`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Objects instead of commands.
    pub json: bool,
    /// The configuration comes first.
    pub initial: bool,
    /// Number of changes; the default is no limit.
    pub count: Option<u32>,
}

impl Options {
    /// Reads the options.
    ///
    /// # Errors
    /// [`Error::Argument`] for a count that is no number.
    pub fn new(given: &Given) -> Result<Self, Error> {
        Ok(Options {
            json: given.has("json"),
            initial: given.has("initial"),
            count: given.number("count", 1, u32::MAX)?,
        })
    }
}
