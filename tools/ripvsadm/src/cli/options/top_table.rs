// SPDX-License-Identifier: GPL-2.0

//! The table of the options of `top`, in the order of the manual page.

use super::{table::PLAIN, Command, Group, Meaning, Offer, OptionDef, Spelling, TopOption, Value};

/// The columns that `top` sorts by, in lower case.
const TOP_KEYS: &[&str] = &[
    "cps", "inpps", "outpps", "inbps", "outbps", "active", "conns", "name",
];

/// The options of `top`.
pub const TOP: &[OptionDef] = &[
    OptionDef {
        meaning: Meaning::Top(TopOption::Delay),
        spelling: Spelling::new(&['d'], "delay"),
        value: Value::free("SECONDS (2)", r"\fIseconds\fR", "seconds"),
        group: Group::Top,
        commands: &[Command::Top],
        brief: "time between two looks",
        manual: "\
Time between two looks at the kernel; 2, which is how often the kernel makes new rates.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Top(TopOption::Sort),
        spelling: Spelling::new(&['o'], "sort"),
        value: Value::offered(
            "cps|inpps|outpps|inbps|outbps|active|conns|name (cps)",
            r"\fIcolumn\fR",
            "column",
            Offer::Words(TOP_KEYS),
        ),
        group: Group::Top,
        commands: &[Command::Top],
        brief: "sorted by",
        manual: "\
.BR cps ,
.BR inpps ,
.BR outpps ,
.BR inbps ,
.BR outbps ,
.BR active ,
.B conns
or
.BR name .",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Top(TopOption::Count),
        spelling: Spelling::new(&['c'], "count"),
        value: Value::free("N", r"\fIcount\fR", "number"),
        group: Group::Top,
        commands: &[Command::Top],
        brief: "end after so many looks",
        help: "end after N looks; elsewhere than at a terminal it is one",
        manual: "End after so many looks.",
        ..PLAIN
    },
];
