// SPDX-License-Identifier: GPL-2.0

//! The text of `-h` and `-v`, laid out from the tables of commands, options and subcommands.

use super::options::{
    CommandDef, OptionDef, Spelling, Value, COMMANDS, OPTIONS, SCHEDULERS, SCHEDULER_DEFAULT,
};
use super::subcommand::{Subcommand, SUBCOMMANDS};

/// The columns where help begins: behind short names, and behind long ones.
const NEAR: usize = 25;
const FAR: usize = 32;
/// Columns left blank for an option without a short name.
const INDENT: usize = 4;
/// Behind the help of a command: what goes with it.
const SYNOPSIS: usize = 30;
/// Behind the help of an option that shares its line.
const BESIDE: usize = 17;
/// Behind the second name of a line of names.
const SECOND: usize = 19;
/// The longest line.
const WIDTH: usize = 100;

/// A line, or more, of a group of options: those named by their long spellings.
enum Row {
    /// An option and its help.
    One(&'static str),
    /// Two options and their help.
    Two(&'static str, &'static str),
    /// Options by their names alone, in columns of these widths.
    Names(&'static [&'static str], [usize; 2]),
    /// Options by their names alone, and the last one's help below them.
    Together(&'static [&'static str]),
}

use Row::{Names, One, Together, Two};

const SERVICES: &[Row] = &[
    Names(&["tcp-service", "udp-service", "sctp-service"], [FAR, FAR]),
    One("fwmark-service"),
];

const SERVICE: &[Row] = &[
    One("scheduler"),
    One("persistent"),
    One("netmask"),
    One("pe"),
    One("sched-flags"),
    One("ops"),
    One("timeout-tcp"),
    One("timeout-tcp-fin"),
    One("timeout-udp"),
    One("conntrack"),
    One("expire-nodest"),
    One("expire-quiescent"),
    One("fast-path"),
];

const SERVER: &[Row] = &[
    One("real-server"),
    One("gatewaying"),
    One("masquerading"),
    One("ipip"),
    One("tun-type"),
    One("tun-port"),
    Together(&["tun-nocsum", "tun-csum", "tun-remcsum"]),
    One("weight"),
    One("u-threshold"),
    One("l-threshold"),
];

const LIST: &[Row] = &[
    One("numeric"),
    Two("connection", "timeout"),
    Two("daemon", "stats"),
    Two("rate", "exact"),
    Two("thresholds", "persistent-conn"),
    Two("tun-info", "nosort"),
    One("json"),
];

const DAEMON: &[Row] = &[
    Names(
        &["mcast-interface", "syncid", "sync-maxlen"],
        [FAR + INDENT, NEAR],
    ),
    Names(
        &["mcast-group", "mcast-port", "mcast-ttl"],
        [FAR + INDENT, NEAR],
    ),
];

/// The text of `-h`.
pub fn usage() -> String {
    let commands: String = COMMANDS.iter().map(command).collect();
    format!(
        "{}usage: ripvsadm COMMAND [SERVICE] [OPTIONS]\n\n\
         commands\n{commands}\
         Without a command the table is listed.\n\n\
         subcommands, of which \"ripvsadm SUBCOMMAND --help\" tells more\n{}\n\
         SERVICE is one of\n{}\
         HOST is a name or an address, an IPv6 address with a port is [ADDRESS]:PORT,\n\
         PORT is a number or a name.\n\n\
         service options\n{}\n\
         server options\n{}\n\
         list options\n{}\n\
         daemon options\n{}\n\
         Exit codes: 0 done; 1 nothing to list; 2 a wrong argument, no IPVS or no privilege; 255 refused\n\
         by the kernel, or no command line at all.\n",
        version(),
        SUBCOMMANDS.iter().copied().map(subcommand).collect::<String>(),
        rows(SERVICES),
        rows(SERVICE),
        rows(SERVER),
        rows(LIST),
        rows(DAEMON),
    )
}

