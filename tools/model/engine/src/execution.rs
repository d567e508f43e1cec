// SPDX-License-Identifier: GPL-2.0

//! Execution of a model: its threads, the running thread, and locks.

use crate::{
    choice::Choices,
    memory::Memory,
    rcu::Grace,
    view::View, //
};
use corosensei::Yielder;
use std::{cell::Cell, collections::HashMap, panic::Location, ptr};

/// Thread that creates the shared objects, and checks them after the others have ended.
pub(crate) const MAIN: usize = 0;
/// Thread that runs RCU callbacks.
pub(crate) const CALLBACKS: usize = 1;
/// First thread of a model.
pub(crate) const FIRST: usize = 2;

/// Condition that a thread waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Runs,
    Lock(usize),
    Grace(u64),
    Ended,
}

/// A thread.
pub(crate) struct Thread {
    pub(crate) name: &'static str,
    pub(crate) state: State,
    /// View of the thread.
    pub(crate) seen: View,
    /// View after a read barrier.
    pub(crate) acquired: View,
    /// View that readers of the next store acquire by a read barrier.
    pub(crate) released: View,
    /// Views that came with the addresses of regions that it follows (address dependencies).
    pub(crate) followed: HashMap<usize, View>,
    pub(crate) locks: Vec<usize>,
    /// Number of nested read-side critical sections, and the number of the outermost one.
    pub(crate) nested: usize,
    pub(crate) section: u64,
    /// Number of its accesses, and the location that stands for that count.
    pub(crate) accesses: u32,
    pub(crate) clock: Option<usize>,
    /// True if it has only read since the last point.
    pub(crate) quiet: bool,
    pub(crate) yielder: *const Yielder<(), ()>,
}

impl Thread {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            state: State::Runs,
            seen: View::default(),
            acquired: View::default(),
            released: View::default(),
            followed: HashMap::new(),
            locks: Vec::new(),
            nested: 0,
            section: 0,
            accesses: 0,
            clock: None,
            quiet: false,
            yielder: ptr::null(),
        }
    }

    /// Joins `view`, as a read barrier does.
    pub(crate) fn sees(&mut self, view: &View) {
        self.seen.join(view);
        self.acquired.join(view);
    }
}

/// Lock.
#[derive(Default)]
struct Lock {
    owner: Option<usize>,
    view: View,
}

/// Limits of an exploration.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Maximum number of preemptions of runnable threads.
    pub preemptions: usize,
    /// Maximum number of steps of an execution.
    pub steps: usize,
}

/// An execution.
pub(crate) struct Execution {
    pub(crate) choices: Choices,
    bounds: Bounds,
    pub(crate) threads: Vec<Thread>,
    /// Running thread. Only a thread of the model can be preempted.
    pub(crate) current: usize,
    /// Next thread, if the current one has yielded.
    pub(crate) next: usize,
    preemptions: usize,
    steps: usize,
    locks: HashMap<usize, Lock>,
    /// View of full barriers.
    full: View,
    pub(crate) memory: Memory,
    pub(crate) grace: Grace,
    pub(crate) failure: Option<String>,
    pub(crate) trace: Option<Vec<String>>,
}

thread_local! {
    static NOW: Cell<*mut Execution> = const { Cell::new(ptr::null_mut()) };
}

/// Sets the current execution; null for none.
pub(crate) fn set(execution: *mut Execution) {
    NOW.with(|now| now.set(execution));
}

/// Calls `f` on the current execution, if there is one. `f` must not yield.
pub(crate) fn with<R>(f: impl FnOnce(&mut Execution) -> R) -> Option<R> {
    let now = NOW.with(Cell::get);
    // SAFETY: The explorer keeps the execution while it is set, and no two borrows are nested: `f`
    // calls nothing that takes another one.
    unsafe { now.as_mut() }.map(f)
}

/// Fails the execution.
pub(crate) fn fail(words: &str) -> ! {
    let _ = with(|x| x.fails(words));
    std::panic::panic_any(Failure)
}

/// Payload of the panic that ends a failed execution.
pub(crate) struct Failure;

impl Execution {
    pub(crate) fn new(choices: Choices, bounds: Bounds, trace: bool) -> Self {
        Self {
            choices,
            bounds,
            threads: vec![Thread::new("main"), Thread::new("RCU")],
            current: MAIN,
            next: MAIN,
            preemptions: 0,
            steps: 0,
            locks: HashMap::new(),
            full: View::default(),
            memory: Memory::default(),
            grace: Grace::default(),
            failure: None,
            trace: trace.then(Vec::new),
        }
    }

