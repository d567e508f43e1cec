// SPDX-License-Identifier: GPL-2.0

//! Options and words that a subcommand was given.

use std::ffi::OsString;

use ipvs_netlink::{Protocol, ServiceId};
use lexopt::{Arg, Parser, ValueExt};

use super::{SubOption, Subcommand};
use crate::cli::options::{Meaning, OptionDef};
use crate::cli::read;
use crate::cli::value::{self, HostPort};
use crate::error::Error;
use crate::names::Lookup;

/// Options and words that a subcommand was given.
#[derive(Debug)]
pub struct Given {
    subcommand: &'static Subcommand,
    /// Long spellings and values, in the order in which they were given.
    options: Vec<(&'static str, String)>,
    /// Words that belong to no option.
    words: Vec<String>,
}

/// An option in a table.
#[derive(Clone, Copy)]
enum Found {
    Own(&'static SubOption),
    Shared(&'static OptionDef),
}

impl Found {
    /// Finds an option among those of a subcommand.
    fn find(subcommand: &'static Subcommand, arg: &Arg<'_>) -> Option<Found> {
        let own = subcommand.options.iter().find(|def| def.spelling.is(arg));
        let shared = || subcommand.shared().find(|def| def.spelling.is(arg));
        own.map(Found::Own).or_else(|| shared().map(Found::Shared))
    }

    fn long(self) -> &'static str {
        match self {
            Found::Own(def) => def.spelling.long,
            Found::Shared(def) => def.spelling.long,
        }
    }

    fn has_value(self) -> bool {
        match self {
            Found::Own(def) => def.value.is_some(),
            Found::Shared(def) => def.value.is_some(),
        }
    }

    fn repeats(self) -> bool {
        matches!(self, Found::Own(def) if def.repeats)
    }
}

impl Given {
    /// Parses the words after the subcommand's name. `None` if help is asked for.
    ///
    /// # Errors
    /// [`Error::Option`] for an option that is unknown or lacks its value, [`Error::Argument`] for
    /// one that is given twice, and for a wrong number of words.
    pub fn read(
        subcommand: &'static Subcommand,
        words: &[OsString],
    ) -> Result<Option<Self>, Error> {
        let mut parser = Parser::from_args(words.iter().cloned());
        let mut given = Given {
            subcommand,
            options: Vec::new(),
            words: Vec::new(),
        };
        let syntax = |error: lexopt::Error| {
            let name = subcommand.name;
            Error::Option(format!("{name}: {error}; see ripvsadm {name} --help"))
        };
        while let Some(arg) = parser.next().map_err(syntax)? {
            if matches!(arg, Arg::Short('h') | Arg::Long("help")) {
                return Ok(None);
            }
            let Some(found) = Found::find(subcommand, &arg) else {
                match arg {
                    Arg::Value(word) => given.words.push(word.string().map_err(syntax)?),
                    other => return Err(syntax(other.unexpected())),
                }
                continue;
            };
            let long = found.long();
            if !found.repeats() && given.has(long) {
                return Err(given.wrong(format!("--{long} is given twice")));
            }
            let text = match found.has_value() {
                true => parser.value().and_then(ValueExt::string).map_err(syntax)?,
                false => String::new(),
            };
            given.options.push((long, text));
        }
        given.check_words()?;
        Ok(Some(given))
    }

    /// Checks the number of words.
    fn check_words(&self) -> Result<(), Error> {
        let (least, most) = self.subcommand.words.count;
        if let Some(word) = self.words.get(most) {
            return Err(self.wrong(format!("\"{word}\" belongs to no option")));
        }
        if self.words.len() < least {
            return Err(self.wrong(format!("it needs {}", self.subcommand.words.help)));
        }
        Ok(())
    }

    /// Returns the error for a wrong argument, with the subcommand's name before `text`.
    pub fn wrong(&self, text: impl std::fmt::Display) -> Error {
        Error::Argument(format!("{}: {text}", self.subcommand.name))
    }

    /// Returns whether the option of that long spelling was given.
    pub fn has(&self, long: &str) -> bool {
        self.value(long).is_some()
    }

    /// Returns the value of an option by its long spelling: the first one if it repeats, empty for
    /// an option without value, `None` if it was not given.
    pub fn value(&self, long: &str) -> Option<&str> {
        self.values(long).next()
    }

    /// Returns all values of an option that repeats.
    pub fn values(&self, long: &str) -> impl Iterator<Item = &str> {
        let sub = self.subcommand;
        let own = sub.options.iter().map(|def| def.spelling.long);
        let known = own.chain(sub.shared.iter().copied());
        let known = known.into_iter().find(|known| *known == long);
        debug_assert!(known.is_some(), "{} has no option --{long}", sub.name);
        let named = self.options.iter();
        let named = named.filter(move |(name, _)| Some(*name) == known);
        named.map(|(_, text)| text.as_str())
    }

    /// Returns the words that belong to no option.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Reads the value of an option as a number between two bounds, both included.
    ///
    /// # Errors
    /// [`Error::Argument`] for another number, and for what is none.
    pub fn number(&self, long: &str, min: u32, max: u32) -> Result<Option<u32>, Error> {
        let what = format!("{}: --{long}", self.subcommand.name);
        self.value(long)
            .map(|text| value::number_u32(text, &what, min, max))
            .transpose()
    }

