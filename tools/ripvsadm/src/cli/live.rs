// SPDX-License-Identifier: GPL-2.0

//! The options of `ripvsadm top`, which are its own.

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt};

use super::value;
use crate::error::Error;
use crate::live::{Key, Options};

/// Reads what stands behind `top`.
///
/// # Errors
/// [`Error::Syntax`] and [`Error::Argument`], which name the word that is wrong.
pub fn read(words: &[OsString]) -> Result<Options, Error> {
    let mut options = Options::default();
    let mut parser = Parser::from_args(words.iter().cloned());
    let syntax = |error: lexopt::Error| Error::Syntax(format!("top: {error}; see ripvsadm -h"));
    while let Some(arg) = parser.next().map_err(syntax)? {
        match arg {
            Arg::Short('d') | Arg::Long("delay") => {
                let text = parser.value().and_then(ValueExt::string).map_err(syntax)?;
                options.delay = value::number_u32(&text, "top: delay in seconds", 1, 3600)?;
            }
            Arg::Short('c') | Arg::Long("count") => {
                let text = parser.value().and_then(ValueExt::string).map_err(syntax)?;
                options.count = Some(value::number_u32(&text, "top: count", 1, u32::MAX)?);
            }
            Arg::Short('o') | Arg::Long("sort") => {
                let text = parser.value().and_then(ValueExt::string).map_err(syntax)?;
                options.key = Key::named(&text).ok_or_else(|| {
                    let names = Key::ALL.map(|key| key.name().to_lowercase()).join(", ");
                    Error::Argument(format!("top: no column \"{text}\"; there are {names}"))
                })?;
            }
            // It never asks for names.
            Arg::Short('n') | Arg::Long("numeric") => {}
            other => return Err(syntax(other.unexpected())),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Error> {
        let words: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        read(&words)
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
