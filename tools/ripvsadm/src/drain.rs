// SPDX-License-Identifier: GPL-2.0

//! `ripvsadm drain`, `undrain` and `wait`: a real server that takes no new connections.
//!
//! `drain` and `undrain` are also lines of files that say what is to be, after `-A` and `-a`.

pub mod options;
mod wait;

pub use wait::words as state_words;

use std::ffi::OsString;

use ipvs_netlink::ripvs::{Change, DrainOptions, WantedDrain};
use ipvs_netlink::{Client, DestinationId, Error as NetlinkError, ServiceId, Transport};

use crate::cli::subcommand::{Given, Subcommand};
use crate::cli::value;
use crate::error::Error;
use crate::explain;
use crate::fetch;
use crate::names::{Lookup, System};

/// A real server of a service.
type Target = (ServiceId, DestinationId);

/// Carries `ripvsadm drain` out.
///
/// # Errors
/// The option that is wrong; the kernel's refusal.
fn run_drain(given: &Given, names: &System) -> Result<u8, Error> {
    let target = target(given, names)?;
    let options = drain_options(given)?;
    let mut client = fetch::connect()?;
    perform(&mut client, &wanted(&target, Some(options)))?;
    match given.has("wait") {
        true => wait::wait(&mut client, &target, None),
        false => Ok(0),
    }
}

/// Carries `ripvsadm undrain` out.
///
/// # Errors
/// The option that is wrong; the kernel's refusal.
fn run_undrain(given: &Given, names: &System) -> Result<u8, Error> {
    let target = target(given, names)?;
    perform(&mut fetch::connect()?, &wanted(&target, None)).map(|()| 0)
}

/// Carries `ripvsadm wait` out.
///
/// # Errors
/// The option that is wrong; a real server that is not there or not drained.
fn run_wait(given: &Given, names: &System) -> Result<u8, Error> {
    let target = target(given, names)?;
    let timeout = given.number("timeout", 0, u32::MAX)?;
    wait::wait(&mut fetch::connect()?, &target, timeout)
}

/// Reads the real server that the options name.
fn target(given: &Given, lookup: &dyn Lookup) -> Result<Target, Error> {
    let id = given.service(lookup)?;
    let id = id.ok_or_else(|| given.wrong("it needs a service: -t, -u, --sctp-service or -f"))?;
    let server = given.server(lookup)?;
    let server = server.ok_or_else(|| given.wrong("it needs a real server: -r"))?;
    let service_port = match id {
        ServiceId::Address { port, .. } => port,
        ServiceId::Fwmark { .. } => 0,
    };
    let port = match &server.port {
        Some(text) => value::port(text, "real server", given.protocol(), lookup)?,
        None => service_port,
    };
    let server = DestinationId {
        address: server.address,
        port,
    };
    Ok((id, server))
}

/// Reads how to drain.
fn drain_options(given: &Given) -> Result<DrainOptions, Error> {
    let options = DrainOptions {
        keeps_templates: !given.has("no-templates"),
        resets: given.has("reset"),
        deadline: given.number("deadline", 1, u32::MAX)?.unwrap_or(0),
    };
    match options.resets && options.deadline == 0 {
        true => Err(given.wrong("--reset needs --deadline, which alone ends connections")),
        false => Ok(options),
    }
}

fn wanted((id, server): &Target, options: Option<DrainOptions>) -> WantedDrain {
    WantedDrain {
        service: id.clone(),
        destination: *server,
        options,
    }
}

/// Reads a line of a file, which begins with `drain` or `undrain`; `None` for another line.
///
/// # Errors
/// Those of the subcommand, and one for an option that is about no server.
pub fn line(words: &[OsString], lookup: &dyn Lookup) -> Option<Result<WantedDrain, Error>> {
    let (first, rest) = words.split_first()?;
    let entry: &'static Subcommand = match first.to_str()? {
        "drain" => &options::DRAIN,
        "undrain" => &options::UNDRAIN,
        _ => return None,
    };
    let read = || {
        let wrong = |text: &str| Error::Argument(format!("{}: {text}", entry.name));
        let given = Given::read(entry, rest)?;
        let given = given.ok_or_else(|| wrong("--help is not for files"))?;
        let is_drain = entry.name == options::DRAIN.name;
        if is_drain && given.has("wait") {
            return Err(wrong("--wait is not for files"));
        }
        let options = is_drain.then(|| drain_options(&given)).transpose()?;
        Ok(wanted(&target(&given, lookup)?, options))
    };
    Some(read())
}

