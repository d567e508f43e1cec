// SPDX-License-Identifier: GPL-2.0

//! Exploration of the executions of a model.

use crate::{
    choice::{
        Choice,
        Choices, //
    },
    execution::{
        fail,
        set,
        with,
        Bounds,
        Execution,
        Failure,
        State,
        FIRST, //
    },
    rcu,
};
use corosensei::{
    stack::DefaultStack,
    Coroutine,
    CoroutineResult, //
};
use std::{
    any::Any,
    cell::RefCell,
    panic::{
        catch_unwind,
        AssertUnwindSafe, //
    },
    time::{
        Duration,
        Instant, //
    },
};

/// Body of a thread.
type Body = Box<dyn FnOnce()>;

/// Threads and final check of an execution of a model.
#[derive(Default)]
pub struct Scenario {
    threads: Vec<(&'static str, Body)>,
    end: Option<Body>,
}

impl Scenario {
    /// Adds a thread.
    pub fn thread(&mut self, name: &'static str, body: impl FnOnce() + 'static) {
        self.threads.push((name, Box::new(body)));
    }

    /// Sets the function that runs after all threads have ended: it checks and frees the shared
    /// objects.
    pub fn end(&mut self, body: impl FnOnce() + 'static) {
        self.end = Some(Box::new(body));
    }
}

/// Result of an exploration.
pub struct Report {
    /// Number of executions.
    pub executions: u64,
    /// Number of threads of the model.
    pub threads: usize,
    /// Duration.
    pub time: Duration,
    /// Failure with its trace, if any.
    pub failure: Option<TracedFailure>,
}

/// Failure, and the trace of the execution.
type TracedFailure = (String, Vec<String>);

thread_local! {
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

type Fiber = Coroutine<(), (), (), DefaultStack>;

fn fiber(body: Body) -> Fiber {
    let pooled = STACKS.with(|stacks| stacks.borrow_mut().pop());
    let stack =
        pooled.unwrap_or_else(|| DefaultStack::new(256 * 1024).expect("memory for a stack"));
    Coroutine::with_stack(stack, |yielder, ()| {
        let _ = with(|x| x.me().yielder = yielder);
        body();
    })
}

/// Runs the threads until all have ended.
fn run_threads(fibers: &mut [Fiber]) {
    if with(Execution::give_way) == Some(false) {
        return;
    }
    loop {
        let next = with(|x| {
            x.current = x.next;
            x.next
        });
        let next = next.unwrap_or(FIRST);
        if let CoroutineResult::Return(()) = fibers[next - FIRST].resume(()) {
            let waiting = with(|x| {
                if x.me().nested != 0 || !x.me().locks.is_empty() {
                    return Err("a thread ended with a lock or in a read-side section");
                }
                x.me().state = State::Ended;
                let waiting = x.threads[FIRST..]
                    .iter()
                    .any(|thread| thread.state != State::Ended);
                match waiting {
                    true if !x.give_way() => Err("nobody can go on: a deadlock"),
                    waiting => Ok(waiting),
                }
            });
            match waiting {
                Some(Err(words)) => fail(words),
                Some(Ok(true)) => {}
                _ => return,
            }
        }
    }
}

/// Runs one execution with the current choices.
fn run(build: &dyn Fn(&mut Scenario), fibers: &mut Vec<Fiber>) {
    let mut scenario = Scenario::default();
    build(&mut scenario);
    let _ = with(|x| x.memory.share_all());
    for (name, body) in scenario.threads {
        let _ = with(|x| x.spawn(name));
        fibers.push(fiber(body));
    }
    run_threads(fibers);
    let _ = with(Execution::join_all);
    if let Some(end) = scenario.end {
        end();
    }
    rcu::finish();
    let left = with(
        |x| match (x.memory.leaks().as_slice(), x.memory.bare_cell()) {
            ([], None) => None,
            ([], Some(cell)) => {
                let name = x.memory.name(cell);
                Some(format!("the cell {name} was accessed without a lock"))
            }
            (leaks, _) => Some(format!("never freed: {}", leaks.join(", "))),
        },
    );
    crate::check();
    if let Some(Some(words)) = left {
        fail(&words);
    }
}

/// Returns the message of a panic.
fn words_of(panic: Box<dyn Any + Send>, failure: Option<String>) -> String {
    if panic.is::<Failure>() {
        return failure.unwrap_or_default();
    }
    SAID.with(|said| said.borrow().clone())
}

/// Result of an execution.
struct Outcome {
    choices: Choices,
    threads: usize,
    /// Failure with its trace, if any.
    failure: Option<TracedFailure>,
}

/// Runs one execution.
fn execute(
    build: &dyn Fn(&mut Scenario),
    choices: Choices,
    bounds: Bounds,
    trace: bool,
) -> Outcome {
    let mut execution = Box::new(Execution::new(choices, bounds, trace));
    let mut fibers = Vec::new();
    set(&mut *execution);
    let result = catch_unwind(AssertUnwindSafe(|| run(build, &mut fibers)));
    set(std::ptr::null_mut());
    let failure = match result {
        Ok(()) => {
            execution.memory.release();
            STACKS.with(|stacks| {
                let done = fibers.drain(..).map(Fiber::into_stack);
                stacks.borrow_mut().extend(done);
            });
            None
        }
        Err(panic) => {
            // The fibers are suspended in the middle of a function: neither they nor their objects
            // are dropped.
            std::mem::forget(fibers);
            let words = words_of(panic, execution.failure.take());
            Some((words, execution.trace.take().unwrap_or_default()))
        }
    };
    Outcome {
        threads: execution.threads.len() - FIRST,
        choices: std::mem::replace(&mut execution.choices, Choices::first()),
        failure,
    }
}

/// Runs a failed execution again to record its trace.
fn traced(build: &dyn Fn(&mut Scenario), made: &[Choice], bounds: Bounds) -> TracedFailure {
    let outcome = execute(build, Choices::replay(made.to_vec()), bounds, true);
    outcome
        .failure
        .unwrap_or_else(|| ("it does not fail a second time".into(), Vec::new()))
}

/// Records panics of models in place of printing them.
fn quietly<R>(f: impl FnOnce() -> R) -> R {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if with(|_| ()).is_none() {
                return before(info);
            }
            if !info.payload().is::<Failure>() {
                let words = info.payload();
                let words = words
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| words.downcast_ref::<&str>().copied());
                let at = info
                    .location()
                    .map(|at| format!(" ({}:{})", at.file(), at.line()));
                let words = format!("{}{}", words.unwrap_or("a panic"), at.unwrap_or_default());
                SAID.with(|said| *said.borrow_mut() = words);
            }
        }));
    });
    f()
}

