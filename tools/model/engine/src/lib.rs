// SPDX-License-Identifier: GPL-2.0

//! Runs the threads of a model in every relevant order, with the Linux kernel memory model.
//!
//! # Memory
//!
//! A word is the list of all values that were stored in it. A thread reads any of them that is not
//! older than its view ([`view::View`]), so that a missing barrier becomes visible. A read joins
//! the writer's view: at once for an acquire load, after a read barrier for another load. *Address
//! dependencies* order too: a value read through an address is at least as new as it was when the
//! address was published. A store under a lock is ordered after the accesses before the last
//! release of the lock (`po-unlock-lock-po` of tools/memory-model).
//!
//! Stores take effect in program order, and an exchange reads the newest value, even if it fails. A
//! store that overtakes an earlier load or store of its own thread is not modelled.
//!
//! # RCU and freed memory
//!
//! Grace periods are as short as allowed (`rcu.rs`). Memory is returned to the allocator at the end
//! of an execution, so that use after free, double free, leaks, and accesses through an address
//! that was published without a barrier are found.
//!
//! # Orders
//!
//! A thread may be preempted before each access to shared memory, as often as the bounds allow, and
//! yields if it waits for a lock. That search is exhaustive. Random runs preempt more threads more
//! often.

mod choice;
mod execution;
mod explore;
mod memory;
mod rcu;
mod view;

pub use execution::Bounds;
pub use explore::{
    explore,
    random,
    Report,
    Scenario, //
};
pub use memory::Order;
pub use rcu::{
    call_rcu,
    read_lock,
    read_unlock,
    synchronize,
    Callback, //
};

use execution::{
    fail,
    with,
    Execution,
    State,
    FIRST, //
};
use std::{alloc::Layout, panic::Location};

/// Point at which the current thread may be preempted.
pub(crate) fn point() {
    if with(Execution::interrupt) == Some(true) {
        suspend();
    }
    check();
}

/// Panics if the execution has failed.
pub(crate) fn check() {
    if !std::thread::panicking()
        && with(|x| x.failure.is_some() && x.current != execution::CALLBACKS) == Some(true)
    {
        fail("it has failed");
    }
}

/// Fails the execution unless `is_so`.
pub fn require(is_so: bool, words: impl FnOnce() -> String) {
    if !is_so {
        Execution::or_fail::<()>(Some(Err(words())));
    }
}

/// Switches to the chosen thread.
fn suspend() {
    let yielder = with(|x| x.me().yielder);
    if let Some(yielder) = yielder {
        // SAFETY: The yielder lives as long as its thread runs, and it is that thread that calls
        // this.
        unsafe { (*yielder).suspend(()) };
    }
}

/// Waits until the current thread is runnable.
pub(crate) fn wait() {
    while with(|x| x.me().state != State::Runs) == Some(true) {
        if with(|x| x.current < FIRST || !x.give_way()) == Some(true) {
            fail("nobody can go on: a deadlock");
        }
        suspend();
    }
}

/// Preemption point, if the address may be shared.
fn point_at(address: usize) {
    if with(|x| x.is_shared(address)) == Some(true) {
        point();
    }
}

/// Reads a word; `now` is its value in memory.
#[track_caller]
pub fn load(address: usize, now: u64, order: Order) -> u64 {
    point_at(address);
    let at = Location::caller();
    Execution::or_fail(with(|x| x.load(address, now, order, at))).unwrap_or(now)
}

/// Writes a word; the caller writes it to memory too.
#[track_caller]
pub fn store(address: usize, now: u64, value: u64, order: Order) {
    point_at(address);
    let at = Location::caller();
    Execution::or_fail(with(|x| x.store(address, now, value, order, at)));
}

/// Reads and writes a word atomically; the caller writes it to memory too.
#[track_caller]
pub fn modify(
    address: usize,
    now: u64,
    change: impl FnOnce(u64) -> Option<u64>,
    order: Order,
) -> u64 {
    point_at(address);
    let at = Location::caller();
    Execution::or_fail(with(|x| x.modify(address, now, change, order, at))).unwrap_or(now)
}

/// Reports an access to a cell without a lock of its own.
#[track_caller]
pub fn plain(address: usize) {
    let at = Location::caller();
    Execution::or_fail(with(|x| x.plain(address, at)));
}

/// Reports a read of constant data, which must be alive.
#[track_caller]
pub fn look(address: usize) {
    Execution::or_fail(with(|x| x.touch(address)));
}

/// Reports that an address inside the object at `from` is followed.
pub fn follow(from: usize, to: usize) {
    let _ = with(|x| x.follow(from, to));
}

/// A fence: `smp_rmb()`, `smp_wmb()` or both.
#[track_caller]
pub fn fence(acquire: bool, release: bool) {
    let at = Location::caller();
    let _ = with(|x| {
        x.fence(acquire, release);
        x.log(
            || format!("fence: acquire {acquire}, release {release}"),
            Some(at),
        );
    });
}

/// `smp_mb()`.
pub fn full_fence() {
    let _ = with(Execution::full_fence);
}

/// Locks a spinlock.
#[track_caller]
pub fn lock(address: usize) {
    let at = Location::caller();
    point();
    if std::thread::panicking() {
        return;
    }
    loop {
        match with(|x| (x.try_lock(address), x.owns(address))) {
            None => return,
            Some((true, _)) => break,
            Some((false, true)) => fail("a lock is taken by who has it: a deadlock"),
            Some(_) => {
                let _ = with(|x| x.me().state = State::Lock(address));
                wait();
            }
        }
    }
    let _ = with(|x| {
        let name = x.memory.name(address);
        x.log(|| format!("locks {name}"), Some(at));
    });
}

/// Unlocks a spinlock.
pub fn unlock(address: usize) {
    if with(|x| x.owns(address)) == Some(false) && !std::thread::panicking() {
        fail("a lock is released by who has it not");
    }
    let _ = with(|x| {
        x.unlock(address);
        let name = x.memory.name(address);
        x.log(|| format!("unlocks {name}"), None);
    });
}

/// Returns true if the current thread holds a lock.
pub fn owns(address: usize) -> bool {
    with(|x| x.owns(address)).unwrap_or(true)
}

/// Allocates memory.
pub fn allocate(name: &'static str, layout: Layout) -> *mut u8 {
    match with(|x| x.allocate(name, layout)) {
        Some(memory) => memory,
        None => panic!("memory is allocated outside of a model"),
    }
}

/// Frees memory.
pub fn free(address: usize) {
    // `free()` must not unwind, so the failure is raised at the next point.
    if let Some(Err(words)) = with(|x| x.free(address)) {
        let _ = with(|x| x.fails(&words));
    }
}

/// Chooses one of `options`.
pub fn choose(options: usize) -> usize {
    with(|x| x.choices.choose(options, 0)).unwrap_or(0)
}

/// Adds a line to the trace.
pub fn note(words: impl FnOnce() -> String) {
    let _ = with(|x| x.log(words, None));
}
