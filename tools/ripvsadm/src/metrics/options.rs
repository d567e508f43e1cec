// SPDX-License-Identifier: GPL-2.0

//! Options of `metrics`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::exposition::Format;
use crate::cli::options::{Offer, Spelling, Value};
use crate::cli::subcommand::{Given, SubOption, Subcommand, Words};
use crate::error::Error;

/// The subcommand's entry.
pub static SUBCOMMAND: Subcommand = Subcommand {
    name: "metrics",
    brief: "all counters as Prometheus metrics",
    help: "Prints services, real servers, their counters and the state of IPVS as metrics, in the \
        text format of Prometheus or OpenMetrics; or writes them to a file, or answers HTTP \
        requests with them.",
    manual: "\
Print services, real servers, their counters and the state of IPVS as metrics, in the text
format of Prometheus.
The names are those of node_exporter's collector
.BR ipvs ,
with
.B ripvs_
in place of
.BR node_ipvs_ ,
and more; each has a help text.",
    notes: r"Counters begin again when IPVS zeroes them
.RB ( \-Z ),
as they do when the module is loaded.
If IPVS cannot be read, a file and an answer say
.B ripvs_up 0
and which part failed; it is not loaded for that.",
    words: Words::NONE,
    options: &[
        SubOption {
            spelling: Spelling::new(&['f'], "file"),
            value: Value::offered("FILE", r"\fIfile\fR", "file", Offer::Files),
            brief: "write them to a file",
            help: "write them to a file, for node_exporter's textfile collector: as a whole, or \
                not at all, with mode 0644",
            manual: "\
Write them to a file that ends in
.BR .prom ,
for node_exporter's textfile collector.
They are written to a temporary file beside it, which then takes its name: a reader sees the old
file or the new one.
Its mode is 0644.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&['l'], "listen"),
            value: Value::free(
                "[ADDRESS:]PORT",
                r"[\fIaddress\fR:]\fIport\fR",
                "address and port",
            ),
            brief: "answer HTTP requests",
            help: "answer HTTP requests for /metrics there, until SIGTERM; without an address it \
                is 127.0.0.1, an IPv6 address is [ADDRESS]:PORT",
            manual: "\
Answer HTTP requests (GET and HEAD) for /metrics there, until SIGTERM or SIGINT.
Without an address it is 127.0.0.1; an IPv6 address is
.RI [ address ]: port .
A client that asks for OpenMetrics gets that.
There is no encryption and no authentication.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&['o'], "openmetrics"),
            brief: "in the format of OpenMetrics",
            manual: "\
Use the format of OpenMetrics, version 1.0.0, in place of Prometheus' own.
The textfile collector does not read it.",
            ..SubOption::PLAIN
        },
        SubOption {
            spelling: Spelling::new(&[], "no-backends"),
            brief: "nothing of each real server",
            manual: "\
Leave out what there is of each real server
.RB ( ripvs_backend_* ).",
            ..SubOption::PLAIN
        },
    ],
    shared: &[],
    run: super::run,
};

/// Options of `metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub target: Target,
    pub format: Format,
    /// With the metrics of each real server.
    pub backends: bool,
}

/// The reader of the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Output,
    File(PathBuf),
    /// Clients of a socket there.
    Listen(SocketAddr),
}

impl Options {
    /// Reads them from what was given.
    ///
    /// # Errors
    /// [`Error::Argument`], which names what is wrong.
    pub fn new(given: &Given) -> Result<Self, Error> {
        let target = match (given.value("file"), given.value("listen")) {
            (Some(_), Some(_)) => return Err(given.wrong("--file and --listen exclude each other")),
            (Some(""), None) => return Err(given.wrong("--file needs a name")),
            (Some(file), None) => Target::File(file.into()),
            (None, Some(text)) => Target::Listen(address(text).ok_or_else(|| {
                given.wrong(format!(
                    "--listen \"{text}\" is not PORT, ADDRESS:PORT or [ADDRESS]:PORT"
                ))
            })?),
            (None, None) => Target::Output,
        };
        let openmetrics = given.has("openmetrics");
        if openmetrics && matches!(target, Target::Listen(_)) {
            return Err(given.wrong("--openmetrics does not go with --listen: its clients choose"));
        }
        Ok(Options {
            target,
            format: match openmetrics {
                true => Format::OpenMetrics,
                false => Format::Prometheus,
            },
            backends: !given.has("no-backends"),
        })
    }
}

/// Reads an address with a port, or a port, which is the loopback address'.
fn address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    // Not "+80", which the parser of numbers takes.
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|_| is_number)?;
    Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Error> {
        let words: Vec<_> = line.split_whitespace().map(Into::into).collect();
        Options::new(&Given::read(&SUBCOMMAND, &words)?.unwrap())
    }

    #[test]
    fn options() {
        let plain = parse("").unwrap();
        assert_eq!(
            (plain.target, plain.format),
            (Target::Output, Format::Prometheus)
        );
        assert!(plain.backends);
        let file = parse("-f x.prom -o --no-backends").unwrap();
        assert_eq!(file.target, Target::File("x.prom".into()));
        assert_eq!((file.format, file.backends), (Format::OpenMetrics, false));
        for (text, address) in [
            ("9783", "127.0.0.1:9783"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[::]:80", "[::]:80"),
            ("0", "127.0.0.1:0"),
        ] {
            let found = parse(&format!("--listen {text}")).unwrap().target;
            assert_eq!(found, Target::Listen(address.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn mistakes() {
        for (line, word) in [
            ("--listen :80", ":80"),
            ("--listen 65536", "65536"),
            ("--listen +80", "+80"),
            ("--listen localhost:80", "localhost"),
            ("--listen ::1", "::1"),
            ("--listen 80 --file x", "exclude"),
            ("--listen 80 -o", "--openmetrics"),
            ("--file=", "name"),
            ("x", "\"x\""),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}: {error}");
            assert!(error.to_string().contains(word), "{line}: {error}");
        }
    }
}
