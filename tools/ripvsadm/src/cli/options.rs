// SPDX-License-Identifier: GPL-2.0

//! The grammar's commands and options: one table of each, from which the parser, `-h`, the manual
//! page and the completions of three shells come. Subcommands have tables of their own, see
//! [`subcommand`](super::subcommand).

mod commands;
mod table;

use std::fmt;

use ipvs_netlink::{ForwardMethod, Protocol};
use lexopt::Arg;

pub use commands::COMMANDS;
pub use table::OPTIONS;

/// The schedulers of the kernel; `wlc` is the default.
pub const SCHEDULERS: &[&str] = &[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos",
];

/// The scheduler if none is given.
pub const SCHEDULER_DEFAULT: &str = "wlc";

/// A command: the first word of every command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    AddService,
    EditService,
    DeleteService,
    Clear,
    AddServer,
    EditServer,
    DeleteServer,
    List,
    Zero,
    Save,
    Restore,
    Set,
    StartDaemon,
    StopDaemon,
    Help,
    Version,
}

/// Options of commands. Each may be given once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opt {
    Service,
    Scheduler,
    Persistent,
    Netmask,
    Engine,
    SchedFlags,
    OnePacket,
    TimeoutTcp,
    TimeoutTcpFin,
    TimeoutUdp,
    Conntrack,
    ExpireNodest,
    ExpireQuiescent,
    FastPath,
    Server,
    Forward,
    Weight,
    UpperThreshold,
    LowerThreshold,
    TunnelType,
    TunnelPort,
    TunnelNoChecksum,
    TunnelChecksum,
    TunnelRemoteChecksum,
    Numeric,
    Connection,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    TunnelInfo,
    Exact,
    NoSort,
    Json,
    SyncId,
    SyncMaxLength,
    McastInterface,
    McastGroup,
    McastPort,
    McastTtl,
}

/// Meaning of an option to the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// `-t`, `-u`, `--sctp-service`.
    Service(Protocol),
    /// `-f`.
    Fwmark,
    /// `-6`.
    Ipv6,
    /// `-g`, `-i`, `-m`.
    Forward(ForwardMethod),
    /// `--sort`, which is the default and may be said anywhere.
    Sort,
    /// Any other.
    Plain(Opt),
}

/// Options that help and the manual page tell of together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Services,
    Service,
    Server,
    List,
    Daemon,
}

/// Completions that shells offer for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Nothing.
    Nothing,
    /// These.
    Words(&'static [&'static str]),
    /// These, with commas between them.
    Flags(&'static [&'static str]),
    /// The services that there are.
    Services,
    /// Hosts that the shell knows.
    Hosts,
    /// Network interfaces.
    Interfaces,
    /// Files.
    Files,
}

/// The value of an option or a command.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), allow(dead_code))]
pub struct Value {
    /// Its name in `-h`, with the default in parentheses where there is no text for it.
    pub help: &'static str,
    /// Its name in the manual page, in roff.
    pub manual: &'static str,
    /// Its name in the completion for zsh.
    pub label: &'static str,
    /// The option may stand without it.
    pub is_optional: bool,
    pub offer: Offer,
}

/// Spellings of a command or an option.
#[derive(Clone, Copy, Debug)]
pub struct Spelling {
    /// Letters behind one dash.
    pub short: &'static [char],
    /// The word behind two dashes.
    pub long: &'static str,
}

/// A command with its texts for help, manual page and completions.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), allow(dead_code))]
pub struct CommandDef {
    pub command: Command,
    pub spelling: Spelling,
    pub value: Option<Value>,
    /// Options that it requires.
    pub requires: &'static [Opt],
    /// Synopsis of its options in `-h`.
    pub synopsis: &'static str,
    /// A few words, for completions and `-h`.
    pub brief: &'static str,
    /// Text for `-h` if it differs from `brief`.
    pub help: &'static str,
    /// Its paragraph in the manual page, in roff.
    pub manual: &'static str,
}

/// An option with its texts for help, manual page and completions.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), allow(dead_code))]
pub struct OptionDef {
    pub meaning: Meaning,
    pub spelling: Spelling,
    pub value: Option<Value>,
    pub group: Group,
    /// The commands that it goes with.
    pub commands: &'static [Command],
    /// Further commands that accept it, as in ipvsadm; not documented.
    pub silent: &'static [Command],
    /// Name in error messages, before its shortest spelling; empty for the spelling alone.
    pub called: &'static str,
    /// Options that exclude each other, as zsh wants them.
    pub excludes: &'static str,
    pub brief: &'static str,
    pub help: &'static str,
    /// Its paragraph in the manual page, in roff; empty if the next option's paragraph covers it.
    pub manual: &'static str,
}

