// SPDX-License-Identifier: GPL-2.0

//! One execution: its threads, who of them runs, and the locks that they wait for.

use crate::{
    choice::Choices,
    memory::Memory,
    rcu::Grace,
    view::View, //
};
use corosensei::Yielder;
use std::{cell::Cell, collections::HashMap, panic::Location, ptr};

/// The thread that makes what the others share, and looks at it when they have ended.
pub(crate) const MAIN: usize = 0;
/// The thread that runs what RCU was asked to call.
pub(crate) const CALLBACKS: usize = 1;
/// The first thread of a model.
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
    /// View of a reader of its next store, after a read barrier.
    pub(crate) released: View,
    /// View that came with the address of a region that it follows (an address dependency).
    pub(crate) followed: HashMap<usize, View>,
    pub(crate) locks: Vec<usize>,
    /// Number of open read-side critical sections, and the number of the outermost.
    pub(crate) nested: usize,
    pub(crate) section: u64,
    /// Number of its accesses, and the location that stands for that count.
    pub(crate) accesses: u32,
    pub(crate) clock: Option<usize>,
    /// Since the last point it has done nothing that others could notice.
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

    /// Takes over all that `view` has seen, as a read barrier does.
    pub(crate) fn sees(&mut self, view: &View) {
        self.seen.join(view);
        self.acquired.join(view);
    }
}

/// A lock.
#[derive(Default)]
struct Lock {
    owner: Option<usize>,
    view: View,
}

/// The limits of an exploration.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Number of preemptions of threads that could go on.
    pub preemptions: usize,
    /// Maximum of steps of an execution.
    pub steps: usize,
}

/// An execution.
pub(crate) struct Execution {
    pub(crate) choices: Choices,
    bounds: Bounds,
    pub(crate) threads: Vec<Thread>,
    /// The running thread. Only a thread of the model can be interrupted.
    pub(crate) current: usize,
    /// The next thread, if the current one has given way.
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

/// Makes an execution the current one, or none.
pub(crate) fn set(execution: *mut Execution) {
    NOW.with(|now| now.set(execution));
}

/// Runs `f` on the current execution, if there is one. `f` must not give way.
pub(crate) fn with<R>(f: impl FnOnce(&mut Execution) -> R) -> Option<R> {
    let now = NOW.with(Cell::get);
    // SAFETY: The explorer keeps the execution while it is set, and no two borrows are nested: `f`
    // calls nothing that takes another one.
    unsafe { now.as_mut() }.map(f)
}

/// Ends the execution as a failure.
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

    /// Adds a thread of the model. It has seen what the main thread has.
    pub(crate) fn spawn(&mut self, name: &'static str) {
        let mut thread = Thread::new(name);
        thread.sees(&self.threads[MAIN].seen);
        thread.released.join(&self.threads[MAIN].seen);
        thread.clock = Some(self.memory.new_location(usize::MAX));
        self.threads.push(thread);
    }

    /// The main thread goes on when all others have ended, and has seen what they have.
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

    /// The execution has failed.
    pub(crate) fn fails(&mut self, words: &str) {
        self.log(|| format!("FAILURE: {words}"), None);
        self.failure.get_or_insert_with(|| words.to_string());
    }

    /// The threads that could go on, but for the current one.
    fn others(&self) -> Vec<usize> {
        (FIRST..self.threads.len())
            .filter(|&n| n != self.current && self.threads[n].state == State::Runs)
            .collect()
    }

    /// Returns whether the current thread is interrupted here.
    pub(crate) fn interrupt(&mut self) -> bool {
        self.steps += 1;
        if self.steps > self.bounds.steps {
            self.fails("it does not come to an end");
        }
        if self.current < FIRST || self.failure.is_some() {
            return false;
        }
        // Who has only read since the last point may as well be interrupted there, and read the
        // same: what others write meanwhile need not be seen.
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

    /// Chooses who runs after the current thread, which cannot go on; `false` where nobody can.
    pub(crate) fn give_way(&mut self) -> bool {
        let others = self.others();
        if others.is_empty() {
            return false;
        }
        self.next = others[self.choices.choose(others.len(), 0)];
        true
    }

    /// Takes a lock for the current thread; `false` where another has it.
    pub(crate) fn try_lock(&mut self, address: usize) -> bool {
        let lock = self.locks.entry(address).or_default();
        if lock.owner.is_some() {
            return false;
        }
        lock.owner = Some(self.current);
        self.threads[self.current].quiet = false;
        let thread = &mut self.threads[self.current];
        thread.locks.push(address);
        // Stores under a lock are seen after what came before it was last released
        // (po-unlock-lock-po), also by those who do not take it.
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

    /// Lets those go on who wait for something.
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
