// SPDX-License-Identifier: GPL-2.0

//! Runs the threads of a model in every order that matters, with the kernel's memory model.
//!
//! # Memory
//!
//! A word is the list of all values that it had. A thread reads any of those that are not older
//! than what it has seen ([`view::View`]), so that a missing barrier shows. Who reads a value has
//! seen what its writer had: at once by an acquire load, after a read barrier by another one. An
//! *address dependency* orders, too: what is read through an address is at least as new as when the
//! address was published. A store made under a lock is seen after what came before the lock was
//! last released (`po-unlock-lock-po` of tools/memory-model).
//!
//! Stores take effect in program order, and an exchange reads the newest value, also where it
//! fails: a store that overtakes an earlier load or store of its own thread is not modelled.
//!
//! # RCU and freed memory
//!
//! Grace periods are as short as they may be (`rcu.rs`). Memory is given back at the end of an
//! execution, so that an access of what could have been freed is found, and so is memory that is
//! freed twice or never, and an access through an address that was published without a barrier.
//!
//! # Orders
//!
//! A thread may be interrupted before each access of what others know, as often as the bounds say,
//! and gives way when it waits for a lock. That search is complete. At random, more threads are
//! interrupted more often.

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

/// The current thread may be interrupted here.
pub(crate) fn point() {
    if with(Execution::interrupt) == Some(true) {
        suspend();
    }
    check();
}

/// Ends the execution if it has failed.
pub(crate) fn check() {
    if !std::thread::panicking()
        && with(|x| x.failure.is_some() && x.current != execution::CALLBACKS) == Some(true)
    {
        fail("it has failed");
    }
}

/// Something has to be so.
pub fn require(is_so: bool, words: impl FnOnce() -> String) {
    if !is_so {
        Execution::or_fail::<()>(Some(Err(words())));
    }
}

/// Gives the processor to whoever was chosen.
fn suspend() {
    let yielder = with(|x| x.me().yielder);
    if let Some(yielder) = yielder {
        // SAFETY: The yielder lives as long as its thread runs, and it is that thread that calls
        // this.
        unsafe { (*yielder).suspend(()) };
    }
}

/// Waits until the current thread can go on.
pub(crate) fn wait() {
    while with(|x| x.me().state != State::Runs) == Some(true) {
        if with(|x| x.current < FIRST || !x.give_way()) == Some(true) {
            fail("nobody can go on: a deadlock");
        }
        suspend();
    }
}

/// A point, where others may know the address.
fn point_at(address: usize) {
    if with(|x| x.is_shared(address)) == Some(true) {
        point();
    }
}

/// Reads a word; `now` is what is in memory.
#[track_caller]
pub fn load(address: usize, now: u64, order: Order) -> u64 {
    point_at(address);
    let at = Location::caller();
    Execution::or_fail(with(|x| x.load(address, now, order, at))).unwrap_or(now)
}

/// Writes a word; the caller writes it to memory, too.
#[track_caller]
pub fn store(address: usize, now: u64, value: u64, order: Order) {
    point_at(address);
    let at = Location::caller();
    Execution::or_fail(with(|x| x.store(address, now, value, order, at)));
}

/// Reads and writes a word in one; the caller writes it to memory, too.
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

/// A cell is accessed that has no lock of its own.
#[track_caller]
pub fn plain(address: usize) {
    let at = Location::caller();
    Execution::or_fail(with(|x| x.plain(address, at)));
}

/// Reads what is at an address: it never changes, but it has to be there.
#[track_caller]
pub fn look(address: usize) {
    Execution::or_fail(with(|x| x.touch(address)));
}

/// An address that is part of what is at `from` is followed.
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

/// Returns whether the current thread has a lock.
pub fn owns(address: usize) -> bool {
    with(|x| x.owns(address)).unwrap_or(true)
}

/// Allocates memory for a `T`, or for more than one.
pub fn allocate(name: &'static str, layout: Layout) -> *mut u8 {
    match with(|x| x.allocate(name, layout)) {
        Some(memory) => memory,
        None => panic!("memory is allocated outside of a model"),
    }
}

/// Frees memory.
pub fn free(address: usize) {
    // Where it is freed it may not unwind, so whoever goes on finds that it has failed.
    if let Some(Err(words)) = with(|x| x.free(address)) {
        let _ = with(|x| x.fails(&words));
    }
}

/// One of so many, which the exploration chooses.
pub fn choose(options: usize) -> usize {
    with(|x| x.choices.choose(options, 0)).unwrap_or(0)
}

/// Says something in the trace.
pub fn note(words: impl FnOnce() -> String) {
    let _ = with(|x| x.log(words, None));
}
