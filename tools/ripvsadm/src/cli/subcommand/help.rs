// SPDX-License-Identifier: GPL-2.0

//! The text of `ripvsadm NAME --help`.

use super::Subcommand;
use crate::cli::options::{Spelling, Value};

/// The column where the help of an option begins.
const COLUMN: usize = 31;
/// The longest line.
const WIDTH: usize = 100;

/// The text of `ripvsadm NAME --help`.
pub fn usage(sub: &Subcommand) -> String {
    let line = format!("usage: ripvsadm {} [OPTIONS] {}", sub.name, sub.words.help);
    let mut text = format!("{}\n\n{}\n", line.trim_end(), fold(sub.help, 0));
    for def in sub.shared() {
        text.push_str(&option(&def.spelling, def.value.as_ref(), def.brief));
    }
    for def in sub.options.iter().filter(|def| !def.hidden) {
        let help = if def.help.is_empty() {
            def.brief
        } else {
            def.help
        };
        text.push_str(&option(&def.spelling, def.value.as_ref(), help));
    }
    text.push_str(&option(&Spelling::new(&['h'], "help"), None, "this text"));
    text
}

/// The lines of an option.
fn option(spelling: &Spelling, value: Option<&Value>, help: &str) -> String {
    let blanks = if spelling.short.is_empty() {
        "    "
    } else {
        ""
    };
    let value = value.map_or(String::new(), |value| format!(" {}", value.help));
    let name = format!("  {blanks}{}{value}", spelling.all().join(", "));
    let help = fold(help, COLUMN);
    let help = help.trim_start();
    // A long name has a line of its own.
    match name.len() < COLUMN {
        true => format!("{name:<COLUMN$}{help}"),
        false => format!("{name}\n{:COLUMN$}{help}", ""),
    }
}

/// Text on lines that fit, all of them indented.
fn fold(text: &str, indent: usize) -> String {
    let mut folded = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        if column > 0 && column + 1 + word.len() <= WIDTH {
            folded.push(' ');
            column += 1;
        } else {
            if column > 0 {
                folded.push('\n');
            }
            folded.push_str(&" ".repeat(indent));
            column = indent;
        }
        folded.push_str(word);
        column += word.len();
    }
    folded.push('\n');
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::subcommand::SUBCOMMANDS;

    #[test]
    fn all_options_are_told_on_lines_that_fit() {
        for sub in SUBCOMMANDS {
            let usage = usage(sub);
            let told: Vec<&str> = usage
                .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
                .collect();
            let own = sub.documented().map(|def| def.spelling);
            let shared = sub.shared().map(|def| def.spelling);
            for spelling in own.chain(shared).flat_map(|spelling| spelling.all()) {
                assert!(told.contains(&spelling.as_str()), "{} {spelling}", sub.name);
            }
            for line in usage.lines() {
                assert!(line.len() <= WIDTH && line.trim_end() == line, "{line}");
            }
        }
    }
}
