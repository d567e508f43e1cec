// SPDX-License-Identifier: GPL-2.0

//! Options of `top`.

use ipvs_netlink::ripvs::Filter;

use super::groups::By;
use crate::cli::options::{Offer, Spelling, Value};
use crate::cli::subcommand::{Given, SubOption, Subcommand, Words};
use crate::conns::filter;
use crate::conns::options::WORDS_MAX;
use crate::error::Error;

/// The columns that `top` sorts by, in lower case.
const COLUMNS: &[&str] = &[
    "cps", "inpps", "outpps", "inbps", "outbps", "active", "conns", "name",
];

/// The groups of connections.
const GROUPS: &[&str] = &["client", "server", "service", "state"];

/// The subcommand's entry.
pub static SUBCOMMAND: Subcommand = Subcommand {
    name: "top",
    brief: "the table or connections, live",
    help: "Shows services and real servers with their rates, the busiest first, until q is \
        pressed; with conns, clients, servers, services or states by their connections, as many \
        as FILTER means (see ripvsadm conns --help). Elsewhere than at a terminal it prints that \
        once, or as often as -c says.",
    manual: "\
Show services and real servers with their rates, the busiest first, until
.B q
is pressed.
With
.BR conns ,
show clients, or what
.B \\-\\-by
says, by the number of their connections: of all, or of those that the
.I filter
means, which is that of
.BR \"ripvsadm conns\" .",
    notes: r#"Keys:
.B q
quits,
.BR < " and " >
choose the column that it is sorted by,
.B d
hides the real servers and shows them again, space stops the table and lets it go on,
arrows and page keys scroll.
With
.B conns
.BR < " and " >
choose what connections are grouped by.
Where standard input or output is no terminal, the table is printed once, or
.I count
times, as text.
A real server of weight 0 is marked (0)."#,
    words: Words {
        count: (0, WORDS_MAX),
        help: "[conns [FILTER]]",
        manual: r"[\fBconns\fR [\fIfilter\fR]]",
        label: "conns",
        offer: Offer::Words(&["conns"]),
    },
    options: &[
        SubOption {
            spelling: Spelling::new(&['b'], "by"),
            value: Value::offered(
                "GROUP (client)",
                r"\fIgroup\fR",
                "group",
                Offer::Words(GROUPS),
            ),
            brief: "connections by",
            help: "connections by client, server, service or state",
            manual: "\
Connections by
.BR client ,
.BR server ,
.B service
or
.BR state .",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&['1'], "once"),
            brief: "print it once, as text",
            manual: "Print it once, as text, at a terminal, too.",
            ..SubOption::PLAIN
        },
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
        SubOption::NUMERIC,
    ],
    shared: &[],
    run: super::run,
};

/// Subject of `top`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Services and real servers, with the initial sort key.
    Table(Key),
    /// Connections that a filter means, with their initial groups.
    Conns(By, Filter),
}

/// Options of `top`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Seconds between two requests to the kernel.
    pub delay: u32,
    /// Subject.
    pub what: What,
    /// Number of requests; the default is no limit at a terminal, and one elsewhere.
    pub count: Option<u32>,
    /// True for text even at a terminal.
    pub is_plain: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            // The kernel makes new rates this often.
            delay: 2,
            what: What::Table(Key::default()),
            count: None,
            is_plain: false,
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
        let is_plain = given.has("once");
        let count = given.number("count", 1, u32::MAX)?;
        if is_plain && count.is_some() {
            return Err(given.wrong("--once and --count: give one"));
        }
        Ok(Options {
            delay: given.number("delay", 1, 3600)?.unwrap_or(default.delay),
            what: Self::what(given)?,
            count,
            is_plain,
        })
    }

    fn what(given: &Given) -> Result<What, Error> {
        let Some((first, words)) = given.words().split_first() else {
            if given.has("by") {
                return Err(given.wrong("--by is for top conns"));
            }
            let key = given.value("sort").map(|text| {
                Key::named(text).ok_or_else(|| {
                    let names = Key::ALL.map(|key| key.name().to_lowercase()).join(", ");
                    given.wrong(format!("no column \"{text}\"; there are {names}"))
                })
            });
            return Ok(What::Table(key.transpose()?.unwrap_or_default()));
        };
        if first != "conns" {
            return Err(given.wrong(format!("\"{first}\" is not conns, which it may be")));
        }
        if given.has("sort") {
            return Err(given.wrong("--sort does not go with conns, whose groups have --by"));
        }
        let by = given.value("by").map(|text| {
            By::named(text).ok_or_else(|| {
                let names = GROUPS.join(", ");
                given.wrong(format!("no group \"{text}\"; there are {names}"))
            })
        });
        let filter = filter::parse(words).map_err(|text| given.wrong(text))?;
        Ok(What::Conns(by.transpose()?.unwrap_or_default(), filter))
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
        assert_eq!(options.what, What::Table(Key::InBps));
        let all = Filter::default();
        let what = |line| parse(line).unwrap().what;
        assert_eq!(what("conns"), What::Conns(By::Client, all.clone()));
        assert_eq!(what("conns --by=state"), What::Conns(By::State, all));
        assert!(matches!(what("conns proto tcp"), What::Conns(_, f) if f.protocol == Some(6)));
        assert!(parse("conns --once").unwrap().is_plain);
        assert_eq!(By::ALL.map(By::name), *GROUPS);
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
            ("--by client", 2, "top conns"),
            ("conns --by x", 2, "client, server"),
            ("conns -o cps", 2, "--by"),
            ("conns client", 2, "ADDRESS"),
            ("--once -c 3", 2, "give one"),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), code, "{line}");
            assert!(error.to_string().contains(word), "{line}: {error}");
        }
    }
}
