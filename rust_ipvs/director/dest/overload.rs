// SPDX-License-Identifier: GPL-2.0

//! [`Overloads`]: notes of packets that the OVERLOAD flag of a destination has changed.
//!
//! A packet that changes the flag (S-24) can tell nobody: it must not sleep, and does not have the
//! service. It queues a work, which looks for the destinations whose flag is another one than was
//! told. So a flag that changes back and forth between two runs is no event, and the work is the
//! only one to write what was told.

use crate::kapi::{
    time::HZ,
    work::WorkHandle, //
};
use kernel::sync::{
    atomic::{
        Atomic,
        Relaxed, //
    },
    SetOnce, //
};

/// Time from a change of a flag to the run that tells it, in jiffies. Changes in between are told
/// by the same run.
const DELAY: u32 = HZ / 4;

/// Changes of OVERLOAD flags in a namespace.
pub(crate) struct Overloads {
    /// Number of changes.
    changes: Atomic<u32>,
    /// Work that tells them; empty before the first service.
    work: SetOnce<WorkHandle>,
}

impl Overloads {
    /// Creates the notes of a namespace, without a work.
    pub(crate) fn new() -> Self {
        Self {
            changes: Atomic::new(0),
            work: SetOnce::new(),
        }
    }

    /// Sets the work that is queued from now on; the first call counts.
    pub(crate) fn set_work(&self, work: WorkHandle) {
        self.work.populate(work);
    }

    /// Takes note of a change. Any context.
    #[cold]
    #[inline(never)]
    pub(crate) fn note(&self) {
        self.changes.add(1, Relaxed);
        // The run that this queues sees the change of the flag, which came before.
        if let Some(work) = self.work.as_ref() {
            work.queue(DELAY);
        }
    }

    /// Returns the number of changes so far.
    pub(crate) fn changes(&self) -> u32 {
        self.changes.load(Relaxed)
    }
}
