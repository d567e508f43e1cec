// SPDX-License-Identifier: GPL-2.0

//! `ripvsadm metrics`: what there is to measure, for Prometheus.
//!
//! [`collect`] reads the kernel once, [`families`] makes text of it. Where the text goes is the
//! business of [`file`](mod@file), [`server`] and this file.

mod collect;
mod exposition;
mod families;
mod file;
mod http;
pub mod options;
mod server;

use std::net::SocketAddr;
use std::path::Path;

use ipvs_netlink::Client;

use collect::Snapshot;
use exposition::Format;
use families::{render, Scrapes};
use options::{Options, Target};
use server::Server;

use crate::cli::subcommand::Given;
use crate::error::Error;
use crate::names::System;
use crate::output;

/// Carries `ripvsadm metrics` out.
///
/// # Errors
/// The option that is wrong; what kept metrics from being read or written.
fn run(given: &Given, _: &System) -> Result<u8, Error> {
    let options = Options::new(given)?;
    match &options.target {
        Target::Output => to_output(&options)?,
        Target::File(path) => to_file(path, &options)?,
        Target::Listen(address) => listen(*address, &options)?,
    }
    Ok(0)
}

/// Prints metrics, or nothing if there is no IPVS.
fn to_output(options: &Options) -> Result<(), Error> {
    let snapshot = Source::default().read();
    check(&snapshot)?;
    let text = render(&snapshot, options.format, options.backends, None);
    output::print(&text, true)
}

/// Writes a file, which also says that there is no IPVS: one that is left as it was would keep
/// showing what is no longer.
fn to_file(path: &Path, options: &Options) -> Result<(), Error> {
    let snapshot = Source::default().read();
    let text = render(&snapshot, options.format, options.backends, None);
    file::replace(path, &text)
        .map_err(|error| Error::Listing(format!("cannot write {}: {error}", path.display())))?;
    check(&snapshot)
}

/// A failure of the main part, for the exit code.
fn check(snapshot: &Snapshot) -> Result<(), Error> {
    match (snapshot.is_up(), snapshot.error()) {
        (false, Some(error)) => Err(Error::Setup(error.to_owned())),
        _ => Ok(()),
    }
}

/// Answers clients until a signal ends it.
fn listen(address: SocketAddr, options: &Options) -> Result<(), Error> {
    let failed = |error| Error::Setup(format!("cannot listen on {address}: {error}"));
    let server = Server::open(address).map_err(failed)?;
    let address = server.address().map_err(failed)?;
    output::print(&format!("metrics at http://{address}/metrics\n"), true)?;
    let mut source = Source::default();
    let mut scrapes = Scrapes::default();
    let mut scrape = |format: Format| {
        let snapshot = source.read();
        scrapes.done += 1;
        scrapes.failed += u64::from(snapshot.error().is_some());
        render(&snapshot, format, options.backends, Some(scrapes))
    };
    server.run(&mut scrape).map_err(Error::Stream)
}

/// The way to the kernel, which is kept as long as it works.
#[derive(Default)]
struct Source {
    client: Option<Client>,
}

impl Source {
    /// Reads everything once.
    fn read(&mut self) -> Snapshot {
        if let Some(client) = &mut self.client {
            let snapshot = collect::collect(client);
            if snapshot.is_up() {
                return snapshot;
            }
            // The module may have gone and come again, with another number of its family.
            self.client = None;
        }
        match collect::connect() {
            Ok(client) => collect::collect(self.client.insert(client)),
            Err(error) => Snapshot::unconnected(error),
        }
    }
}
