// SPDX-License-Identifier: GPL-2.0

//! Options of `drain`, `undrain` and `wait`.

use crate::cli::options::{Spelling, Value};
use crate::cli::subcommand::{SubOption, Subcommand, Words};

/// Options of the grammar that name a real server.
const TARGET: &[&str] = &[
    "tcp-service",
    "udp-service",
    "sctp-service",
    "fwmark-service",
    "ipv6",
    "real-server",
];

/// The entry of `drain`.
pub static DRAIN: Subcommand = Subcommand {
    name: "drain",
    brief: "let a real server take no new connections",
    help: "Lets a real server take no new connections, whatever its weight, until undrain or the \
        end of the server. It is done when no connection is active, or at the deadline. Needs \
        rust_ipvs.",
    manual: r"Let a real server take no new connections, as with weight 0.
The weight stays, and editing it does not end the drain; only
.B ripvsadm undrain
or the deletion of the server does.
It is done when no connection is active.
Clients of a persistent service come to the server until then.
Beginning a drain again changes its options, and its deadline begins anew.",
    notes: r#"A drain is saved by
.B \-S
and
.BR "ripvsadm export" ,
as a line that
.B \-R
and
.B ripvsadm apply
read.
.B apply
leaves the drain of a server alone that the file does not mention; a line
.B undrain
in the file ends it.
This needs rust_ipvs."#,
    words: Words::NONE,
    options: &[
        SubOption {
            spelling: Spelling::new(&[], "no-templates"),
            brief: "clients of a persistent service go elsewhere at once",
            manual: r"Schedule new connections of clients anew that persistence has bound to the
server.
Without it these come to the server until no connection is active.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&[], "deadline"),
            value: Value::free("SECONDS", r"\fIseconds\fR", "seconds"),
            brief: "time after which connections are ended",
            manual: r"After that time delete the rest of the connections, those among them that
are not active, with their entries of conntrack.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&[], "reset"),
            brief: "tell both ends of TCP connections at the deadline",
            manual: r"At the deadline tell both ends of TCP connections by RST.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&[], "wait"),
            brief: "wait until it is done",
            manual: r"Wait until it is done, as
.B ripvsadm wait
does.",
            ..SubOption::PLAIN
        },
    ],
    shared: TARGET,
    run: super::run_drain,
};

/// The entry of `undrain`.
pub static UNDRAIN: Subcommand = Subcommand {
    name: "undrain",
    brief: "let a drained real server take connections again",
    help: "Lets a drained real server take new connections again, by its weight. Needs rust_ipvs.",
    manual: "Let a drained real server take new connections again, by its weight.",
    notes: "",
    words: Words::NONE,
    options: &[],
    shared: TARGET,
    run: super::run_undrain,
};

/// The entry of `wait`.
pub static WAIT: Subcommand = Subcommand {
    name: "wait",
    brief: "wait until a drain is done",
    help: "Waits until the drain of a real server is done, and shows the connections that are \
        left. Exit code 0 if it is done, 3 after the timeout, 4 if the drain was called off or the \
        server deleted. Needs rust_ipvs.",
    manual: r"Wait until the drain of a real server is done, and show the connections that are
left: on a terminal on one line, elsewhere on a line whenever their number changes.
The exit code is 0 if the drain is done, 3 after the timeout, and 4 if the drain was called off or
the server deleted meanwhile.
It needs rust_ipvs.",
    notes: "",
    words: Words::NONE,
    options: &[SubOption {
        spelling: Spelling::new(&[], "timeout"),
        value: Value::free("SECONDS", r"\fIseconds\fR", "seconds"),
        brief: "give up after that time",
        manual: "Give up after that time; the drain goes on.",
        ..SubOption::PLAIN
    }],
    shared: TARGET,
    run: super::run_wait,
};
