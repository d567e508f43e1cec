// SPDX-License-Identifier: GPL-2.0

//! Read-copy-update (RCU).
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
//!
//! [`Rcu`] proves that the CPU is in a read-side critical section; references that are obtained
//! through it are valid as long as the proof. [`RcuCell`] is a pointer that readers dereference and
//! writers replace. The value that a writer replaces is dropped after a grace period, in softirq
//! context, so dropping a `T` in a cell must not sleep.
//!
//! `kernel::sync::rcu` has the read lock's guard and `rcu_barrier()`. This module adds a proof that
//! is `Copy` and carries a lifetime, since C code that calls hooks holds the lock and has no guard;
//! cells; and callbacks that can be waited for when the module is unloaded.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::rcu::{self, RcuBox, RcuCell};
//! let cell = RcuCell::new(RcuBox::new(1, GFP_KERNEL)?);
//! rcu::read(|rcu| assert_eq!(cell.get(rcu), Some(&1)));
//! cell.replace(Some(RcuBox::new(2, GFP_KERNEL)?));
//! # Ok::<(), Error>(())
//! ```

use super::{
    once::Word,
    reclaim, //
};
use crate::bindings;
use core::{marker::PhantomData, ptr};
use kernel::{
    alloc::{AllocError, Flags},
    container_of,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        rcu, //
    },
    types::Opaque,
};

/// Proof of a read-side critical section that lasts for `'g`.
///
/// Zero-sized, and neither `Send` nor `Sync`: a critical section belongs to one CPU.
///
/// # Invariants
///
/// For all of `'g` the current CPU holds the RCU read lock, or has preemption or bottom halves
/// disabled, so that no grace period that begins during `'g` ends in it.
#[derive(Clone, Copy)]
pub(crate) struct Rcu<'g>(PhantomData<(&'g (), *const ())>);

impl Rcu<'_> {
    /// Creates a proof for a section that C code has entered, as netfilter does around its hooks.
    ///
    /// # Safety
    ///
    /// The caller must be in a read-side critical section that lasts for the whole lifetime of the
    /// result.
    pub(crate) unsafe fn assume() -> Self {
        // INVARIANT: By the contract of this function the section lasts as long as the result.
        Self(PhantomData)
    }
}

/// Runs `f` in a read-side critical section and returns its result.
///
/// Any context; sections may nest. `f` must not sleep.
pub(crate) fn read<R>(f: impl FnOnce(Rcu<'_>) -> R) -> R {
    let _guard = rcu::read_lock();
    // INVARIANT: `_guard` is held until `f` has returned. The closure accepts a proof of any
    // lifetime, so the proof cannot be part of `R` and cannot outlive the call.
    f(Rcu(PhantomData))
}

/// Waits until all RCU callbacks queued so far have run, those of other code included (C:
/// `rcu_barrier()`). Process context; sleeps.
pub(crate) fn barrier() {
    rcu::rcu_barrier();
}

/// Number of callbacks of cells and counted references that were queued and have not ended.
///
/// A callback may queue others: dropping a service drops its destinations, each of which is freed a
/// grace period later. [`drain`] goes by this count and not by an assumed depth of such chains.
/// Objects of a table are not counted, because packets queue them and would make all CPUs write one
/// cache line. The first barrier waits for their callbacks; what these queue is counted. A counted
/// callback must not queue one that is not counted.
static QUEUED: Atomic<isize> = Atomic::new(0);

/// Queues `callback` to be called with `head` after a grace period (C: `call_rcu()`), and counts it
/// as queued until it calls [`done`].
///
/// Any context. The callback runs in softirq context and must not sleep.
///
/// # Safety
///
/// `head` must not be queued, must stay valid until the callback runs, and must not be written by
/// anybody else until then. `callback` must be sound to call with `head`, and must call [`done`]
/// once, as its last action.
pub(super) unsafe fn call_later(
    head: *mut bindings::callback_head,
    callback: unsafe extern "C" fn(*mut bindings::callback_head),
) {
    QUEUED.add(1, Relaxed);
    // SAFETY: By the contract of this function `head` is valid, is not queued, and matches
    // `callback`.
    unsafe { bindings::call_rcu(head, Some(callback)) };
}

/// Counts a callback of [`call_later`] as ended. Called at the end of each such callback.
pub(super) fn done() {
    // Callbacks that this one queued are in the count already, so it cannot drop to 0 between them.
    // Release pairs with the Acquire in `drain`: the effects of the callback come before its end.
    QUEUED.fetch_sub(1, Release);
}

/// Waits until no callback of this module is queued or running, including those that callbacks
/// queue.
///
/// The caller must make sure that no callbacks are queued from elsewhere meanwhile; otherwise this
/// may not end. Called before the module's text is unloaded and before a cache that callbacks free
/// into is destroyed. Process context; sleeps for several grace periods.
pub(crate) fn drain() {
    loop {
        barrier();
        if QUEUED.load(Acquire) == 0 {
            break;
        }
    }
    // The last callback may have called `done` and not returned yet, so its code may still be
    // running. A barrier ends after the callback has returned.
    barrier();
}

/// Waits for a grace period, expedited by interrupting the other CPUs (C:
/// `synchronize_rcu_expedited()`). Process context; sleeps, for microseconds rather than
/// milliseconds.
pub(crate) fn synchronize_expedited() {
    // SAFETY: May be called in any context that may sleep and that is not a read-side critical
    // section, which callers guarantee.
    unsafe { bindings::rust_ipvs_helper_synchronize_rcu_expedited() }
}

/// Allocation of an [`RcuCell`]'s value, with the head by which it is queued for freeing.
struct Node<T> {
    head: Opaque<bindings::callback_head>,
    value: T,
}

/// A boxed value that an [`RcuCell`] can hold and free after a grace period.
///
/// Allocation is separate from publication, so that nothing is allocated, and nothing fails, under
/// the lock of a writer.
pub(crate) struct RcuBox<T>(KBox<Node<T>>);

impl<T> RcuBox<T> {
    /// Allocates a box with `value`. The context is as `flags` allow. Fails with `AllocError`, and
    /// drops `value`.
    pub(crate) fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        Ok(Self(KBox::new(
            Node {
                head: Opaque::uninit(),
                value,
            },
            flags,
        )?))
    }

    /// Returns the value, which is not published yet, for changes.
    pub(crate) fn value_mut(&mut self) -> &mut T {
        &mut self.0.value
    }

    /// Converts the box into the address of its node, which the caller then owns.
    fn into_raw(self) -> usize {
        KBox::into_raw(self.0) as usize
    }
}

