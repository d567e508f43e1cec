// SPDX-License-Identifier: GPL-2.0

//! Options of `conns`.

use ipvs_netlink::ripvs::Filter;

use super::filter;
use crate::cli::options::{Offer, Spelling};
use crate::cli::subcommand::{Given, SubOption, Subcommand, Words};
use crate::error::Error;

/// The first word of a deletion.
const DELETE: &str = "delete";

/// More words than any filter has.
pub const WORDS_MAX: usize = 100;

/// Words that are offered: those of a filter, and that of a deletion.
const OFFERED: &[&str] = &[
    "delete",
    "client",
    "vip",
    "server",
    "proto",
    "mark",
    "state",
    "templates",
    "connections",
    "idle",
    "flags",
    "without",
    "ipv4",
    "ipv6",
];

/// The subcommand's entry.
pub static SUBCOMMAND: Subcommand = Subcommand {
    name: "conns",
    brief: "connections by a filter: list, count, delete",
    help: "Lists the connections and templates that have all that FILTER says, all without one; \
        delete deletes them. FILTER: client, vip or server ADDRESS[/BITS][:PORT], proto tcp, mark \
        N, state NAME, templates, connections, idle \">60\", flags or without NAME[,NAME], ipv4, \
        ipv6.",
    manual: r#"List the connections and templates that have all that the
.I filter
says, or all of them.
.B delete
deletes them, with those that they control and their entries of conntrack; it says how many, and
asks before.
The
.I filter
has any of:
.RS
.TP
.BR client ", " vip " or " server " \fIaddress\fR[\fB/\fIbits\fR][\fB:\fIport\fR]"
An IPv6 address with a port is in brackets, as in
.BR [2001:db8::]/64:80 ;
.B :80
is the port of any address.
.TP
.BR proto " " tcp ", " udp ", " sctp ", " ip " or a number"
.B ip
is that of templates of services by firewall mark.
.TP
.BI mark " number"
The firewall mark of the service.
.TP
.BI state " name"
As
.B \-L \-c
shows it.
.TP
.BR templates ", " connections
Only templates, or none.
.TP
.BI idle " time"
The time without a packet, as
.BR \(dq>60\(dq ,
.BR \(dq<5m\(dq ,
.B \(dq>=1h\(dq
or
.BR 5-60 ,
in seconds if there is no unit.
.TP
.BI flags " names\fR, \fBwithout\fI names"
.BR synced ,
.BR inactive ,
.BR no-output ,
.BR no-client-port ,
.BR one-packet ,
.BR tracked ,
.BR unhashed ,
.BR controlled ,
.BR controls ,
with commas between them: those that are set, and those that are not.
.TP
.BR ipv4 ", " ipv6
The family of client and virtual address.
.RE"#,
    notes: "\
The kernel does not keep when a connection began, and does not count its packets.
With C IPVS, connections are read from
.IR /proc/net/ip_vs_conn ,
which has no idle times, flags and marks, and cannot be deleted.",
    words: Words {
        count: (0, WORDS_MAX),
        help: "[delete] [FILTER]",
        manual: r"[\fBdelete\fR] [\fIfilter\fR]",
        label: "filter",
        offer: Offer::Words(OFFERED),
    },
    options: &[
        SubOption {
            spelling: Spelling::new(&['w'], "wide"),
            brief: "more columns",
            help: "more columns: method, idle time, mark, persistence engine, flags",
            manual: "\
Show forwarding method, time without a packet, mark, persistence engine and flags, too.",
            ..SubOption::PLAIN
        },
        SubOption::JSON_LINES,
        SubOption {
            spelling: Spelling::new(&['c'], "count"),
            brief: "only how many",
            manual: "Print only how many they are.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&['y'], "yes"),
            brief: "delete without a question",
            manual: "Delete without a question. It is needed if there is no terminal.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&[], "all"),
            brief: "delete all connections",
            manual: "Delete all connections. A deletion without a filter needs it.",
            ..SubOption::PLAIN
        },
        SubOption::NUMERIC,
    ],
    shared: &[],
    run: super::run,
};

/// A form of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The columns of `-L -c`.
    Table,
    /// More columns.
    Wide,
    /// An object a line.
    Json,
}

/// Options of `conns`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Options {
    /// List them.
    Show { filter: Filter, format: Format },
    /// Count them.
    Count(Filter),
    /// Delete them; without a question if `is_sure`.
    Delete { filter: Filter, is_sure: bool },
}

impl Options {
    /// Reads options and words.
    ///
    /// # Errors
    /// [`Error::Argument`] for a word that is wrong, and for options that do not go together.
    pub fn new(given: &Given) -> Result<Self, Error> {
        let (is_deletion, words) = match given.words().split_first() {
            Some((first, rest)) if first == DELETE => (true, rest),
            _ => (false, given.words()),
        };
        let filter = filter::parse(words).map_err(|text| given.wrong(text))?;
        if is_deletion {
            return Self::deletion(given, filter);
        }
        for option in ["yes", "all"] {
            if given.has(option) {
                return Err(given.wrong(format!("--{option} is for conns delete")));
            }
        }
        let forms = ["wide", "json", "count"].into_iter();
        let forms: Vec<&str> = forms.filter(|form| given.has(form)).collect();
        let format = match forms.as_slice() {
            [] => Format::Table,
            ["wide"] => Format::Wide,
            ["json"] => Format::Json,
            ["count"] => return Ok(Options::Count(filter)),
            _ => return Err(given.wrong("give one of --wide, --json and --count")),
        };
        Ok(Options::Show { filter, format })
    }

    fn deletion(given: &Given, filter: Filter) -> Result<Self, Error> {
        for option in ["wide", "json"] {
            if given.has(option) {
                return Err(given.wrong(format!("--{option} does not go with delete")));
            }
        }
        match (filter.is_empty(), given.has("all")) {
            (true, false) => {
                return Err(given.wrong("delete needs a filter, or --all for all connections"))
            }
            (false, true) => return Err(given.wrong("there is a filter, and --all; give one")),
            _ => {}
        }
        match given.has("count") {
            true => Ok(Options::Count(filter)),
            false => Ok(Options::Delete {
                filter,
                is_sure: given.has("yes"),
            }),
        }
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
    fn words_are_offered() {
        assert_eq!(OFFERED[0], DELETE);
        assert_eq!(&OFFERED[1..], filter::CONDITIONS);
    }

    #[test]
    fn options() {
        let filter = Filter::default();
        for (line, format) in [
            ("", Format::Table),
            ("-n --wide", Format::Wide),
            ("--json", Format::Json),
        ] {
            let filter = filter.clone();
            assert_eq!(parse(line).unwrap(), Options::Show { filter, format });
        }
        assert_eq!(parse("-c").unwrap(), Options::Count(filter.clone()));
        let all = |is_sure| Options::Delete {
            filter: filter.clone(),
            is_sure,
        };
        assert_eq!(parse("delete --all").unwrap(), all(false));
        assert_eq!(parse("--yes delete --all").unwrap(), all(true));
        assert_eq!(
            parse("delete --all -c").unwrap(),
            Options::Count(filter.clone())
        );
        assert!(matches!(
            parse("delete -y client 10.0.0.1").unwrap(),
            Options::Delete { filter, is_sure: true } if !filter.is_empty()
        ));
    }

    #[test]
    fn mistakes() {
        for (line, code, word) in [
            ("delete", 2, "--all"),
            ("delete --all client 10.0.0.1", 2, "give one"),
            ("delete --json client 10.0.0.1", 2, "--json"),
            ("--yes", 2, "conns delete"),
            ("--all", 2, "conns delete"),
            ("--json --wide", 2, "one of"),
            ("client x", 2, "ADDRESS"),
            ("client 10.0.0.1 delete", 2, "no condition \"delete\""),
            ("-x", 255, "-x"),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), code, "{line}");
            assert!(error.to_string().contains(word), "{line}: {error}");
        }
    }
}
