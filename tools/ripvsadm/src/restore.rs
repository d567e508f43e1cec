// SPDX-License-Identifier: GPL-2.0

//! `-R`: the command lines of a file, one after the other.
//!
//! As with ipvsadm, a line that the kernel refuses is reported and the next one goes on, a line
//! that is no command line ends it, and the exit code is the last line's.

use std::ffi::OsString;
use std::io::{self, BufRead};

use ipvs_netlink::Client;

use crate::cli;
use crate::error::Error;
use crate::model::Action;
use crate::names::System;
use crate::run;

/// Runs the lines of standard input.
///
/// # Errors
/// [`Error::Stream`] where there is no reading it. What is wrong with a line is told on standard
/// error, with its number, and is in the exit code.
pub fn restore(client: &mut Client, names: &System) -> Result<u8, Error> {
    let mut code = 0;
    for (index, line) in io::stdin().lock().lines().enumerate() {
        let line = line?;
        let words = words(&line);
        if words.is_empty() {
            continue;
        }
        let result = match cli::parse(&words, names) {
            Ok(action @ (Action::Help | Action::Version)) => {
                return run::perform(action, client, names).map(|()| 0);
            }
            Ok(action) => run::perform(action, client, names),
            Err(error) => Err(error),
        };
        code = match result {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("ripvsadm: line {}: {error}", index + 1);
                if error.is_final() {
                    return Ok(error.exit_code());
                }
                error.exit_code()
            }
        };
    }
    Ok(code)
}

/// The words of a line: none for an empty one or a comment, and without the program's name,
/// which may come first.
fn words(line: &str) -> Vec<OsString> {
    if line.trim_start().starts_with('#') {
        return Vec::new();
    }
    let mut words = line.split_ascii_whitespace().peekable();
    words.next_if(|first| matches!(*first, "ipvsadm" | "ripvsadm"));
    words.map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<String> {
        words(line)
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect()
    }

    #[test]
    fn lines() {
        assert_eq!(
            split("-A -t 192.0.2.1:80\t-s  rr \r"),
            ["-A", "-t", "192.0.2.1:80", "-s", "rr"]
        );
        assert_eq!(split("ipvsadm -C"), ["-C"]);
        assert_eq!(split("  ripvsadm -C"), ["-C"]);
        for line in ["", "   ", "# -C", "  # -C", "#", "ipvsadm"] {
            assert!(split(line).is_empty(), "{line:?}");
        }
    }
}
