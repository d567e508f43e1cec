// SPDX-License-Identifier: GPL-2.0

//! Read-copy-update, with grace periods as short as allowed.
//!
//! A grace period starts with the call that requests it, and ends when the last read-side critical
//! section that was open then is closed, or at once if there was none. Accesses after it are
//! ordered after those of its sections. A section that starts later is ordered after the accesses
//! before the call.

use crate::{
    execution::{
        fail,
        with,
        Execution,
        State,
        CALLBACKS, //
    },
    view::View,
};

/// Callback of RCU.
pub type Callback = unsafe extern "C" fn(*mut u8);

struct Pending {
    head: usize,
    callback: Option<Callback>,
    /// Numbers of the sections to wait for.
    sections: Vec<u64>,
    view: View,
    number: u64,
}

/// State of RCU.
#[derive(Default)]
pub(crate) struct Grace {
    pending: Vec<Pending>,
    count: u64,
    view: View,
    /// View of the closed sections.
    closed: View,
}

impl Execution {
    /// Requests a grace period and returns its number.
    fn ask(&mut self, head: usize, callback: Option<Callback>) -> u64 {
        self.me().quiet = false;
        let seen = self.me().seen.clone();
        self.grace.view.join(&seen);
        self.grace.count += 1;
        let number = self.grace.count;
        let readers = self.threads.iter().filter(|thread| thread.nested != 0);
        let sections = readers.map(|thread| thread.section).collect();
        self.grace.pending.push(Pending {
            head,
            callback,
            sections,
            view: seen,
            number,
        });
        number
    }

    fn open(&mut self) {
        let view = self.grace.view.clone();
        self.grace.count += 1;
        let section = self.grace.count;
        let thread = self.me();
        thread.quiet = false;
        thread.nested += 1;
        if thread.nested == 1 {
            thread.section = section;
            thread.sees(&view);
        }
    }

    /// Closes a section; returns true if it was the outermost.
    fn close(&mut self) -> bool {
        let thread = self.me();
        thread.quiet = false;
        thread.nested -= 1;
        if thread.nested != 0 {
            return false;
        }
        let (section, seen) = (thread.section, thread.seen.clone());
        self.grace.closed.join(&seen);
        for pending in &mut self.grace.pending {
            pending.sections.retain(|&other| other != section);
        }
        true
    }

    /// Removes a grace period that has ended.
    fn ended(&mut self) -> Option<Pending> {
        let ended = |pending: &Pending| pending.sections.is_empty();
        let index = self.grace.pending.iter().position(ended)?;
        Some(self.grace.pending.remove(index))
    }
}

/// Runs the callbacks of grace periods that have ended.
fn run() {
    while let Some(Some(pending)) = with(Execution::ended) {
        let Some(callback) = pending.callback else {
            let _ = with(|x| x.wake(State::Grace(pending.number)));
            continue;
        };
        let before = with(|x| {
            let before = x.current;
            x.current = CALLBACKS;
            let closed = x.grace.closed.clone();
            x.me().sees(&pending.view);
            x.me().sees(&closed);
            before
        });
        // SAFETY: The caller of `call_rcu` promised that it may be called after a grace period.
        unsafe { callback(pending.head as *mut u8) };
        let _ = with(|x| x.current = before.unwrap_or(CALLBACKS));
        crate::check();
    }
}

/// `rcu_read_lock()`.
pub fn read_lock() {
    crate::point();
    let _ = with(Execution::open);
}

/// `rcu_read_unlock()`.
pub fn read_unlock() {
    if with(Execution::close) == Some(true) {
        let _ = with(|x| x.log(|| "closes its read-side section".into(), None));
        run();
    }
}

/// `call_rcu()`.
///
/// # Safety
///
/// `callback` may be called with `head` after a grace period.
#[track_caller]
pub unsafe fn call_rcu(head: *mut u8, callback: Callback) {
    crate::point();
    let at = std::panic::Location::caller();
    let asked = with(|x| {
        x.retire(head as usize)?;
        let name = x.memory.name(head as usize);
        x.log(|| format!("gives {name} to RCU"), Some(at));
        x.ask(head as usize, Some(callback));
        Ok(())
    });
    match asked {
        // Without an execution there are no readers.
        // SAFETY: By the contract of this function.
        None => unsafe { callback(head) },
        asked => {
            Execution::or_fail(asked);
            // A callback's own requests are run by the loop that runs the callback.
            if with(|x| x.current) != Some(CALLBACKS) {
                run();
            }
        }
    }
}

/// `synchronize_rcu()`.
pub fn synchronize() {
    crate::point();
    let waits = with(|x| {
        if x.me().nested != 0 {
            return Err("a grace period is waited for in a read-side section".to_string());
        }
        let number = x.ask(0, None);
        x.me().state = State::Grace(number);
        Ok(())
    });
    Execution::or_fail(waits);
    run();
    crate::wait();
    let _ = with(|x| {
        let view = x.grace.view.clone();
        x.me().sees(&view);
    });
}

/// Fails if a grace period has not ended though all threads have.
pub(crate) fn finish() {
    run();
    if with(|x| !x.grace.pending.is_empty()) == Some(true) {
        fail("a read-side section was left open");
    }
}
