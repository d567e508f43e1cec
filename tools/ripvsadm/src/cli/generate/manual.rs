// SPDX-License-Identifier: GPL-2.0

//! The parts of the manual page that tell of commands, options and subcommands.

use crate::cli::options::{
    CommandDef, Group, Spelling, Value, COMMANDS, OPTIONS, SCHEDULERS, SCHEDULER_DEFAULT,
};
use crate::cli::subcommand::{SubOption, Subcommand, SUBCOMMANDS};

/// Lines before and behind the generated part of the synopsis.
const SYNOPSIS_BEGIN: &str = "\\fBripvsadm \\-\\-stop\\-daemon\\fR \\fBmaster\\fR|\\fBbackup\\fR\n";
const SYNOPSIS_END: &str = "\\fBripvsadm \\-h\\fR|\\fB\\-v\\fR\n";

/// Marks of the beginning and the end of the other generated part.
const BEGIN: &str = ".SH COMMANDS\n";
const END: &str = ".SH EXIT STATUS\n";

/// The longest line of the synopsis, and the indent of its further lines.
const WIDTH: usize = 92;
const INDENT: usize = 9;

const SECTIONS: [(Group, &str); 5] = [
    (Group::Services, ".SS Services"),
    (Group::Service, ".SS Service options"),
    (Group::Server, ".SS Real servers"),
    (Group::List, ".SS \"List options\""),
    (Group::Daemon, ".SS \"Daemon options\""),
];

/// The page with its sections of commands and options made anew.
pub fn page(page: &str) -> String {
    let (before, rest) = page.split_once(SYNOPSIS_BEGIN).unwrap();
    let (_, rest) = rest.split_once(SYNOPSIS_END).unwrap();
    let (between, rest) = rest.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let synopses: String = SUBCOMMANDS.iter().copied().map(synopsis).collect();
    let mut text = format!("{before}{SYNOPSIS_BEGIN}{synopses}{SYNOPSIS_END}{between}{BEGIN}");
    for def in COMMANDS {
        text.push_str(&command(def));
    }
    text.push_str(".SH OPTIONS\n");
    for (group, heading) in SECTIONS {
        text.push_str(&format!("{heading}\n"));
        text.push_str(&options(group));
    }
    text.push_str(
        ".SH SUBCOMMANDS\n\
         .B ripvsadm\n.I subcommand\n.B \\-\\-help\nprints the options of one.\n",
    );
    text.extend(SUBCOMMANDS.iter().copied().map(subcommand));
    format!("{text}{END}{after}")
}

fn command(def: &CommandDef) -> String {
    let head = head(&[(&def.spelling, def.value.as_ref())]);
    paragraph(&head, def.manual)
}

/// The section of a subcommand.
fn subcommand(sub: &Subcommand) -> String {
    let mut text = format!(".SS {}\n{}\n", sub.name, sub.manual);
    let shared: Vec<_> = sub.shared().collect();
    if !shared.is_empty() {
        let names = shared.iter().map(|def| (&def.spelling, def.value.as_ref()));
        let names: Vec<_> = names.collect();
        text.push_str(&paragraph(&head(&names), "As for the commands above."));
    }
    for def in sub.documented() {
        let head = head(&[(&def.spelling, def.value.as_ref())]);
        text.push_str(&paragraph(&head, def.manual));
    }
    if !sub.notes.is_empty() {
        text.push_str(&format!(".PP\n{}\n", sub.notes));
    }
    text
}

/// The lines of a subcommand in the synopsis.
fn synopsis(sub: &Subcommand) -> String {
    let shared = sub
        .shared()
        .map(|def| part(&def.spelling, def.value.as_ref(), false));
    let own = |def: &SubOption| part(&def.spelling, def.value.as_ref(), def.repeats);
    let options = shared.chain(sub.documented().map(own));
    let words = Some(sub.words.manual.to_owned()).filter(|words| !words.is_empty());
    let mut text = format!("\\fBripvsadm {}\\fR", sub.name);
    let mut column = visible(&text);
    for part in options.chain(words) {
        if column + 1 + visible(&part) > WIDTH {
            text.push_str(&format!("\n{:INDENT$}", ""));
            column = INDENT;
        } else {
            text.push(' ');
            column += 1;
        }
        column += visible(&part);
        text.push_str(&part);
    }
    text + "\n"
}

/// An option in the synopsis.
fn part(spelling: &Spelling, value: Option<&Value>, repeats: bool) -> String {
    let name = spelling.shortest().replace('-', "\\-");
    let value = value.map_or(String::new(), |value| format!(" {}", value.manual));
    let dots = if repeats { "..." } else { "" };
    format!("[\\fB{name}\\fR{value}]{dots}")
}

/// The number of columns that roff takes.
fn visible(roff: &str) -> usize {
    let fonts = ["\\fB", "\\fI", "\\fR"];
    let text = fonts
        .iter()
        .fold(roff.to_owned(), |text, font| text.replace(font, ""));
    text.replace('\\', "").len()
}

/// The paragraphs of a group. An option without one shares that of the next.
fn options(group: Group) -> String {
    let mut text = String::new();
    let mut names = Vec::new();
    for def in OPTIONS.iter().filter(|def| def.group == group) {
        names.push((&def.spelling, def.value.as_ref()));
        if !def.manual.is_empty() {
            let head = head(&names);
            text.push_str(&match def.spelling.long {
                "scheduler" => paragraph(&head, &format!("{}\n{}", def.manual, schedulers())),
                _ => paragraph(&head, def.manual),
            });
            names.clear();
        }
    }
    assert!(names.is_empty(), "the last option has no paragraph");
    text
}

fn paragraph(head: &str, body: &str) -> String {
    format!(".TP\n{head}\n{body}\n")
}

/// The line with the names of one or more options.
fn head(names: &[(&Spelling, Option<&Value>)]) -> String {
    let roff = |name: String| name.replace('-', "\\-");
    let spelt = |spelling: &Spelling| spelling.all().into_iter().map(roff);
    if names.iter().all(|(_, value)| value.is_none()) {
        let all: Vec<String> = names.iter().flat_map(|(name, _)| spelt(name)).collect();
        return match all.as_slice() {
            [one] => format!(".B {one}"),
            several => format!(".BR {}", several.join(" \", \" ")),
        };
    }
    let names = names.iter().map(|(spelling, value)| {
        let names: Vec<String> = spelt(spelling)
            .map(|name| format!("\\fB{name}\\fR"))
            .collect();
        let value = value.map_or(String::new(), |value| format!(" {}", value.manual));
        format!("{}{value}", names.join(", "))
    });
    names.collect::<Vec<String>>().join(", ")
}

/// All schedulers, each on a line.
fn schedulers() -> String {
    let mut lines = Vec::new();
    for (place, name) in SCHEDULERS.iter().enumerate() {
        let end = if place + 1 == SCHEDULERS.len() {
            "."
        } else {
            ","
        };
        lines.push(match *name {
            SCHEDULER_DEFAULT => format!(".B {name}\n(the default){end}"),
            name => format!(".BR {name} {end}"),
        });
    }
    lines.join("\n")
}