/// Runs a model with one choice after another, until there are none left or one fails.
fn run_all(
    build: &dyn Fn(&mut Scenario),
    bounds: Bounds,
    mut next: impl FnMut(Option<Choices>) -> Option<Choices>,
) -> Report {
    quietly(|| {
        let begin = Instant::now();
        let mut report = Report {
            executions: 0,
            threads: 0,
            time: Duration::ZERO,
            failure: None,
        };
        let mut choices = next(None);
        while let Some(now) = choices {
            let outcome = execute(build, now, bounds, false);
            report.executions += 1;
            report.threads = outcome.threads;
            if outcome.failure.is_some() {
                report.failure = Some(traced(build, outcome.choices.made(), bounds));
                break;
            }
            choices = next(Some(outcome.choices));
        }
        report.time = begin.elapsed();
        report
    })
}

/// Runs a model in all orders that the bounds allow.
pub fn explore(build: &dyn Fn(&mut Scenario), bounds: Bounds) -> Report {
    run_all(build, bounds, |before| match before {
        None => Some(Choices::first()),
        Some(before) => before.next(),
    })
}

/// Runs a model `times` times in random orders.
pub fn random(build: &dyn Fn(&mut Scenario), bounds: Bounds, times: u64, seed: u64) -> Report {
    let mut seeds = (0..times).map(|n| seed.wrapping_add(n));
    run_all(build, bounds, |_| seeds.next().map(Choices::random))
}