    /// Reads the service that the grammar's options name, for a subcommand that shares these
    /// ([`Group::Services`](crate::cli::options::Group::Services)). `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Argument`] for what is no service, and for more than one.
    pub fn service(&self, lookup: &dyn Lookup) -> Result<Option<ServiceId>, Error> {
        let mut service = None;
        for (long, text) in &self.options {
            let def = self
                .subcommand
                .shared()
                .find(|def| def.spelling.long == *long);
            let found = match def.map(|def| def.meaning) {
                Some(Meaning::Service(protocol)) => read::service(text, protocol, lookup)?,
                Some(Meaning::Fwmark) => read::fwmark(text)?,
                Some(Meaning::Ipv6) => {
                    read::ipv6(&mut service)?;
                    continue;
                }
                _ => continue,
            };
            if service.replace(found).is_some() {
                return Err(self.wrong("a service is given twice"));
            }
        }
        Ok(service)
    }

    /// Reads the real server that the grammar's option `-r` names, for a subcommand that shares it.
    ///
    /// # Errors
    /// [`Error::Argument`] for what is no real server.
    pub fn server(&self, lookup: &dyn Lookup) -> Result<Option<HostPort>, Error> {
        self.value("real-server")
            .map(|text| value::host_port(text, "real server", lookup))
            .transpose()
    }

    /// Returns the protocol of the service option that was given, by which `-r` names ports.
    pub fn protocol(&self) -> Option<Protocol> {
        let protocol = |long: &str| {
            let def = self
                .subcommand
                .shared()
                .find(|def| def.spelling.long == long)?;
            match def.meaning {
                Meaning::Service(protocol) => Some(protocol),
                _ => None,
            }
        };
        self.options.iter().find_map(|(long, _)| protocol(long))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs_netlink::AddressFamily;

    use crate::cli::options::{Offer, Spelling, Value};
    use crate::cli::subcommand::Words;
    use crate::names::tests::Fixed;

    static SUBCOMMAND: Subcommand = Subcommand {
        name: "probe",
        brief: "for tests",
        help: "It is for tests.",
        manual: "It is for tests.",
        notes: "",
        words: Words {
            count: (1, 2),
            help: "FILE [FILE]",
            manual: r"\fIfile\fR",
            label: "file",
            offer: Offer::Files,
        },
        options: &[
            SubOption {
                spelling: Spelling::new(&['d'], "delay"),
                value: Value::free("N", "", ""),
                ..SubOption::PLAIN
            },
            SubOption {
                spelling: Spelling::new(&[], "only"),
                value: Value::free("NAME", "", ""),
                repeats: true,
                ..SubOption::PLAIN
            },
            SubOption {
                spelling: Spelling::new(&[], "json"),
                ..SubOption::PLAIN
            },
        ],
        shared: &["tcp-service", "fwmark-service", "ipv6", "real-server"],
        run: |_, _| Ok(0),
    };

    fn read(line: &str) -> Result<Option<Given>, Error> {
        let words: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        Given::read(&SUBCOMMAND, &words)
    }

    fn given(line: &str) -> Given {
        read(line).unwrap().unwrap()
    }

    #[test]
    fn options_and_words() {
        let found = given("-d5 a --only=x --only y --json -- -b");
        assert_eq!(found.number("delay", 1, 9).unwrap(), Some(5));
        assert!(found.number("delay", 6, 9).is_err());
        assert_eq!(found.values("only").collect::<Vec<_>>(), ["x", "y"]);
        assert!(found.has("json") && !found.has("tcp-service"));
        assert_eq!(found.words(), ["a", "-b"]);
        assert!(read("a -h --nonsense").unwrap().is_none());
    }

    #[test]
    fn options_of_the_grammar() {
        let found = given("a -t 192.0.2.1:80 -r 198.51.100.1:81");
        let web = ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 80);
        assert_eq!(found.service(&Fixed).unwrap(), Some(web));
        assert_eq!(found.protocol(), Some(Protocol::Tcp));
        let server = found.server(&Fixed).unwrap().unwrap();
        assert_eq!(server.port.as_deref(), Some("81"));
        let mark = given("a -f 7 -6").service(&Fixed).unwrap();
        assert_eq!(mark, Some(ServiceId::fwmark(AddressFamily::Inet6, 7)));
        assert_eq!(given("a").service(&Fixed).unwrap(), None);
        for line in ["a -6", "a -f 0", "a -f 1 -t 192.0.2.1:80", "a -t x y"] {
            let error = given(line).service(&Fixed).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}: {error}");
        }
    }

    #[test]
    fn mistakes() {
        for (line, code, word) in [
            ("", 2, "FILE"),
            ("a b c", 2, "\"c\""),
            ("a -d 1 -d 2", 2, "--delay"),
            ("a --nonsense", 255, "--nonsense"),
            ("a -d", 255, "-d"),
            ("a --json=x", 255, "--json"),
            ("a -u 192.0.2.1:80", 255, "-u"),
        ] {
            let error = read(line).unwrap_err();
            assert_eq!(error.exit_code(), code, "{line}: {error}");
            let text = error.to_string();
            assert!(text.starts_with("probe: ") && text.contains(word), "{text}");
        }
    }
}