impl Value {
    /// A value that shells may offer something for.
    pub const fn offered(
        help: &'static str,
        manual: &'static str,
        label: &'static str,
        offer: Offer,
    ) -> Option<Value> {
        Some(Value {
            help,
            manual,
            label,
            is_optional: false,
            offer,
        })
    }

    /// A value that nothing is offered for.
    pub const fn free(
        help: &'static str,
        manual: &'static str,
        label: &'static str,
    ) -> Option<Value> {
        Value::offered(help, manual, label, Offer::Nothing)
    }

    /// A value that may be missing, and that nothing is offered for.
    const fn optional(
        help: &'static str,
        manual: &'static str,
        label: &'static str,
    ) -> Option<Value> {
        Some(Value {
            help,
            manual,
            label,
            is_optional: true,
            offer: Offer::Nothing,
        })
    }
}

impl Spelling {
    pub const fn new(short: &'static [char], long: &'static str) -> Self {
        Spelling { short, long }
    }

    /// True if an argument is written so.
    pub fn is(&self, arg: &Arg<'_>) -> bool {
        match arg {
            Arg::Short(letter) => self.short.contains(letter),
            Arg::Long(name) => *name == self.long,
            Arg::Value(_) => false,
        }
    }

    /// The first spelling, which is the shortest.
    pub fn shortest(&self) -> String {
        match self.short.first() {
            Some(letter) => format!("-{letter}"),
            None => format!("--{}", self.long),
        }
    }

    /// All spellings, with their dashes.
    pub fn all(&self) -> Vec<String> {
        let short = self.short.iter().map(|letter| format!("-{letter}"));
        short.chain([format!("--{}", self.long)]).collect()
    }
}

impl Command {
    fn def(self) -> Option<&'static CommandDef> {
        COMMANDS.iter().find(|def| def.command == self)
    }

    /// Recognises a command that is written as an option; `None` where the grammar has no such.
    pub fn recognise(arg: &Arg<'_>) -> Option<Command> {
        let mut commands = COMMANDS.iter();
        commands
            .find(|def| def.spelling.is(arg))
            .map(|def| def.command)
    }

    /// Returns what the command cannot do without.
    pub fn required(self) -> &'static [Opt] {
        self.def().map_or(&[], |def| def.requires)
    }
}

impl OptionDef {
    /// Finds an option in a table; `None` if there is no such.
    pub fn find(arg: &Arg<'_>, table: &'static [OptionDef]) -> Option<&'static OptionDef> {
        table.iter().find(|def| def.spelling.is(arg))
    }

    /// True if it goes with a command.
    pub fn goes_with(&self, command: Command) -> bool {
        self.commands.contains(&command) || self.silent.contains(&command)
    }

    /// Returns what of the grammar it is; `None` for what can be said anywhere, or changes another
    /// option.
    pub fn opt(&self) -> Option<Opt> {
        match self.meaning {
            Meaning::Service(_) | Meaning::Fwmark => Some(Opt::Service),
            Meaning::Forward(_) => Some(Opt::Forward),
            Meaning::Plain(opt) => Some(opt),
            Meaning::Ipv6 | Meaning::Sort => None,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spelling = self.def().map(|def| def.spelling.shortest());
        f.write_str(&spelling.unwrap_or_default())
    }
}

impl fmt::Display for Opt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Opt::Service => f.write_str("a service (-t, -u, --sctp-service or -f)"),
            Opt::Forward => f.write_str("a forwarding method (-g, -i or -m)"),
            opt => {
                let Some(def) = OPTIONS.iter().find(|def| def.opt() == Some(*opt)) else {
                    return Ok(());
                };
                match def.called {
                    "" => f.write_str(&def.spelling.shortest()),
                    called => write!(f, "{called} ({})", def.spelling.shortest()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_means_two_things() {
        let mut seen = Vec::new();
        let commands = COMMANDS.iter().flat_map(|def| def.spelling.all());
        for spelling in commands.chain(OPTIONS.iter().flat_map(|def| def.spelling.all())) {
            assert!(!seen.contains(&spelling), "{spelling}");
            seen.push(spelling);
        }
    }

    #[test]
    fn commands_take_what_they_require() {
        for def in COMMANDS {
            for opt in def.requires {
                let mut options = OPTIONS.iter().filter(|option| option.opt() == Some(*opt));
                assert!(
                    options.all(|option| option.goes_with(def.command)),
                    "{} {opt}",
                    def.command
                );
            }
        }
    }
}
