// SPDX-License-Identifier: GPL-2.0

//! Options of `top`.

use crate::cli::options::{Offer, Spelling, Value};
use crate::cli::subcommand::{Given, SubOption, Subcommand, Words};
use crate::error::Error;

/// The columns that `top` sorts by, in lower case.
const COLUMNS: &[&str] = &[
    "cps", "inpps", "outpps", "inbps", "outbps", "active", "conns", "name",
];

/// The subcommand's entry.
pub static SUBCOMMAND: Subcommand = Subcommand {
    name: "top",
    brief: "the table, live",
    help:
        "Shows services and real servers with their rates, the busiest first, until q is pressed. \
        Elsewhere than at a terminal it prints the table once, or as often as -c says.",
    manual: "\
Show services and real servers with their rates, the busiest first, until
.B q
is pressed.",
    notes: r#"Keys:
.B q
quits,
.BR < " and " >
choose the column that it is sorted by,
.B d
hides the real servers and shows them again, space stops the table and lets it go on,
arrows and page keys scroll.
Where standard input or output is no terminal, the table is printed once, or
.I count
times, as text.
A real server of weight 0 is marked (0)."#,
    words: Words::NONE,
    options: &[
        SubOption {
            spelling: Spelling::new(&['d'], "delay"),
            value: Value::free("SECONDS (2)", r"\fIseconds\fR", "seconds"),
            brief: "time between two looks",
            manual: "\
Time between two looks at the kernel; 2, which is how often the kernel makes new rates.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&['o'], "sort"),
            value: Value::offered(
                "COLUMN (cps)",
                r"\fIcolumn\fR",
                "column",
                Offer::Words(COLUMNS),
            ),
            brief: "sorted by",
            help: "sorted by cps, inpps, outpps, inbps, outbps, active, conns or name",
            manual: "\
.BR cps ,
.BR inpps ,
.BR outpps ,
.BR inbps ,
.BR outbps ,
.BR active ,
.B conns
or
.BR name .",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&['c'], "count"),
            value: Value::free("N", r"\fIcount\fR", "number"),
            brief: "end after so many looks",
            manual: "End after so many looks.",
            ..SubOption::PLAIN
        },
        // It never asks for names.
        SubOption {
            spelling: Spelling::new(&['n'], "numeric"),
            hidden: true,
            repeats: true,
            ..SubOption::PLAIN
        },
    ],
    shared: &[],
    run: super::run,
};

/// Options of `top`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Seconds between two requests to the kernel.
    pub delay: u32,
    /// Initial sort key.
    pub key: Key,
    /// Number of requests; the default is no limit at a terminal, and one elsewhere.
    pub count: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            // The kernel makes new rates this often.
            delay: 2,
            key: Key::default(),
            count: None,
        }
    }
}

/// Sort keys of rows; each but the name is a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Key {
    /// New connections per second.
    #[default]
    Cps,
    /// Packets from clients per second.
    InPps,
    /// Packets to clients per second.
    OutPps,
    /// Bytes from clients per second.
    InBps,
    /// Bytes to clients per second.
    OutBps,
    /// Established connections.
    Active,
    /// All connections since the counters were zeroed.
    Conns,
    /// The name, from the first to the last.
    Name,
}

impl Key {
    /// All of them, in the order of the columns.
    pub const ALL: [Key; 8] = [
        Key::Cps,
        Key::InPps,
        Key::OutPps,
        Key::InBps,
        Key::OutBps,
        Key::Active,
        Key::Conns,
        Key::Name,
    ];

    /// The heading of its column, and how it is called on the command line, in any case.
    pub fn name(self) -> &'static str {
        match self {
            Key::Cps => "CPS",
            Key::InPps => "InPPS",
            Key::OutPps => "OutPPS",
            Key::InBps => "InBPS",
            Key::OutBps => "OutBPS",
            Key::Active => "Active",
            Key::Conns => "Conns",
            Key::Name => "Name",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Key> {
        Key::ALL
            .into_iter()
            .find(|key| key.name().eq_ignore_ascii_case(name))
    }

    /// Returns the key so many columns to the right, cyclically.
    pub fn beside(self, places: usize) -> Key {
        let mut keys = Key::ALL.into_iter().cycle();
        keys.position(|key| key == self);
        keys.nth(places.wrapping_sub(1)).unwrap_or(self)
    }
}

impl Options {
    /// Reads them from what was given.
    ///
    /// # Errors
    /// [`Error::Argument`], which names the value that is wrong.
    pub fn new(given: &Given) -> Result<Self, Error> {
        let default = Options::default();
        let key = given.value("sort").map(|text| {
            Key::named(text).ok_or_else(|| {
                let names = Key::ALL.map(|key| key.name().to_lowercase()).join(", ");
                given.wrong(format!("no column \"{text}\"; there are {names}"))
            })
        });
        Ok(Options {
            delay: given.number("delay", 1, 3600)?.unwrap_or(default.delay),
            key: key.transpose()?.unwrap_or(default.key),
            count: given.number("count", 1, u32::MAX)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Error> {
        let words: Vec<_> = line.split_whitespace().map(Into::into).collect();
        Options::new(&Given::read(&SUBCOMMAND, &words)?.unwrap())
    }

    #[test]
    fn columns_are_offered() {
        assert_eq!(Key::ALL.map(|key| key.name().to_lowercase()), *COLUMNS);
    }

    #[test]
    fn options() {
        assert_eq!(parse("").unwrap(), Options::default());
        let options = parse("-n -d 5 --sort=inbps --count 3").unwrap();
        assert_eq!((options.delay, options.count), (5, Some(3)));
        assert_eq!(options.key, Key::InBps);
    }

    #[test]
    fn mistakes() {
        for (line, code, word) in [
            ("-d 0", 2, "delay"),
            ("-d x", 2, "\"x\""),
            ("-c 0", 2, "count"),
            ("-o weight", 2, "cps, inpps"),
            ("-o", 255, "-o"),
            ("-q", 255, "-q"),
            ("x", 2, "\"x\""),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), code, "{line}");
            assert!(error.to_string().contains(word), "{line}: {error}");
        }
    }
}
