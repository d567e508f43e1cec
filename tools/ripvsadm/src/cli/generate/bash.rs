// SPDX-License-Identifier: GPL-2.0

//! The completion for bash.

use super::{alike, command_words, WRITTEN};
use crate::cli::options::{Command, Group, Offer, OptionDef, Spelling, COMMANDS, OPTIONS};
use crate::cli::subcommand::{Subcommand, SUBCOMMANDS};

/// The longest line.
const WIDTH: usize = 100;

pub fn completion() -> String {
    let names = SUBCOMMANDS.iter().map(|sub| sub.name.to_owned());
    let commands = COMMANDS.iter().flat_map(command_words);
    let commands: Vec<String> = commands.chain(names).collect();
    let services = OPTIONS.iter().filter(|def| def.group == Group::Services);
    let services: Vec<String> = services.flat_map(|def| def.spelling.all()).collect();
    format!(
        "# SPDX-License-Identifier: GPL-2.0\n\
         # Completion of ripvsadm for bash.\n\
         {WRITTEN}{HEAD}\
         \tlocal commands='{}'\n\
         \tlocal service='{}'\n\
         \tlocal words\n\n\
         \tCOMPREPLY=()\n\
         \tcase ${{COMP_WORDS[1]}}:$previous in\n\
         {}{}\
         \tesac\n\
         \tif [ -z \"$words\" ]; then\n\
         \t\tcase $COMP_CWORD:${{COMP_WORDS[1]}} in\n\
         \t\t1:*) words=$commands ;;\n\
         {}\
         \t\tesac\n\
         \tfi\n{TAIL}",
        fold(&commands, 2),
        services.join(" "),
        SUBCOMMANDS
            .iter()
            .copied()
            .map(values_of)
            .collect::<String>(),
        values(),
        cases(),
    )
}

/// Words on lines that fit, the later ones indented by so many tabs.
fn fold(words: &[String], tabs: usize) -> String {
    let mut text = String::new();
    let mut column = 24;
    for word in words {
        if column + 1 + word.len() > WIDTH {
            text.push('\n');
            text.push_str(&"\t".repeat(tabs));
            column = 8 * tabs;
        } else if !text.is_empty() {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.len();
    }
    text
}

/// Returns what is offered behind options that have a value.
fn values() -> String {
    let mut text = String::new();
    let commands = COMMANDS.iter().filter_map(|def| {
        let value = def.value?;
        Some((def.spelling, value.offer))
    });
    // Where two commands offer the same, they share a line.
    let mut cases: Vec<(Vec<String>, String)> = Vec::new();
    let options = OPTIONS
        .iter()
        .filter_map(|def| Some((def.spelling, def.value?.offer)));
    for (spelling, offer) in options.chain(commands) {
        let Some(words) = offered(&spelling, offer) else {
            continue;
        };
        match cases.iter_mut().find(|(_, others)| *others == words) {
            Some((spellings, _)) => spellings.extend(spelling.all()),
            None => cases.push((spelling.all(), words)),
        }
    }
    for (spellings, words) in cases {
        let patterns: Vec<String> = spellings.iter().map(|word| format!("*:{word}")).collect();
        text.push_str(&format!("\t{}) words={words} ;;\n", patterns.join(" | ")));
    }
    text
}

/// Returns what is offered behind the options of a subcommand, and nothing of what the same
/// letters mean elsewhere.
fn values_of(sub: &Subcommand) -> String {
    let own = sub.documented().map(|def| (def.spelling, def.value));
    let shared = sub.shared().map(|def| (def.spelling, def.value));
    let mut text = String::new();
    for (spelling, value) in own.chain(shared) {
        let Some(value) = value else {
            continue;
        };
        let patterns = spelling.all();
        let patterns: Vec<String> = patterns
            .iter()
            .map(|word| format!("{}:{word}", sub.name))
            .collect();
        let offered = match value.offer {
            Offer::Files => FILES.to_owned(),
            offer => match offered(&spelling, offer) {
                Some(words) => format!("words={words}"),
                // No options in place of a value.
                None => "return".to_owned(),
            },
        };
        text.push_str(&format!("\t{}) {offered} ;;\n", patterns.join(" | ")));
    }
    format!("{text}\t{}:*) ;;\n", sub.name)
}

fn offered(spelling: &Spelling, offer: Offer) -> Option<String> {
    match offer {
        Offer::Nothing | Offer::Hosts | Offer::Files => None,
        Offer::Words([word]) => Some((*word).to_owned()),
        Offer::Words(words) | Offer::Flags(words) => Some(format!("'{}'", words.join(" "))),
        Offer::Services => Some(format!("$(_ripvsadm_services {})", spelling.shortest())),
        Offer::Interfaces => Some("$(cd /sys/class/net 2>/dev/null && echo *)".to_owned()),
    }
}

/// The options of each command.
fn cases() -> String {
    let mut text = String::new();
    for (commands, options) in alike() {
        let patterns = commands.iter().flat_map(|def| {
            command_words(def)
                .into_iter()
                .map(|word| match def.command {
                    // Letters of options may be joined to it.
                    Command::List if !word.starts_with("--") => format!("*:{word}*"),
                    _ => format!("*:{word}"),
                })
        });
        let patterns: Vec<String> = patterns.collect();
        text.push_str(&format!(
            "\t\t{})\n\t\t\twords=\"{}\"\n\t\t\t;;\n",
            patterns.join(" | "),
            fold(&words(&options), 4)
        ));
    }
    for sub in SUBCOMMANDS {
        text.push_str(&case(sub));
    }
    text
}

/// The options and words of a subcommand.
fn case(sub: &Subcommand) -> String {
    let shared: Vec<&OptionDef> = sub.shared().collect();
    let mut all = words(&shared);
    all.extend(sub.documented().flat_map(|def| def.spelling.all()));
    all.push("--help".to_owned());
    let mut files = "";
    match sub.words.offer {
        Offer::Words(words) => all.extend(words.iter().map(|word| (*word).to_owned())),
        Offer::Files => files = "\t\t\t[[ $current = -* ]] || FILES\n",
        _ => {}
    }
    format!(
        "\t\t*:{})\n\t\t\twords=\"{}\"\n{}\t\t\t;;\n",
        sub.name,
        fold(&all, 4),
        files.replace("FILES", &format!("{{ {FILES}; }}")),
    )
}

/// The spellings of options; those of services are in a variable.
fn words(options: &[&OptionDef]) -> Vec<String> {
    let has_services = options.iter().any(|def| def.group == Group::Services);
    let rest = options.iter().filter(|def| def.group != Group::Services);
    let rest = rest.flat_map(|def| def.spelling.all());
    let services = has_services.then(|| "$service".to_owned());
    services.into_iter().chain(rest).collect()
}

/// Completes with the names of files, and ends.
const FILES: &str = r#"mapfile -t COMPREPLY < <(compgen -f -- "$current"); return"#;

const HEAD: &str = r#"
_ripvsadm_services() {
	# The services that there are, as -S names them; silent where they cannot be read.
	ripvsadm -S -n 2>/dev/null | while read -r command option service _; do
		[ "$command" = -A ] && [ "$option" = "$1" ] && echo "$service"
	done
}

_ripvsadm() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
"#;

const TAIL: &str = r#"	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
	# Addresses have colons, at which readline breaks words.
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$current"
	fi
}

complete -F _ripvsadm ripvsadm
"#;

#[test]
fn all_options_are_there() {
    let text = completion();
    let words: Vec<&str> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .collect();
    for spelling in super::all_spellings() {
        assert!(words.contains(&spelling.as_str()), "{spelling}");
    }
}
