// SPDX-License-Identifier: GPL-2.0

//! Options of `top` and their parser.

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt};

use crate::cli::options::{Meaning, OptionDef, TopOption, TOP};
use crate::cli::value;
use crate::error::Error;

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

/// Parses the words after `top`.
///
/// # Errors
/// [`Error::Syntax`] and [`Error::Argument`], which name the word that is wrong.
pub fn read(words: &[OsString]) -> Result<Options, Error> {
    let mut options = Options::default();
    let mut parser = Parser::from_args(words.iter().cloned());
    let syntax = |error: lexopt::Error| Error::Syntax(format!("top: {error}; see ripvsadm -h"));
    while let Some(arg) = parser.next().map_err(syntax)? {
        let option = match OptionDef::find(&arg, TOP).map(|def| def.meaning) {
            Some(Meaning::Top(option)) => option,
            // It never asks for names.
            _ if matches!(arg, Arg::Short('n') | Arg::Long("numeric")) => continue,
            _ => return Err(syntax(arg.unexpected())),
        };
        let text = parser.value().and_then(ValueExt::string).map_err(syntax)?;
        match option {
            TopOption::Delay => {
                options.delay = value::number_u32(&text, "top: delay in seconds", 1, 3600)?;
            }
            TopOption::Count => {
                options.count = Some(value::number_u32(&text, "top: count", 1, u32::MAX)?);
            }
            TopOption::Sort => {
                options.key = Key::named(&text).ok_or_else(|| {
                    let names = Key::ALL.map(|key| key.name().to_lowercase()).join(", ");
                    Error::Argument(format!("top: no column \"{text}\"; there are {names}"))
                })?;
            }
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::Offer;

    fn parse(line: &str) -> Result<Options, Error> {
        let words: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        read(&words)
    }

    #[test]
    fn columns_are_offered() {
        let offers = TOP
            .iter()
            .filter_map(|def| def.value)
            .map(|value| value.offer);
        let columns = Key::ALL.map(|key| key.name().to_lowercase());
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        assert!(offers.into_iter().any(|offer| match offer {
            Offer::Words(words) => words == columns,
            _ => false,
        }));
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
            ("x", 255, "\"x\""),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), code, "{line}");
            assert!(error.to_string().contains(word), "{line}: {error}");
        }
    }
}
