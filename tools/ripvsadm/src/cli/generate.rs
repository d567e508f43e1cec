// SPDX-License-Identifier: GPL-2.0

//! The manual page and the completions, as the tables of commands, options and subcommands have
//! them.
//!
//! The shipped files must be equal to what is generated here; `make ripvsadm-pages`, which runs the
//! test with `RIPVSADM_WRITE=1`, writes them.

mod bash;
mod fish;
mod manual;
mod zsh;

use std::fs;
use std::path::{Path, PathBuf};

use super::options::{Command, CommandDef, OptionDef, COMMANDS, OPTIONS};
use super::subcommand::SUBCOMMANDS;

/// Notice in a generated file, after its license.
const WRITTEN: &str = "\
# Written from the tables in src/cli: change those, then \"make ripvsadm-pages\".\n";

/// The commands that take any option, each with what it takes.
fn takers() -> Vec<(&'static CommandDef, Vec<&'static OptionDef>)> {
    let takes = |command: Command| {
        let taken = OPTIONS
            .iter()
            .filter(move |def| def.commands.contains(&command));
        taken.collect::<Vec<&OptionDef>>()
    };
    COMMANDS
        .iter()
        .map(|def| (def, takes(def.command)))
        .filter(|(_, options)| !options.is_empty())
        .collect()
}

/// Commands that take the same options, with these, in the order of their first ones.
fn alike() -> Vec<(Vec<&'static CommandDef>, Vec<&'static OptionDef>)> {
    let spelt = |options: &[&OptionDef]| -> Vec<String> {
        options.iter().flat_map(|def| def.spelling.all()).collect()
    };
    let mut groups: Vec<(Vec<&CommandDef>, Vec<&OptionDef>)> = Vec::new();
    for (command, options) in takers() {
        match groups
            .iter_mut()
            .find(|(_, others)| spelt(others) == spelt(&options))
        {
            Some((commands, _)) => commands.push(command),
            None => groups.push((vec![command], options)),
        }
    }
    groups
}

/// Returns how a command is written: `-A`, `--add-service`.
fn command_words(def: &CommandDef) -> Vec<String> {
    def.spelling.all()
}

/// All spellings of options, those of subcommands included.
fn all_spellings() -> impl Iterator<Item = String> {
    let grammar = OPTIONS.iter().map(|def| def.spelling);
    let of_subcommands = SUBCOMMANDS.iter().flat_map(|sub| sub.documented());
    let all = grammar.chain(of_subcommands.map(|def| def.spelling));
    all.flat_map(|spelling| spelling.all())
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Compares a file with what it should be, or writes it.
fn check(name: &str, wanted: &str) {
    let path = path(name);
    if std::env::var_os("RIPVSADM_WRITE").is_some() {
        fs::write(&path, wanted).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap();
    let mut lines = found.lines().zip(wanted.lines()).enumerate();
    if let Some((number, (found, wanted))) = lines.find(|(_, (found, wanted))| found != wanted) {
        panic!(
            "{name}, line {}: \"{found}\", and the tables say \"{wanted}\": \
             \"make ripvsadm-pages\" writes it",
            number + 1
        );
    }
    assert!(
        found == wanted,
        "{name} is longer or shorter than the tables say"
    );
}

#[test]
fn the_manual_page_is_what_the_tables_say() {
    let page = fs::read_to_string(path("ripvsadm.8")).unwrap();
    check("ripvsadm.8", &manual::page(&page));
}

#[test]
fn the_schema_is_what_apply_reads() {
    check("ripvsadm.schema.json", &crate::apply::schema());
}

#[test]
fn the_completions_are_what_the_tables_say() {
    check("completions/ripvsadm.bash", &bash::completion());
    check("completions/_ripvsadm", &zsh::completion());
    check("completions/ripvsadm.fish", &fish::completion());
}
