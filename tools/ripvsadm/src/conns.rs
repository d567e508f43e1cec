// SPDX-License-Identifier: GPL-2.0

//! `ripvsadm conns`: connections by filter, shown, counted and deleted.
//!
//! [`filter`] reads the filter, [`source`] gets connections from the kernel, [`show`] makes lines
//! of them, [`delete`] asks before it deletes.

mod delete;
pub mod filter;
pub mod options;
mod show;
pub mod source;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::{Duration, Instant};

use ipvs_netlink::ripvs::Filter;
use ipvs_netlink::{Client, Transport};

use options::{Format, Options};

use crate::cli::subcommand::Given;
use crate::error::Error;
use crate::fetch;
use crate::names::System;
use crate::output;

/// Carries `ripvsadm conns` out.
///
/// # Errors
/// The option or the condition that is wrong; what kept connections from being read or deleted.
fn run(given: &Given, _: &System) -> Result<u8, Error> {
    match Options::new(given)? {
        Options::Delete { filter, is_sure } => {
            delete::delete(&mut fetch::connect()?, &filter, is_sure)
        }
        Options::Count(filter) => {
            let count = source::count(&mut fetch::connect()?, &filter)?;
            output::print(&format!("{count}\n"), true).map(|()| 0)
        }
        Options::Show { filter, format } => list(&mut fetch::connect()?, &filter, format),
    }
}

/// Prints the connections that a filter means as they come.
///
/// # Errors
/// Failures to read or to print them.
fn list<T: Transport>(
    client: &mut Client<T>,
    filter: &Filter,
    format: Format,
) -> Result<u8, Error> {
    let mut output = BufWriter::new(io::stdout().lock());
    let mut written = Ok(());
    let mut headings = Some(show::headings(format));
    let mut progress = Progress::new();
    let is_exact = source::each(client, filter, |shown| {
        // A filter that is refused has no headings.
        let text = headings.take().unwrap_or_default() + &show::line(&shown, format);
        if written.is_ok() {
            written = output.write_all(text.as_bytes());
        }
        progress.count();
    });
    progress.end();
    let is_exact = is_exact?;
    let headings = headings.unwrap_or_default();
    let written = written.and_then(|()| output.write_all(headings.as_bytes()));
    match written.and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(0),
        other => other?,
    }
    match is_exact {
        true => Ok(0),
        false => Err(Error::Listing(
            "the table got another hash key meanwhile: connections may be listed twice; repeat it"
                .to_owned(),
        )),
    }
}

/// A count of connections on standard error while they are read into a file or a pipe.
struct Progress {
    count: u64,
    shown: Option<Instant>,
    is_wanted: bool,
}

impl Progress {
    /// Time between two numbers, and before the first one.
    const PAUSE: Duration = Duration::from_millis(500);

    /// Number of connections between two looks at the clock.
    const STEP: u64 = 1024;

    fn new() -> Self {
        Progress {
            count: 0,
            shown: None,
            // Standard output at the terminal shows how it goes on.
            is_wanted: io::stderr().is_terminal() && !io::stdout().is_terminal(),
        }
    }

    /// Counts a connection.
    fn count(&mut self) {
        self.count += 1;
        if !self.is_wanted || self.count % Self::STEP != 0 {
            return;
        }
        let now = Instant::now();
        let last = *self.shown.get_or_insert(now);
        if now.duration_since(last) >= Self::PAUSE {
            self.shown = Some(now);
            eprint!("\r{} connections", self.count);
        }
    }

    /// Takes the number off the screen.
    fn end(&self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}
