// SPDX-License-Identifier: GPL-2.0

//! The sections of the manual page that tell of commands and options.

use crate::cli::options::{
    Command, CommandDef, Group, OptionDef, Spelling, Value, COMMANDS, OPTIONS, SCHEDULERS,
    SCHEDULER_DEFAULT, TOP,
};

/// Marks of the beginning and the end of the generated part.
const BEGIN: &str = ".SH COMMANDS\n";
const END: &str = ".PP\nKeys:\n";

const SECTIONS: [(Group, &str); 5] = [
    (Group::Services, ".SS Services"),
    (Group::Service, ".SS Service options"),
    (Group::Server, ".SS Real servers"),
    (Group::List, ".SS \"List options\""),
    (Group::Daemon, ".SS \"Daemon options\""),
];

/// The page with its sections of commands and options made anew.
pub fn page(page: &str) -> String {
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let mut text = format!("{before}{BEGIN}");
    for def in COMMANDS {
        text.push_str(&command(def));
    }
    text.push_str(".SH OPTIONS\n");
    for (group, heading) in SECTIONS {
        text.push_str(&format!("{heading}\n"));
        text.push_str(&options(OPTIONS, group));
    }
    text.push_str(".SH TOP\n");
    text.push_str(&options(TOP, Group::Top));
    format!("{text}{END}{after}")
}

fn command(def: &CommandDef) -> String {
    let head = match def.command {
        Command::Top => format!(".B {}", def.spelling.long),
        _ => head(&[(&def.spelling, def.value.as_ref())]),
    };
    paragraph(&head, def.manual)
}

/// The paragraphs of a group. An option without one shares that of the next.
fn options(table: &[OptionDef], group: Group) -> String {
    let mut text = String::new();
    let mut names = Vec::new();
    for def in table.iter().filter(|def| def.group == group) {
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
