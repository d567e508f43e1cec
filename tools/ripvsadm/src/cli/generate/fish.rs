// SPDX-License-Identifier: GPL-2.0

//! The completion for fish.

use super::{all_options, command_words, WRITTEN};
use crate::cli::options::{
    Command, CommandDef, Group, Offer, OptionDef, Spelling, Value, COMMANDS, OPTIONS,
};

pub fn completion() -> String {
    let services = OPTIONS.iter().find(|def| def.group == Group::Services);
    let with_service = services.map_or(&[][..], |def| def.commands);
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
    text.push_str(&format!(
        "\n# The commands that a service can be named with.\n\
         set -l has_service '{}'\n",
        condition(with_service)
    ));
    for def in all_options() {
        let condition = match def.group {
            Group::Services => "$has_service".to_owned(),
            _ => format!("'{}'", condition(def.commands)),
        };
        text.push_str(&complete(&condition, def));
    }
    text.push_str(
        "\ncomplete -c ripvsadm -n '__ripvsadm_is --start-daemon --stop-daemon; \
         and __ripvsadm_second' -a 'master backup'\n",
    );
    text
}

/// The condition that the command is one of these.
fn condition(commands: &[Command]) -> String {
    let defs = COMMANDS
        .iter()
        .filter(|def| commands.contains(&def.command));
    // -l is taken for -L.
    let words = defs.flat_map(command_words).filter(|word| word != "-l");
    format!("__ripvsadm_is {}", words.collect::<Vec<String>>().join(" "))
}

fn command(def: &CommandDef) -> String {
    let name = match def.command {
        Command::Top => format!(" -a {}", def.spelling.long),
        _ => name(&def.spelling),
    };
    format!(
        "complete -c ripvsadm -n $is_first{name} -d {}\n",
        quoted(def.brief)
    )
}

fn complete(condition: &str, def: &OptionDef) -> String {
    let value = def.value.as_ref();
    let (needs, offer) = match value {
        Some(Value {
            is_optional: false,
            offer,
            ..
        }) => (" -x", offered(&def.spelling, *offer)),
        _ => ("", String::new()),
    };
    format!(
        "complete -c ripvsadm -n {condition}{needs}{}{offer} -d {}\n",
        name(&def.spelling),
        quoted(def.brief)
    )
}

/// The spellings, as fish wants them.
fn name(spelling: &Spelling) -> String {
    let short = spelling.short.iter().map(|letter| format!(" -s {letter}"));
    short.chain([format!(" -l {}", spelling.long)]).collect()
}

fn offered(spelling: &Spelling, offer: Offer) -> String {
    match offer {
        Offer::Nothing | Offer::Hosts => String::new(),
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
