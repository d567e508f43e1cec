// SPDX-License-Identifier: GPL-2.0

//! Standard output: listings, in colour only if it is a terminal.

use std::env;
use std::io::{self, IsTerminal, Write};

use crate::error::Error;

const HEADING: &str = "\x1b[1m";
const SERVICE: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

/// Prints a listing. `-n` is for scripts, so what is `numeric` has no colour.
///
/// # Errors
/// [`Error::Stream`], but not for a pipe that its reader has closed.
pub fn print(text: &str, numeric: bool) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    let coloured = !numeric && stdout.is_terminal() && may_colour();
    let written = match coloured {
        true => stdout.write_all(paint(text).as_bytes()),
        false => stdout.write_all(text.as_bytes()),
    };
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Returns whether NO_COLOR permits colours.
pub fn may_colour() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Colours headings and services.
fn paint(text: &str) -> String {
    const HEADINGS: [&str; 4] = ["IP Virtual", "Prot ", "  -> RemoteAddress", "IPVS "];
    const SERVICES: [&str; 4] = ["TCP  ", "UDP  ", "SCTP ", "FWM  "];
    let mut painted = String::with_capacity(text.len() * 2);
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        let starts = |with: &[&str]| with.iter().any(|start| line.starts_with(start));
        let colour = match () {
            () if starts(&HEADINGS) || line.starts_with("pro expire") => HEADING,
            () if starts(&SERVICES) => SERVICE,
            () => "",
        };
        match colour {
            "" => painted.push_str(line),
            _ => painted.extend([colour, line, RESET]),
        }
        painted.push_str(end);
    }
    painted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_no_text() {
        let text = "IP Virtual Server version 1.2.1 (size=4096)\n\
            Prot LocalAddress:Port Scheduler Flags\n\
            TCP  192.0.2.1:80 rr\n  -> 198.51.100.1:80\n-A -t x";
        let painted = paint(text);
        assert!(painted.contains("\x1b[36mTCP  192.0.2.1:80 rr\x1b[0m\n"));
        let plain = [HEADING, SERVICE, RESET]
            .iter()
            .fold(painted, |p, code| p.replace(code, ""));
        assert_eq!(plain, text);
    }
}
