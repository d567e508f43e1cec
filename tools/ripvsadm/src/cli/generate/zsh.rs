// SPDX-License-Identifier: GPL-2.0

//! The completion for zsh.

use super::{alike, command_words, WRITTEN};
use crate::cli::options::{Command, Offer, OptionDef, Spelling, Value, COMMANDS};
use crate::cli::subcommand::{Subcommand, SUBCOMMANDS};

pub fn completion() -> String {
    let mut commands = String::new();
    for def in COMMANDS {
        let line = argument(&def.spelling, "", def.brief, None);
        commands.push_str(&format!("\t\t{line}\n"));
    }
    let names: Vec<String> = SUBCOMMANDS
        .iter()
        .map(|sub| format!("{}\\:\"{}\"", sub.name, sub.brief))
        .collect();
    let names = names.join(" ");
    let subcommands: String = SUBCOMMANDS.iter().copied().map(subcommand).collect();
    format!(
        "#compdef ripvsadm\n\
         # SPDX-License-Identifier: GPL-2.0\n\
         # Completion of ripvsadm for zsh.\n\
         {WRITTEN}{HEAD}{commands}\t)\n\n\
         \tif ((CURRENT == 2)); then\n\
         \t\t_arguments -s $commands '1:command:(({names}))'\n\
         {MIDDLE}{}{subcommands}{TAIL}",
        cases()
    )
}

/// A text between quotes that it does not have.
fn quoted(text: &str) -> String {
    match text.contains('\'') {
        true => format!("\"{text}\""),
        false => format!("'{text}'"),
    }
}

/// One specification for _arguments.
fn argument(spelling: &Spelling, excludes: &str, brief: &str, value: Option<&Value>) -> String {
    let all = spelling.all();
    let mut tail = format!("[{brief}]");
    if let Some(value) = value {
        let optional = if value.is_optional { ":" } else { "" };
        tail.push_str(&format!(":{optional}{}:", value.label));
        tail.push_str(&match value.offer {
            Offer::Nothing => String::new(),
            Offer::Words(words) => format!("({})", words.join(" ")),
            Offer::Flags(words) => format!("_values -s , flag {}", words.join(" ")),
            Offer::Services => format!(" _ripvsadm_services {}", spelling.shortest()),
            Offer::Hosts => "_hosts".to_owned(),
            Offer::Interfaces => "_net_interfaces".to_owned(),
            Offer::Files => "_files".to_owned(),
        });
    }
    let excludes = match excludes {
        "" => all.join(" "),
        excludes => excludes.to_owned(),
    };
    match all.as_slice() {
        [one] if excludes == *one => quoted(&format!("{one}{tail}")),
        [one] => quoted(&format!("({excludes}){one}{tail}")),
        several => format!("'({excludes})'{{{}}}{}", several.join(","), quoted(&tail)),
    }
}

/// Returns what each command takes.
fn cases() -> String {
    let mut text = String::new();
    for (commands, options) in alike() {
        // These have a word of their own before their options.
        if commands.iter().any(|def| def.value.is_some()) {
            continue;
        }
        let patterns = commands.iter().flat_map(|def| match def.command {
            // Letters of options may be joined to it.
            Command::List => vec!["-[Ll]*".to_owned(), "--list".to_owned()],
            _ => command_words(def),
        });
        let patterns: Vec<String> = patterns.collect();
        text.push_str(&format!(
            "\t{})\n\t\t_arguments{}\n\t\t;;\n",
            patterns.join(" | "),
            arguments(&options)
        ));
    }
    let daemons = alike();
    let daemons = daemons
        .iter()
        .find(|(commands, _)| commands.iter().any(|def| def.value.is_some()));
    let options = daemons.map_or(&[][..], |(_, options)| options);
    text.push_str(&format!(
        "\t--start-daemon | --stop-daemon)\n\
         \t\tif ((CURRENT == 2)); then\n\
         \t\t\tcompadd master backup\n\
         \t\telif [[ $command == --start-daemon ]]; then\n\
         \t\t\t_arguments{} \\\n\t\t\t'*: :'\n\
         \t\tfi\n\
         \t\t;;\n",
        arguments(options)
    ));
    text
}

/// Returns what a subcommand takes.
fn subcommand(sub: &Subcommand) -> String {
    let shared: Vec<&OptionDef> = sub.shared().collect();
    let own = sub.documented().map(|def| {
        let line = argument(&def.spelling, "", def.brief, def.value.as_ref());
        // zsh's star lets an option come again, in place of what excludes it.
        let line = match (def.repeats, line.find("'{")) {
            (true, Some(place)) => format!("'*{}", &line[place..]),
            (true, None) => line.replacen('\'', "'*", 1),
            (false, _) => line,
        };
        format!(" \\\n\t\t\t{line}")
    });
    let help = argument(&Spelling::new(&['h'], "help"), "", "usage", None);
    let words = match sub.words.offer {
        Offer::Words(words) => format!("'*:{}:({})'", sub.words.label, words.join(" ")),
        Offer::Files => format!("'*:{}:_files'", sub.words.label),
        _ => "'*: :'".to_owned(),
    };
    format!(
        "\t{})\n\t\t_arguments{}{} \\\n\t\t\t{help} \\\n\t\t\t{words}\n\t\t;;\n",
        sub.name,
        arguments(&shared),
        own.collect::<String>(),
    )
}

fn arguments(options: &[&OptionDef]) -> String {
    let lines = options.iter().map(|def| {
        let line = argument(&def.spelling, def.excludes, def.brief, def.value.as_ref());
        format!(" \\\n\t\t\t{line}")
    });
    lines.collect()
}

const HEAD: &str = r#"
# The services that there are, as -S names them; silent where they cannot be read.
_ripvsadm_services() {
	local -a services
	services=(${(f)"$(ripvsadm -S -n 2>/dev/null | sed -n "s/^-A $1 \([^ ]*\).*/\1/p")"})
	compadd -a services
}

_ripvsadm() {
	local -a commands
	commands=(
"#;

const MIDDLE: &str = "\t\treturn
\tfi
\t# The command needs no completion any more.
\tlocal command=$words[2]
\twords[2]=()
\t((CURRENT--))
\tcase $command in
";

const TAIL: &str = "\tesac
}

_ripvsadm \"$@\"
";
