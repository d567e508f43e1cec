// SPDX-License-Identifier: GPL-2.0

//! Options of `apply`, `diff` and `export`.

use crate::cli::options::{Offer, Spelling};
use crate::cli::subcommand::{SubOption, Subcommand, Words};

/// The entry of `apply`.
pub static APPLY: Subcommand = Subcommand {
    name: "apply",
    brief: "make the table what a file says",
    help: "Makes the table what FILE says, - for standard input: adds, changes and deletes what \
        differs, all of it in one step or nothing. What is the same keeps its connections and \
        counters. FILE has lines of -A and -a, as -S and export write them, or JSON. Needs \
        rust_ipvs.",
    manual: r"Make the table what
.I file
says,
.B \-
for standard input: add, change and delete what differs, and show it, one line for each change:
.B +
for what is added,
.B ~
changed,
.B \-
deleted.
All of it is done in one step, or nothing if the kernel refuses any of it; the error names the
line of the file.
What is the same keeps its connections and counters.",
    notes: r"The file has lines of
.B \-A
and
.BR \-a ,
as
.B \-S
and
.B ripvsadm export
write them, or is a JSON document.
What it leaves out has the defaults of these commands.
If somebody else changes the table meanwhile, the difference is computed anew.
This needs rust_ipvs.",
    words: Words {
        count: (0, 1),
        help: "FILE",
        manual: r"\fIfile\fR",
        label: "file",
        offer: Offer::Files,
    },
    options: &[
        SubOption {
            spelling: Spelling::new(&[], "dry-run"),
            brief: "only show what would be changed",
            help: "only show what would be changed; exit code 0 if nothing, 3 if anything",
            manual: r"Only show what would be changed.
The exit code is 0 if that is nothing, else 3.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&['q'], "quiet"),
            brief: "do not show what is changed",
            manual: "Do not show what is changed.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&[], "schema"),
            brief: "print the schema of the JSON document",
            manual: "Print the JSON Schema of the document, and do nothing else.",
            ..SubOption::PLAIN
        },
    ],
    shared: &[],
    run: super::run_apply,
};

/// The entry of `diff`.
pub static DIFF: Subcommand = Subcommand {
    name: "diff",
    brief: "show how the table differs from a file",
    help: "Shows what apply would change to make the table what FILE says, - for standard input; \
        exit code 0 if nothing, 3 if anything. Needs rust_ipvs.",
    manual: r"Show what
.B ripvsadm apply
would change, as its option
.B \-\-dry\-run
does.",
    notes: "",
    words: Words {
        count: (1, 1),
        help: "FILE",
        manual: r"\fIfile\fR",
        label: "file",
        offer: Offer::Files,
    },
    options: &[],
    shared: &[],
    run: super::run_diff,
};

/// The entry of `export`.
pub static EXPORT: Subcommand = Subcommand {
    name: "export",
    brief: "print the table for apply",
    help: "Prints the table as apply reads it: lines of -A and -a with addresses and ports as \
        numbers, or JSON.",
    manual: r"Print the table as
.B ripvsadm apply
reads it: lines of
.B \-A
and
.BR \-a ,
with addresses and ports as numbers.",
    notes: "",
    words: Words::NONE,
    options: &[SubOption {
        spelling: Spelling::new(&['j'], "json"),
        brief: "as a JSON document",
        manual: "Print a JSON document.",
        ..SubOption::PLAIN
    }],
    shared: &[],
    run: super::run_export,
};