    /// Adds a thread of the model, with the view of the main thread.
    pub(crate) fn spawn(&mut self, name: &'static str) {
        let mut thread = Thread::new(name);
        thread.sees(&self.threads[MAIN].seen);
        thread.released.join(&self.threads[MAIN].seen);
        thread.clock = Some(self.memory.new_location(usize::MAX));
        self.threads.push(thread);
    }

    /// Resumes the main thread after all others have ended, with their views.
    pub(crate) fn join_all(&mut self) {
        let (main, others) = self.threads.split_at_mut(1);
        for other in others {
            main[0].sees(&other.seen);
        }
        self.current = MAIN;
    }

    pub(crate) fn me(&mut self) -> &mut Thread {
        &mut self.threads[self.current]
    }

    /// Writes a line of the trace.
    pub(crate) fn log(&mut self, words: impl FnOnce() -> String, at: Option<&Location<'_>>) {
        let name = self.threads[self.current].name;
        if let Some(trace) = &mut self.trace {
            let mut words = words();
            if let Some(at) = at {
                let file = at.file();
                let file = file
                    .rsplit_once("rust_ipvs/")
                    .map_or(file, |(_, file)| file);
                words = format!("{words:<60} {file}:{}", at.line());
            }
            trace.push(format!("{name:>10}: {words}"));
        }
    }

    /// Marks the execution as failed.
    pub(crate) fn fails(&mut self, words: &str) {
        self.log(|| format!("FAILURE: {words}"), None);
        self.failure.get_or_insert_with(|| words.to_string());
    }

    /// Returns the runnable threads other than the current one.
    fn others(&self) -> Vec<usize> {
        (FIRST..self.threads.len())
            .filter(|&n| n != self.current && self.threads[n].state == State::Runs)
            .collect()
    }

    /// Returns true if the current thread is preempted here.
    pub(crate) fn interrupt(&mut self) -> bool {
        self.steps += 1;
        if self.steps > self.bounds.steps {
            self.fails("it does not come to an end");
        }
        if self.current < FIRST || self.failure.is_some() {
            return false;
        }
        // A thread that only read since the last point could have been preempted there and read the
        // same values, as a read need not return later stores.
        if std::mem::replace(&mut self.me().quiet, true)
            || self.preemptions == self.bounds.preemptions
        {
            return false;
        }
        let others = self.others();
        match self.choices.choose(1 + others.len(), 12) {
            0 => false,
            n => {
                self.preemptions += 1;
                self.next = others[n - 1];
                true
            }
        }
    }

    /// Chooses the thread to run after the current one, which cannot continue. Returns `false` if
    /// none can.
    pub(crate) fn give_way(&mut self) -> bool {
        let others = self.others();
        if others.is_empty() {
            return false;
        }
        self.next = others[self.choices.choose(others.len(), 0)];
        true
    }

    /// Takes a lock for the current thread; `false` if it is taken.
    pub(crate) fn try_lock(&mut self, address: usize) -> bool {
        let lock = self.locks.entry(address).or_default();
        if lock.owner.is_some() {
            return false;
        }
        lock.owner = Some(self.current);
        self.threads[self.current].quiet = false;
        let thread = &mut self.threads[self.current];
        thread.locks.push(address);
        // Stores under a lock are ordered after the accesses before its last release
        // (po-unlock-lock-po), also for threads that do not take it.
        thread.sees(&lock.view);
        thread.released.join(&lock.view);
        true
    }

    pub(crate) fn owns(&mut self, address: usize) -> bool {
        self.me().locks.contains(&address)
    }

    pub(crate) fn unlock(&mut self, address: usize) {
        self.me().quiet = false;
        let current = self.current;
        let seen = self.threads[current].seen.clone();
        self.threads[current].locks.retain(|&lock| lock != address);
        let lock = self.locks.entry(address).or_default();
        lock.owner = None;
        lock.view.join(&seen);
        self.wake(State::Lock(address));
    }

    /// Makes the threads runnable that wait in `state`.
    pub(crate) fn wake(&mut self, state: State) {
        for thread in &mut self.threads {
            if thread.state == state {
                thread.state = State::Runs;
            }
        }
    }

    pub(crate) fn fence(&mut self, acquire: bool, release: bool) {
        let thread = self.me();
        if acquire {
            let acquired = thread.acquired.clone();
            thread.seen.join(&acquired);
        }
        if release {
            thread.released = thread.seen.clone();
        }
    }

    pub(crate) fn full_fence(&mut self) {
        self.me().quiet = false;
        self.fence(true, false);
        let full = self.full.clone();
        self.me().sees(&full);
        self.full = self.me().seen.clone();
        self.fence(false, true);
    }
}
