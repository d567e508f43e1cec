// SPDX-License-Identifier: GPL-2.0

//! Command line: selects models, runs them and reports the results.

use crate::models::{
    How,
    Model,
    ANY,
    MODELS, //
};
use engine::{
    explore,
    random,
    Bounds,
    Report, //
};
use std::process::{
    Child,
    Command,
    ExitCode,
    Stdio, //
};

const USAGE: &str = "\
usage: model [--long] [--jobs N] [NAME…]
Runs the models whose names contain one of the NAMEs; all, if there are none. Each has a process of
its own, and N run at once. The last line is \"N passed, M failed\". --long allows two interruptions
more, and twenty times as many executions at random.";

/// Command line options.
#[derive(Default)]
struct Options {
    long: bool,
    jobs: usize,
    /// Model that this process runs, if only one.
    only: Option<String>,
    names: Vec<String>,
}

fn options() -> Option<Options> {
    let mut options = Options {
        jobs: 1,
        ..Options::default()
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--long" => options.long = true,
            "--jobs" => options.jobs = arguments.next()?.parse().ok().filter(|&jobs| jobs > 0)?,
            "--only" => options.only = Some(arguments.next()?),
            word if word.starts_with('-') => return None,
            _ => options.names.push(argument),
        }
    }
    Some(options)
}

/// Runs a model; returns a description of the run and its report.
fn run(model: &Model, long: bool) -> (String, Report) {
    let mut bounds = Bounds {
        preemptions: usize::MAX,
        steps: 10_000,
    };
    match model.how {
        How::All(interruptions) => {
            let more = if long { 2 } else { 0 };
            bounds.preemptions = interruptions.saturating_add(more);
            let report = explore(&model.build, bounds);
            let how = match interruptions {
                ANY => "all orders".to_string(),
                _ => format!("all orders, {} interruptions", bounds.preemptions),
            };
            (how, report)
        }
        How::Random(times) => {
            let times = times * if long { 20 } else { 1 };
            let report = random(&model.build, bounds, times, 1);
            ("at random".to_string(), report)
        }
    }
}

/// Runs a model in this process.
fn run_here(name: &str, long: bool) -> ExitCode {
    let Some(model) = MODELS.iter().find(|model| model.name == name) else {
        eprintln!("there is no model {name}");
        return ExitCode::FAILURE;
    };
    let (how, report) = run(model, long);
    let line = format!(
        "{name:<28} {} threads, {how:<28} {:>9} executions {:>7.1} s",
        report.threads,
        report.executions,
        report.time.as_secs_f64()
    );
    match report.failure {
        None => {
            println!("ok    {line}");
            ExitCode::SUCCESS
        }
        Some((words, trace)) => {
            println!("FAIL  {line}");
            for line in trace {
                println!("      {line}");
            }
            println!("      {name}: {words}");
            ExitCode::FAILURE
        }
    }
}

fn start(name: &str, long: bool) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--only", name]);
    if long {
        command.arg("--long");
    }
    command.stdout(Stdio::piped()).spawn()
}

/// Runs models, each in its own process.
fn run_all(options: &Options) -> std::io::Result<bool> {
    let wanted = |name: &str| {
        options.names.is_empty()
            || options
                .names
                .iter()
                .any(|word| name.contains(word.as_str()))
    };
    let mut waiting = MODELS.iter().filter(|model| wanted(model.name));
    let mut running = std::collections::VecDeque::new();
    let (mut passed, mut failed) = (0, 0);
    loop {
        while running.len() < options.jobs {
            match waiting.next() {
                Some(model) => running.push_back((model.name, start(model.name, options.long)?)),
                None => break,
            }
        }
        let Some((name, child)) = running.pop_front() else {
            break;
        };
        let output = child.wait_with_output()?;
        print!("{}", String::from_utf8_lossy(&output.stdout));
        if output.status.success() {
            passed += 1;
        } else {
            failed += 1;
            if output.stdout.is_empty() {
                println!("FAIL  {name}: {}", output.status);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0 && passed != 0)
}

pub(crate) fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if let Some(name) = &options.only {
        return run_here(name, options.long);
    }
    match run_all(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("model: {error}");
            ExitCode::FAILURE
        }
    }
}