/// A pointer that readers dereference under RCU and writers replace at any time.
///
/// C: a pointer marked `__rcu`, with `rcu_dereference()` and `rcu_replace_pointer()`. Writers need
/// no lock to be memory-safe, because each replaces the pointer with one atomic exchange, which
/// makes it the owner of the old value.
///
/// # Invariants
///
/// The word is zero or the address of a `Node<T>` that came from `RcuBox::into_raw` and that is
/// freed only after a grace period has passed since it left the cell.
pub(crate) struct RcuCell<T: Send + Sync + 'static> {
    pointer: Word<usize>,
    _owns: PhantomData<KBox<Node<T>>>,
}

// SAFETY: The cell owns a `T` and drops it on any CPU, which `T: Send` allows.
unsafe impl<T: Send + Sync> Send for RcuCell<T> {}
// SAFETY: A shared cell hands out `&T` on any CPU, which `T: Sync` allows, and accepts and drops
// values of `T` on any CPU, which `T: Send` allows.
unsafe impl<T: Send + Sync> Sync for RcuCell<T> {}

impl<T: Send + Sync> RcuCell<T> {
    /// Creates an empty cell.
    pub(crate) const fn empty() -> Self {
        // INVARIANT: Zero.
        Self {
            pointer: Word::new(0),
            _owns: PhantomData,
        }
    }

    /// Creates a cell with `value`.
    pub(crate) fn new(value: RcuBox<T>) -> Self {
        // INVARIANT: From `RcuBox::into_raw`.
        Self {
            pointer: Word::new(value.into_raw()),
            _owns: PhantomData,
        }
    }

    /// Returns the current value, or `None` if the cell is empty.
    ///
    /// The reference is valid for the read-side critical section, though the value may be replaced
    /// meanwhile.
    #[inline(always)]
    pub(crate) fn get<'g>(&'g self, _rcu: Rcu<'g>) -> Option<&'g T> {
        let node = self.pointer.load() as *const Node<T>;
        // SAFETY: By the type invariant the word is null or the address of a node that is freed a
        // grace period after it has left the cell at the earliest. The critical section `'g` began
        // before that grace period ends. The address dependency orders the accesses, as in
        // `rcu_dereference()`.
        unsafe { node.as_ref() }.map(|node| &node.value)
    }