/// The text of `-v`.
pub fn version() -> String {
    format!(
        "ripvsadm {} (grammar of ipvsadm 1.31)\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Spellings and value: `-w, --weight N`, `    --pe NAME`.
fn name(spelling: &Spelling, value: Option<&Value>) -> String {
    let mut name = match spelling.short.is_empty() {
        true => format!("    {}", spelling.all().join(", ")),
        false => spelling.all().join(", "),
    };
    if let Some(value) = value {
        name.push(' ');
        name.push_str(value.help);
    }
    name
}

/// The line of a command.
fn command(def: &CommandDef) -> String {
    let name = name(&def.spelling, def.value.as_ref());
    let help = help(def.help, def.brief);
    let line = format!("  {name:<NEAR$}{help:<SYNOPSIS$}{}", def.synopsis);
    format!("{}\n", line.trim_end())
}

/// The line of a subcommand.
fn subcommand(sub: &Subcommand) -> String {
    format!("  {:<NEAR$}{}\n", sub.name, sub.brief)
}

fn help(help: &'static str, brief: &'static str) -> &'static str {
    match help {
        "" => brief,
        help => help,
    }
}

/// The lines of a group.
fn rows(rows: &[Row]) -> String {
    let def = |long: &&str| OPTIONS.iter().find(|def| def.spelling.long == *long);
    let name = |def: &OptionDef| name(&def.spelling, def.value.as_ref());
    let mut text = String::new();
    for row in rows {
        let line = match row {
            One(long) => def(long).map_or_else(String::new, |def| one(&name(def), def)),
            Two(first, second) => {
                let (Some(first), Some(second)) = (def(first), def(second)) else {
                    continue;
                };
                let (left, right) = (name(first), name(second));
                format!(
                    "  {left:<NEAR$}{:<BESIDE$}{:<SECOND$}{}",
                    first.brief,
                    right.trim_start(),
                    second.brief,
                )
            }
            Names(longs, [first, second]) => {
                let names: Vec<String> = longs.iter().filter_map(def).map(name).collect();
                let widths = [*first, *second, 0];
                let mut line = String::from("  ");
                for (place, (name, width)) in names.iter().zip(widths).enumerate() {
                    // Only the first name keeps the blanks in place of a missing short one.
                    let name = if place == 0 { name } else { name.trim_start() };
                    line.push_str(&format!("{name:<width$}"));
                }
                line
            }
            Together(longs) => {
                let defs: Vec<&OptionDef> = longs.iter().filter_map(def).collect();
                let names: Vec<String> = defs.iter().map(|def| def.spelling.shortest()).collect();
                let help = defs.last().map_or("", |def| help(def.help, def.brief));
                format!("      {}\n  {:NEAR$}{help}", names.join(", "), "")
            }
        };
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The line, or lines, of an option.
fn one(name: &str, def: &OptionDef) -> String {
    let width = if name.len() < NEAR { NEAR } else { FAR };
    let help = match def.spelling.long {
        "scheduler" => schedulers(),
        _ => help(def.help, def.brief).to_owned(),
    };
    format!("  {name:<width$}{help}")
}

/// All schedulers, on as many lines as they need.
fn schedulers() -> String {
    let mut text = String::new();
    let mut column = NEAR + 2;
    for (place, name) in SCHEDULERS.iter().enumerate() {
        let mut word = match *name {
            SCHEDULER_DEFAULT => format!("{name} (the default)"),
            name => name.to_owned(),
        };
        if place + 1 < SCHEDULERS.len() {
            word.push(',');
        }
        if column + 1 + word.len() > WIDTH {
            text.push_str(&format!("\n  {:NEAR$}", ""));
            column = NEAR + 2;
        } else if place > 0 {
            text.push(' ');
            column += 1;
        }
        column += word.len();
        text.push_str(&word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_option_is_told() {
        let usage = usage();
        let told: Vec<&str> = usage
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .collect();
        let options = OPTIONS.iter().map(|def| def.spelling);
        let commands = COMMANDS.iter().map(|def| def.spelling);
        // What is the default anyway is not worth a line.
        let spellings = options.chain(commands).flat_map(|spelling| spelling.all());
        let told_elsewhere = ["--ipv6", "--sort"];
        for spelling in spellings.filter(|spelling| !told_elsewhere.contains(&spelling.as_str())) {
            assert!(told.contains(&spelling.as_str()), "{spelling}");
        }
        for sub in SUBCOMMANDS {
            assert!(told.contains(&sub.name), "{}", sub.name);
        }
        for scheduler in SCHEDULERS {
            assert!(told.contains(scheduler), "{scheduler}");
        }
    }

    #[test]
    fn columns_do_not_touch() {
        let usage = usage();
        for (place, _) in usage.match_indices("--") {
            assert!(usage[..place].ends_with(' '), "{}", &usage[..place + 9]);
        }
    }

    #[test]
    fn lines_fit() {
        for line in usage().lines() {
            assert!(line.len() <= WIDTH, "{line}");
        }
    }
}
