// SPDX-License-Identifier: GPL-2.0

//! Sequence counts with a lock: readers see what a writer does as a whole, or read once more.
//!
//! C header: [`include/linux/seqlock.h`](srctree/include/linux/seqlock.h)
//!
//! A reader notes the count, reads words that a writer may change meanwhile, and asks if the count
//! has changed. If so, what it has read may be partly old and partly new, and it reads once more,
//! under the writers' lock (C: `read_seqbegin_or_lock()`). So it does not spin for longer than a
//! lock is held, nor against a writer that a kernel with PREEMPT_RT has preempted. The words must
//! be whole by themselves ([`Word`], atomics, RCU), as a reader may see any mixture of them before.
//!
//! The count is odd while a writer is at work.
//!
//! # Context
//!
//! Readers: softirq or process context. Writers: process context; softirqs are disabled on their
//! CPU meanwhile, so that no reader there interrupts one.
//!
//! # Ordering
//!
//! The writer's stores lie between those of the odd and of the even count: `smp_wmb()` follows the
//! former, and the latter is a release store. The reader loads its words between two loads of the
//! count, with `smp_rmb()` on both sides. So if it has loaded a word of this writer, it loads the
//! odd count or a later one after its second barrier, and reads once more.
//!
//! # Examples
//!
//! ```
//! # use crate::{kapi::{once::Word, seqcount::SeqCount}, new_seqcount};
//! let (first, second) = (Word::new(1u32), Word::new(2u32));
//! let count = KBox::pin_init(new_seqcount!(), GFP_KERNEL)?;
//!
//! count.write(|| {
//!     first.store(2);
//!     second.store(1);
//! });
//! assert_eq!(count.read(|| first.load() + second.load()), 3);
//! # Ok::<(), Error>(())
//! ```

use super::{
    bh::BhLock,
    once::Word, //
};
use kernel::{
    prelude::*,
    sync::barrier::{
        smp_mb,
        Read,
        Write, //
    },
};

/// A sequence count with the lock of its writers.
///
/// # Invariants
///
/// The count changes only under the lock, and is even whenever the lock is free.
#[pin_data]
pub(crate) struct SeqCount {
    count: Word<u32>,
    #[pin]
    lock: BhLock<()>,
}

/// Creates the initializer of a [`SeqCount`], whose lock has a class and a name of its own for
/// lockdep.
#[macro_export]
macro_rules! new_seqcount {
    () => {
        $crate::kapi::seqcount::SeqCount::new($crate::new_bh_lock!(()))
    };
}

impl SeqCount {
    /// Creates a count, given the initializer of its lock.
    pub(crate) fn new(lock: impl PinInit<BhLock<()>>) -> impl PinInit<Self> {
        // INVARIANT: 0 is even.
        pin_init!(Self {
            count: Word::new(0),
            lock <- lock,
        })
    }

    /// Calls `read`, once more if a writer was at work meanwhile, and returns its last result.
    /// Waits for a writer that is at work.
    #[inline(always)]
    pub(crate) fn read<T>(&self, read: impl Fn() -> T) -> T {
        let count = self.count.load();
        smp_mb(Read);
        let result = read();
        smp_mb(Read);
        // If it was odd, what has been read does not count either.
        if count & 1 == 0 && self.count.load() == count {
            return result;
        }
        self.read_again(read)
    }

    /// Reads as [`read`](Self::read) does, while no writer is at work.
    #[cold]
    #[inline(never)]
    fn read_again<T>(&self, read: impl Fn() -> T) -> T {
        let guard = self.lock.lock();
        let result = read();
        drop(guard);
        result
    }

    /// Calls `write`, whose stores readers see together. It must not sleep, and should be short.
    pub(crate) fn write<T>(&self, write: impl FnOnce() -> T) -> T {
        let guard = self.lock.lock();
        let count = self.count.load();
        self.count.store(count.wrapping_add(1));
        smp_mb(Write);
        let result = write();
        // INVARIANT: Even again before the lock is free.
        self.count.publish(count.wrapping_add(2));
        drop(guard);
        result
    }
}
