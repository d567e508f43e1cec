// SPDX-License-Identifier: GPL-2.0

//! The table of commands, in the order in which they are documented.

use super::{Command, CommandDef, Offer, Opt, Spelling, Value};

/// Values of the fields that most commands leave out.
const PLAIN: CommandDef = CommandDef {
    command: Command::Help,
    spelling: Spelling::new(&[], ""),
    value: None,
    requires: &[],
    synopsis: "",
    brief: "",
    help: "",
    manual: "",
};

/// The value of `--start-daemon` and `--stop-daemon`.
const ROLE: Option<Value> = Value::offered(
    "ROLE",
    r"\fBmaster\fR|\fBbackup\fR",
    "role",
    Offer::Words(&["master", "backup"]),
);

pub const COMMANDS: &[CommandDef] = &[
    CommandDef {
        command: Command::AddService,
        spelling: Spelling::new(&['A'], "add-service"),
        requires: &[Opt::Service],
        synopsis: "SERVICE [service options]",
        brief: "add a service",
        manual: "Add a service.",
        ..PLAIN
    },
    CommandDef {
        command: Command::EditService,
        spelling: Spelling::new(&['E'], "edit-service"),
        requires: &[Opt::Service],
        synopsis: "SERVICE [service options]",
        brief: "change a service",
        manual: "Change a service.\nWhat is not given gets its default.",
        ..PLAIN
    },
    CommandDef {
        command: Command::DeleteService,
        spelling: Spelling::new(&['D'], "delete-service"),
        requires: &[Opt::Service],
        synopsis: "SERVICE",
        brief: "delete a service",
        manual: "Delete a service and its real servers.",
        ..PLAIN
    },
    CommandDef {
        command: Command::Clear,
        spelling: Spelling::new(&['C'], "clear"),
        brief: "delete all services",
        manual: "Delete all services.",
        ..PLAIN
    },
    CommandDef {
        command: Command::AddServer,
        spelling: Spelling::new(&['a'], "add-server"),
        requires: &[Opt::Service, Opt::Server],
        synopsis: "SERVICE -r SERVER [server options]",
        brief: "add a real server",
        manual: "Add a real server to a service.",
        ..PLAIN
    },
    CommandDef {
        command: Command::EditServer,
        spelling: Spelling::new(&['e'], "edit-server"),
        requires: &[Opt::Service, Opt::Server],
        synopsis: "SERVICE -r SERVER [server options]",
        brief: "change a real server",
        manual: "Change a real server.\nWhat is not given gets its default.",
        ..PLAIN
    },
    CommandDef {
        command: Command::DeleteServer,
        spelling: Spelling::new(&['d'], "delete-server"),
        requires: &[Opt::Service, Opt::Server],
        synopsis: "SERVICE -r SERVER",
        brief: "delete a real server",
        manual: "Remove a real server from its service.",
        ..PLAIN
    },
    CommandDef {
        command: Command::List,
        spelling: Spelling::new(&['L', 'l'], "list"),
        synopsis: "[SERVICE] [list options]",
        brief: "list the table",
        manual: r#"List the table, one service of it, or something else (see
.BR "List options" ).
.B ripvsadm
without a command does the same."#,
        ..PLAIN
    },
    CommandDef {
        command: Command::Zero,
        spelling: Spelling::new(&['Z'], "zero"),
        synopsis: "[SERVICE]",
        brief: "zero the counters",
        manual: "Zero the counters of a service, or all counters.",
        ..PLAIN
    },
    CommandDef {
        command: Command::Save,
        spelling: Spelling::new(&['S'], "save"),
        synopsis: "[-n]",
        brief: "print the table as commands",
        manual: r"Print the table as lines for
.BR \-R .
With
.BR \-n ,
addresses and ports are numbers.",
        ..PLAIN
    },
    CommandDef {
        command: Command::Restore,
        spelling: Spelling::new(&['R'], "restore"),
        brief: "run the commands on standard input",
        help: "run the commands on standard input, a line each; # is a comment",
        manual: "\
Carry out the lines of standard input, each a command line without the program's name, or with it.
Blank lines, and lines that begin with #, are skipped.
A line that the kernel refuses, or in which an option is unknown or lacks its value, is told with
its number, and the next one goes on.
A line that is no command line is told with its number and ends it.",
        ..PLAIN
    },
    CommandDef {
        command: Command::Set,
        spelling: Spelling::new(&[], "set"),
        value: Value::free("TCP FIN UDP", r"\fItcp tcpfin udp\fR", ""),
        brief: "set timeouts, in seconds",
        help: "set timeouts, in seconds; 0 keeps one",
        manual: "\
Set the timeouts, in seconds, of established TCP connections, of TCP connections after a FIN, and
of UDP.
0 keeps what is set.",
        ..PLAIN
    },
    CommandDef {
        command: Command::StartDaemon,
        spelling: Spelling::new(&[], "start-daemon"),
        value: ROLE,
        brief: "synchronise connections",
        help: "synchronise connections, ROLE is master or backup [daemon options]",
        manual: "\
Start the daemon that sends this director's connections to others, or receives theirs.",
        ..PLAIN
    },
    CommandDef {
        command: Command::StopDaemon,
        spelling: Spelling::new(&[], "stop-daemon"),
        value: ROLE,
        brief: "end synchronising",
        help: "end that",
        manual: "Stop it.",
        ..PLAIN
    },
    CommandDef {
        command: Command::Help,
        spelling: Spelling::new(&['h'], "help"),
        brief: "usage",
        help: "this text",
        manual: "Print all options.",
        ..PLAIN
    },
    CommandDef {
        command: Command::Version,
        spelling: Spelling::new(&['v'], "version"),
        brief: "the version",
        manual: "Print the version.",
        ..PLAIN
    },
];