    /// Replaces the value by `value` if it still is `seen`, which [`get`](Self::get) returned in
    /// this critical section.
    ///
    /// Returns `true` on success; the old value is dropped after a grace period. Returns `false` if
    /// another writer was faster; then `value` is dropped at once.
    ///
    /// The address comparison is reliable: `seen` was not freed in this critical section, so no
    /// other value can have its address.
    pub(crate) fn exchange<'g>(
        &'g self,
        _rcu: Rcu<'g>,
        seen: Option<&'g T>,
        value: RcuBox<T>,
    ) -> bool {
        let old = seen.map_or(ptr::null(), |value| {
            // SAFETY: By the contract of this method `value` came from a cell, so it is the field
            // `value` of a `Node<T>`.
            unsafe { container_of!(ptr::from_ref(value), Node<T>, value) }
        });
        let new = value.into_raw();
        // SAFETY: `self.pointer` is a `usize` that is valid for the call and accessed atomically
        // only. The exchange is fully ordered, so the node's contents are visible before its
        // address.
        let found = unsafe {
            bindings::rust_ipvs_helper_cmpxchg(
                ptr::from_ref(&self.pointer).cast_mut().cast(),
                old as usize,
                new,
            )
        };
        if found != old as usize {
            // SAFETY: `new` came from `RcuBox::into_raw` just above and was not published, so this
            // call owns it.
            drop(unsafe { KBox::from_raw(new as *mut Node<T>) });
            return false;
        }
        // SAFETY: This exchange took the node out of the cell, so this call alone owns it. `old`
        // may be null.
        unsafe { drop_later(old.cast_mut()) };
        true
    }

    /// Replaces the value, as [`replace`](Self::replace) does, and returns a reference to the new
    /// one. It is valid for the critical section even if another writer replaces it at once.
    pub(crate) fn install<'g>(&'g self, _rcu: Rcu<'g>, value: RcuBox<T>) -> &'g T {
        let node = value.into_raw();
        self.swap(node);
        // SAFETY: `node` came from `RcuBox::into_raw`. If another writer has replaced it already,
        // that happened in this critical section, so it is freed after the end of `'g`.
        unsafe { &(*(node as *const Node<T>)).value }
    }

    /// Replaces the value by `value`, or by none. The old value is dropped after a grace period.
    ///
    /// Any context. Writers may race: each value that was in the cell is dropped once. Which one
    /// stays is up to the callers, who take a lock if that matters.
    pub(crate) fn replace(&self, value: Option<RcuBox<T>>) {
        self.swap(value.map_or(0, RcuBox::into_raw));
    }

    /// Stores the address of a node, or 0, and queues the old node to be dropped after a grace
    /// period. The caller gives up the ownership of `new`.
    fn swap(&self, new: usize) {
        // SAFETY: `self.pointer` is a `usize` that is valid for the call and accessed atomically
        // only. The exchange is fully ordered, so the node's contents are visible before its
        // address.
        let old = unsafe {
            bindings::rust_ipvs_helper_xchg(ptr::from_ref(&self.pointer).cast_mut().cast(), new)
        };
        // SAFETY: This exchange took the node out of the cell, so this call alone owns it. `old`
        // may be null.
        unsafe { drop_later(old as *mut Node<T>) };
    }

    /// Replaces the value as [`replace`](Self::replace) does, for a `T` that takes long to drop: it
    /// is dropped in process context, after a grace period.
    pub(crate) fn replace_large(&self, value: Option<RcuBox<T>>) {
        let new = value.map_or(0, RcuBox::into_raw);
        // SAFETY: `self.pointer` is a `usize` that is valid for the call and accessed atomically
        // only. The exchange is fully ordered.
        let old = unsafe {
            bindings::rust_ipvs_helper_xchg(ptr::from_ref(&self.pointer).cast_mut().cast(), new)
        };
        let node = old as *mut Node<T>;
        if !node.is_null() {
            // SAFETY: This exchange took the node out of the cell, so nobody else queues it, and by
            // the type invariant it is a `Node<T>`. `drop_large` has it counted as ended after it
            // is dropped.
            unsafe { call_later((*node).head.get(), drop_large::<T>) };
        }
    }
}

/// Queues a node to be dropped after a grace period. Does nothing if `node` is null.
///
/// # Safety
///
/// `node` must be null, or a node from `RcuBox::into_raw` that the caller took out of its cell.
unsafe fn drop_later<T>(node: *mut Node<T>) {
    if !node.is_null() {
        // SAFETY: By the contract of this function the caller owns the node, so nobody else queues
        // it. `head` is written by RCU only. `drop_node` matches the type and calls `done` last.
        unsafe { call_later((*node).head.get(), drop_node::<T>) };
    }
}

impl<T: Send + Sync> Drop for RcuCell<T> {
    fn drop(&mut self) {
        let node = self.pointer.load() as *mut Node<T>;
        if !node.is_null() {
            // SAFETY: `&mut self` excludes readers, because each borrows the cell for `'g`. By the
            // type invariant the node came from `RcuBox::into_raw`, hence from `KBox::into_raw`,
            // and the cell owns it.
            drop(unsafe { KBox::from_raw(node) });
        }
    }
}

/// The RCU callback that drops a node. Softirq context, or process context by way of
/// [`drop_large`].
///
/// # Safety
///
/// `head` must be the `head` of a `Node<T>` from `KBox::into_raw` that nobody can reach any more.
unsafe extern "C" fn drop_node<T>(head: *mut bindings::callback_head) {
    // SAFETY: By the contract of this function `head` is the field `head` of a `Node<T>`, so the
    // subtraction stays within that allocation.
    let node = unsafe { container_of!(Opaque::cast_from(head), Node<T>, head) };
    // SAFETY: By the contract of this function the node came from `KBox::into_raw` and has no
    // readers any more, so the box is its only owner.
    drop(unsafe { KBox::from_raw(node.cast_mut()) });
    done();
}

/// The RCU callback that hands a node over to a work item, which drops it in process context.
///
/// # Safety
///
/// `head` must be the `head` of a `Node<T>` from `KBox::into_raw` that nobody can reach any more.
unsafe extern "C" fn drop_large<T>(head: *mut bindings::callback_head) {
    // SAFETY: By the contract of this function, which is that of `drop_node` too. RCU does not use
    // the head any more once it calls this function.
    unsafe { reclaim::later(head, drop_node::<T>) };
}
