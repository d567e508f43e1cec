// SPDX-License-Identifier: GPL-2.0

//! Subcommands: words without dashes, each with a table of its own options.
//!
//! An entry of [`SUBCOMMANDS`] is all that the parser, `-h`, `ripvsadm NAME --help`, the manual
//! page and the completions of three shells need.

mod given;
mod help;

use std::ffi::OsString;

use super::options::{Offer, OptionDef, Spelling, Value, OPTIONS};
use crate::apply;
use crate::conns;
use crate::drain;
use crate::error::Error;
use crate::metrics;
use crate::monitor;
use crate::names::System;
use crate::output;
use crate::top;
use crate::why;

pub use given::Given;

/// All subcommands, in the order in which they are documented.
pub const SUBCOMMANDS: &[&Subcommand] = &[
    &apply::options::APPLY,
    &apply::options::DIFF,
    &apply::options::EXPORT,
    &conns::options::SUBCOMMAND,
    &drain::options::DRAIN,
    &drain::options::UNDRAIN,
    &drain::options::WAIT,
    &top::options::SUBCOMMAND,
    &metrics::options::SUBCOMMAND,
    &monitor::options::SUBCOMMAND,
    &why::options::SUBCOMMAND,
];

/// A subcommand with its texts for help, manual page and completions.
#[derive(Debug)]
#[cfg_attr(not(test), allow(dead_code))]
pub struct Subcommand {
    /// The word.
    pub name: &'static str,
    /// A few words, for completions and `-h`.
    pub brief: &'static str,
    /// One or more sentences, for `ripvsadm NAME --help`.
    pub help: &'static str,
    /// Its text in the manual page before its options, in roff.
    pub manual: &'static str,
    /// Its text in the manual page after its options, in roff; may be empty.
    pub notes: &'static str,
    /// Words that it takes beside its options.
    pub words: Words,
    /// Its options.
    pub options: &'static [SubOption],
    /// Options of the grammar that it takes, too: their long spellings, without dashes.
    pub shared: &'static [&'static str],
    /// Carries it out and returns the exit code.
    pub run: fn(&Given, &System) -> Result<u8, Error>,
}

/// Words that a subcommand takes beside its options.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), allow(dead_code))]
pub struct Words {
    /// The smallest and the greatest number of them.
    pub count: (usize, usize),
    /// Their names in the usage line, as `[FILE]`.
    pub help: &'static str,
    /// Their names in the manual page, in roff.
    pub manual: &'static str,
    /// The name of one in the completion for zsh.
    pub label: &'static str,
    pub offer: Offer,
}

/// An option of a subcommand.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), allow(dead_code))]
pub struct SubOption {
    pub spelling: Spelling,
    /// Its value, if it has one, which must not be optional.
    pub value: Option<Value>,
    /// A few words, for completions and `--help`.
    pub brief: &'static str,
    /// Text for `--help` if it differs from `brief`.
    pub help: &'static str,
    /// Its paragraph in the manual page, in roff.
    pub manual: &'static str,
    /// It may be given more than once.
    pub repeats: bool,
    /// It is accepted, but not documented.
    pub hidden: bool,
}

impl Words {
    /// No words.
    pub const NONE: Words = Words {
        count: (0, 0),
        help: "",
        manual: "",
        label: "",
        offer: Offer::Nothing,
    };
}

impl SubOption {
    /// Values of the fields that most options leave out.
    pub const PLAIN: SubOption = SubOption {
        spelling: Spelling::new(&[], ""),
        value: None,
        brief: "",
        help: "",
        manual: "",
        repeats: false,
        hidden: false,
    };

    /// `--json` of what prints an object for each thing that it shows.
    pub const JSON_LINES: SubOption = SubOption {
        spelling: Spelling::new(&[], "json"),
        brief: "an object a line",
        manual: "Print an object of JSON a line.",
        ..SubOption::PLAIN
    };

    /// `--numeric` of what never asks for names.
    pub const NUMERIC: SubOption = SubOption {
        spelling: Spelling::new(&['n'], "numeric"),
        hidden: true,
        repeats: true,
        ..SubOption::PLAIN
    };
}

impl Subcommand {
    /// Finds a subcommand by its name.
    pub fn named(name: &str) -> Option<&'static Subcommand> {
        SUBCOMMANDS.iter().find(|sub| sub.name == name).copied()
    }

    /// Parses the words after the name, and carries the subcommand out, or prints its help.
    ///
    /// # Errors
    /// [`Error::Option`] and [`Error::Argument`], which name the word that is wrong; failures of
    /// the subcommand.
    pub fn perform(&'static self, words: &[OsString], names: &System) -> Result<u8, Error> {
        match Given::read(self, words)? {
            Some(given) => (self.run)(&given, names),
            None => output::print(&help::usage(self), true).map(|()| 0),
        }
    }

    /// Options of the grammar that it takes.
    pub fn shared(&self) -> impl Iterator<Item = &'static OptionDef> + '_ {
        let shared = |def: &&OptionDef| self.shared.contains(&def.spelling.long);
        OPTIONS.iter().filter(shared)
    }

    /// Its own options that are documented.
    #[cfg_attr(not(test), allow(dead_code))]
    pub fn documented(&self) -> impl Iterator<Item = &'static SubOption> {
        self.options.iter().filter(|option| !option.hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_spellings_are_unique() {
        let mut names: Vec<&str> = SUBCOMMANDS.iter().map(|sub| sub.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SUBCOMMANDS.len());
        for sub in SUBCOMMANDS {
            let mut seen = vec!["-h".to_owned(), "--help".to_owned()];
            let own = sub.options.iter().map(|option| option.spelling);
            let shared = sub.shared().map(|def| def.spelling);
            for spelling in own.chain(shared).flat_map(|spelling| spelling.all()) {
                assert!(!seen.contains(&spelling), "{} {spelling}", sub.name);
                seen.push(spelling);
            }
        }
    }

    #[test]
    fn entries_are_complete() {
        for sub in SUBCOMMANDS {
            let name = sub.name;
            for text in [sub.brief, sub.help, sub.manual] {
                assert!(!text.is_empty(), "{name}");
            }
            assert_eq!(sub.shared().count(), sub.shared.len(), "{name}");
            assert!(sub.words.count.0 <= sub.words.count.1, "{name}");
            assert_eq!(sub.words.count.1 == 0, sub.words.help.is_empty(), "{name}");
            for option in sub.documented() {
                let long = option.spelling.long;
                assert!(!option.brief.is_empty(), "{name} --{long}");
                assert!(!option.manual.is_empty(), "{name} --{long}");
                assert!(
                    !option.value.is_some_and(|value| value.is_optional),
                    "{name} --{long}"
                );
            }
        }
    }
}
