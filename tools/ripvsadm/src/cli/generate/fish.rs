// SPDX-License-Identifier: GPL-2.0

//! The completion for fish.

use super::{command_words, WRITTEN};
use crate::cli::options::{
    CommandDef, Group, Offer, OptionDef, Spelling, Value, COMMANDS, OPTIONS,
};
use crate::cli::subcommand::{Subcommand, SUBCOMMANDS};

pub fn completion() -> String {
    let services = OPTIONS.iter().find(|def| def.group == Group::Services);
    let mut text = format!(
        "# SPDX-License-Identifier: GPL-2.0\n\
         # Completion of ripvsadm for fish.\n\
         {WRITTEN}{HEAD}\
         complete -c ripvsadm -f\n\n\
         set -l is_first __ripvsadm_first\n"
    );
    for def in COMMANDS {
        text.push_str(&command(def));
    }
    for sub in SUBCOMMANDS {
        text.push_str(&format!(
            "complete -c ripvsadm -n $is_first -a {} -d {}\n",
            sub.name,
            quoted(sub.brief)
        ));
    }
    text.push_str(&format!(
        "\n# The commands that a service can be named with.\n\
         set -l has_service '{}'\n",
        services.map_or_else(String::new, condition)
    ));
    for def in OPTIONS {
        let condition = match def.group {
            Group::Services => "$has_service".to_owned(),
            _ => format!("'{}'", condition(def)),
        };
        text.push_str(&complete(
            &condition,
            &def.spelling,
            def.value.as_ref(),
            def.brief,
        ));
    }
    for sub in SUBCOMMANDS {
        text.push_str(&subcommand(sub));
    }
    text.push_str(
        "\ncomplete -c ripvsadm -n '__ripvsadm_is --start-daemon --stop-daemon; \
         and __ripvsadm_second' -a 'master backup'\n",
    );
    text
}

/// The condition that the command is one of those that take an option.
fn condition(option: &OptionDef) -> String {
    let defs = COMMANDS
        .iter()
        .filter(|def| option.commands.contains(&def.command));
    // -l is taken for -L.
    let words = defs.flat_map(command_words).filter(|word| word != "-l");
    let subs = SUBCOMMANDS
        .iter()
        .filter(|sub| sub.shared.contains(&option.spelling.long));
    let words = words.chain(subs.map(|sub| sub.name.to_owned()));
    format!("__ripvsadm_is {}", words.collect::<Vec<String>>().join(" "))
}

fn command(def: &CommandDef) -> String {
    format!(
        "complete -c ripvsadm -n $is_first{} -d {}\n",
        name(&def.spelling),
        quoted(def.brief)
    )
}

/// The words and the options of a subcommand that are its own.
fn subcommand(sub: &Subcommand) -> String {
    let condition = format!("'__ripvsadm_is {}'", sub.name);
    let mut text = String::new();
    match sub.words.offer {
        Offer::Words(words) => text.push_str(&format!(
            "complete -c ripvsadm -n {condition} -a {}\n",
            quoted(&words.join(" "))
        )),
        Offer::Files => text.push_str(&format!("complete -c ripvsadm -n {condition} -F\n")),
        _ => {}
    }
    for def in sub.documented() {
        let value = def.value.as_ref();
        text.push_str(&complete(&condition, &def.spelling, value, def.brief));
    }
    let help = Spelling::new(&['h'], "help");
    text + &complete(&condition, &help, None, "usage")
}

fn complete(condition: &str, spelling: &Spelling, value: Option<&Value>, brief: &str) -> String {
    let (needs, offer) = match value {
        Some(Value {
            is_optional: false,
            offer: Offer::Files,
            ..
        }) => (" -r -F", String::new()),
        Some(Value {
            is_optional: false,
            offer,
            ..
        }) => (" -x", offered(spelling, *offer)),
        _ => ("", String::new()),
    };
    format!(
        "complete -c ripvsadm -n {condition}{needs}{}{offer} -d {}\n",
        name(spelling),
        quoted(brief)
    )
}

/// The spellings, as fish wants them.
fn name(spelling: &Spelling) -> String {
    let short = spelling.short.iter().map(|letter| format!(" -s {letter}"));
    short.chain([format!(" -l {}", spelling.long)]).collect()
}

fn offered(spelling: &Spelling, offer: Offer) -> String {
    match offer {
        Offer::Nothing | Offer::Hosts | Offer::Files => String::new(),
        Offer::Words(words) | Offer::Flags(words) => format!(" -a {}", quoted(&words.join(" "))),
        Offer::Services => format!(" -a '(__ripvsadm_services {})'", spelling.shortest()),
        Offer::Interfaces => " -a '(__fish_print_interfaces)'".to_owned(),
    }
}

/// A text as one word.
fn quoted(text: &str) -> String {
    match text.contains(|c: char| !c.is_ascii_alphanumeric()) {
        true => format!("'{}'", text.replace('\'', "\\'")),
        false => text.to_owned(),
    }
}

const HEAD: &str = r#"
# Whether the command, which is the first word, is one of those named; -Ln and the like are -L.
function __ripvsadm_is
    set -l words (commandline -opc)
    contains -- (string replace -r '^-[Ll].*' -- -L "$words[2]") $argv
end

function __ripvsadm_first
    test (count (commandline -opc)) -eq 1
end

function __ripvsadm_second
    test (count (commandline -opc)) -eq 2
end

# The services that there are, as -S names them; silent where they cannot be read.
function __ripvsadm_services
    ripvsadm -S -n 2>/dev/null | string replace -rf "^-A $argv[1] (\S+).*" '$1'
end

"#;
