// SPDX-License-Identifier: GPL-2.0

//! Options of `why`.

use std::time::Duration;

use ipvs_netlink::ServiceId;

use crate::cli::options::{Spelling, Value};
use crate::cli::subcommand::{Given, SubOption, Subcommand, Words};
use crate::error::Error;
use crate::names::Lookup;

/// The subcommand's entry.
pub static SUBCOMMAND: Subcommand = Subcommand {
    name: "why",
    brief: "why packets are dropped, refused or let through",
    help: "Shows for which reasons packets were dropped, refused or left untouched, the most \
        frequent first, by service, with what to do about each; and checks the configuration of \
        this host for what no counter shows. Reasons need rust_ipvs; checks do not.",
    manual: "\
Show for which reasons packets were dropped, refused or left untouched since the counters were
zeroed, the most frequent first, by service, with what to do about each; and check the
configuration of this host for what no counter shows: forwarding, routes, virtual addresses,
reverse-path filters, rules of the firewall, limits, defenses.
Reasons need rust_ipvs, checks do not.",
    notes: "\
A check is a
.B problem
if the configuration cannot work as it is, and a
.B suspect
if something seen points to the cause.
Nothing is changed but by
.BR \\-\\-zero .",
    words: Words::NONE,
    options: &[
        SubOption {
            spelling: Spelling::new(&['w'], "watch"),
            brief: "look again and again",
            manual: "Look again and again, and show how often each reason was counted meanwhile.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&['d'], "delay"),
            value: Value::free("SECONDS (2)", r"\fIseconds\fR", "seconds"),
            brief: "time between two looks",
            manual: "Time between two looks; 2.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&['c'], "count"),
            value: Value::free("N", r"\fIcount\fR", "number"),
            brief: "end after so many looks",
            manual: "End after so many looks.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&[], "json"),
            brief: "an object, for programs",
            help: "an object, for programs; with --watch one a line",
            manual: "Print an object of JSON; with \\fB\\-\\-watch\\fR one a line.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&[], "zero"),
            brief: "zero the counters after they are shown",
            manual: "\
Zero the counters after they are shown: those of the service, or all.",
            ..SubOption::PLAIN
        },
    ],
    shared: &[
        "tcp-service",
        "udp-service",
        "sctp-service",
        "fwmark-service",
        "ipv6",
    ],
    run: super::run,
};

/// Options of `why`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The only service that is shown.
    pub service: Option<ServiceId>,
    /// Time between two looks.
    pub delay: Duration,
    /// Number of looks; `None` is no limit.
    pub count: Option<u32>,
    /// Objects instead of text.
    pub json: bool,
    /// Looks again and again.
    pub watch: bool,
    /// Zeroes the counters after each look.
    pub zero: bool,
}

impl Options {
    /// Reads the options.
    ///
    /// # Errors
    /// [`Error::Argument`] for what is no service or no number, and for `-d` and `-c` without
    /// `--watch`.
    pub fn new(given: &Given, lookup: &dyn Lookup) -> Result<Self, Error> {
        let watch = given.has("watch");
        if !watch && (given.has("delay") || given.has("count")) {
            return Err(given.wrong("--delay and --count need --watch"));
        }
        let delay = given.number("delay", 1, 86_400)?.unwrap_or(2);
        Ok(Options {
            service: given.service(lookup)?,
            delay: Duration::from_secs(delay.into()),
            count: match watch {
                true => given.number("count", 1, u32::MAX)?,
                false => Some(1),
            },
            json: given.has("json"),
            watch,
            zero: given.has("zero"),
        })
    }
}
