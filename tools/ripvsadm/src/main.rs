// SPDX-License-Identifier: GPL-2.0

//! ripvsadm administers the Linux virtual server: ipvsadm's grammar, output and exit codes, for
//! rust_ipvs and for the C implementation alike.

mod apply;
mod cli;
mod connection;
mod conns;
mod drain;
mod error;
mod explain;
mod fetch;
mod metrics;
mod model;
mod monitor;
mod names;
mod output;
mod own;
mod perform;
mod restore;
mod run;
mod save;
mod sort;
mod top;
mod view;
mod why;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let names = names::System::default();
    match run::run(&arguments, &names) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("ripvsadm: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