/// The options of a drain, as after `drain`, each with a space before it.
pub fn words(options: &DrainOptions) -> String {
    let mut words = String::new();
    if !options.keeps_templates {
        words.push_str(" --no-templates");
    }
    if options.deadline != 0 {
        words.push_str(&format!(" --deadline {}", options.deadline));
    }
    if options.resets {
        words.push_str(" --reset");
    }
    words
}

/// Begins or ends a drain.
///
/// # Errors
/// [`Error::Setup`] without rust_ipvs, [`Error::Refused`].
pub fn perform<T: Transport>(client: &mut Client<T>, wanted: &WantedDrain) -> Result<(), Error> {
    let (id, server) = (wanted.service.clone(), wanted.destination);
    let change = match wanted.options {
        Some(options) => Change::DrainDestination(id, server, options),
        None => Change::UndrainDestination(id, server),
    };
    let mut ripvs = client.ripvs().map_err(needs_rust)?;
    let applied = ripvs.apply(None, std::slice::from_ref(&change));
    applied.map(|_| ()).map_err(|refused| {
        let reason = match &refused.error {
            NetlinkError::Kernel(kernel) => kernel
                .message
                .clone()
                .unwrap_or_else(|| kernel.errno_text()),
            other => other.to_string(),
        };
        Error::Refused(format!("cannot {change}: {reason}"))
    })
}

fn needs_rust(error: NetlinkError) -> Error {
    match error {
        NetlinkError::NoFamily => Error::Setup(
            "this IPVS cannot drain a server: that needs the kernel module rust_ipvs; set its \
             weight to 0 with -e -w 0"
                .to_owned(),
        ),
        other => explain::setup(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::tests::Fixed;

    fn line_of(words: &[OsString]) -> Option<Result<WantedDrain, Error>> {
        line(words, &Fixed)
    }

    fn read(line: &str) -> Result<WantedDrain, String> {
        let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
        let read = line_of(&words).unwrap();
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn lines_of_files() {
        let plain = read("drain -t 192.0.2.1:80 -r 198.51.100.1").unwrap();
        assert_eq!(plain.destination.to_string(), "198.51.100.1:80");
        assert_eq!(plain.options, Some(DrainOptions::default()));
        let all = "drain -f 7 -6 -r [2001:db8::5]:443 --reset --no-templates --deadline 30";
        let options = read(all).unwrap().options.unwrap();
        assert_eq!(
            (options.keeps_templates, options.resets, options.deadline),
            (false, true, 30)
        );
        let again = format!("drain -f 7 -6 -r [2001:db8::5]:443{}", words(&options));
        assert_eq!(read(&again), read(all));
        let none = read("undrain -u 192.0.2.1:53 -r 198.51.100.1:5353").unwrap();
        assert_eq!((none.options, none.destination.port), (None, 5353));
        let other: Vec<OsString> = vec!["-A".into()];
        assert!(line_of(&other).is_none());
    }

    #[test]
    fn wrong_lines() {
        for (line, words) in [
            ("drain -r 198.51.100.1", "needs a service"),
            ("drain -t 192.0.2.1:80", "needs a real server"),
            (
                "drain -t 192.0.2.1:80 -r 198.51.100.1 --reset",
                "--deadline",
            ),
            (
                "drain -t 192.0.2.1:80 -r 198.51.100.1 --wait",
                "not for files",
            ),
            (
                "drain -t 192.0.2.1:80 -r 198.51.100.1 --deadline 0",
                "deadline",
            ),
            ("undrain -t 192.0.2.1:80 -r 198.51.100.1 --reset", "reset"),
            ("undrain --help", "not for files"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
