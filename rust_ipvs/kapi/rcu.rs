// SPDX-License-Identifier: GPL-2.0

//! Read-copy-update by types.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
//!
//! [`Rcu`] is evidence that the CPU is in a read-side critical section; whatever is found through
//! it lives as long as the evidence does. [`RcuCell`] is a pointer that readers follow and a writer
//! replaces; what it replaced is dropped after a grace period, in softirq context, so a `T` that is
//! put in one must be droppable there.
//!
//! # Examples
//!
//! ```ignore
//! let cell = RcuCell::new(RcuBox::new(1, GFP_KERNEL)?);
//! rcu::read(|rcu| assert_eq!(cell.get(rcu), Some(&1)));
//! cell.replace(Some(RcuBox::new(2, GFP_KERNEL)?));
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

/// Evidence of a read-side critical section that lasts for `'g`.
///
/// # Invariants
///
/// The current CPU holds the RCU read lock, or may not be preempted by a grace period for another
/// reason, for all of `'g`.
#[derive(Clone, Copy)]
pub(crate) struct Rcu<'g>(PhantomData<(&'g (), *const ())>);

impl Rcu<'_> {
    /// Evidence where C code took the lock already, as netfilter does around its hooks.
    ///
    /// # Safety
    ///
    /// The read-side critical section must last for the whole lifetime that the caller lets escape.
    pub(crate) unsafe fn assume() -> Self {
        // INVARIANT: The caller promises it.
        Self(PhantomData)
    }
}

/// Runs `f` in a read-side critical section. `f` must not sleep.
pub(crate) fn read<R>(f: impl FnOnce(Rcu<'_>) -> R) -> R {
    let _guard = rcu::read_lock();
    // INVARIANT: `_guard` is held until `f` has returned, and the closure's argument is
    // higher-ranked, so the evidence cannot outlive the call.
    f(Rcu(PhantomData))
}

/// Waits until all callbacks queued so far have run. Sleeps.
pub(crate) fn barrier() {
    // SAFETY: May be called from any process context; this is such by contract of the callers.
    unsafe { bindings::rcu_barrier() }
}

/// Callbacks of cells and counted references that were queued and have not ended.
///
/// A callback may queue others: a service that is dropped drops its destinations, and each of these
/// is dropped a grace period later. [`drain`] goes by this count, not by how deep such chains
/// happen to be. What packets queue by themselves (objects of a table) is not counted, as that
/// would be a line that all CPUs write; its callbacks are awaited by the first barrier, and what
/// these queue is counted. No callback that is counted may queue any that is not.
static QUEUED: Atomic<isize> = Atomic::new(0);

/// Has `callback` called with `head` after a grace period, and counts it until [`done`] is called
/// at its end.
///
/// # Safety
///
/// As for `call_rcu()`: `head` must not be queued already, and stay until the callback runs.
/// `callback` must call [`done`] once, at its end.
pub(super) unsafe fn call_later(
    head: *mut bindings::callback_head,
    callback: unsafe extern "C" fn(*mut bindings::callback_head),
) {
    QUEUED.add(1, Relaxed);
    // SAFETY: By the contract of this function.
    unsafe { bindings::call_rcu(head, Some(callback)) };
}

/// Counts a callback of [`call_later`] as ended.
pub(super) fn done() {
    // What the callback queued itself was counted before.
    QUEUED.fetch_sub(1, Release);
}

/// Waits until no callback of this module is queued or running, also none that others queue while
/// they run.
///
/// For when nothing queues any from outside any more: before the module's text goes, or a cache
/// that callbacks free into. Sleeps.
pub(crate) fn drain() {
    loop {
        barrier();
        if QUEUED.load(Acquire) == 0 {
            break;
        }
    }
    // The last one may have counted itself as ended and not returned yet.
    barrier();
}

/// Waits for a grace period, at the price of disturbing the other CPUs. Sleeps.
pub(crate) fn synchronize_expedited() {
    // SAFETY: As for `barrier`.
    unsafe { bindings::rust_ipvs_helper_synchronize_rcu_expedited() }
}

struct Node<T> {
    head: Opaque<bindings::callback_head>,
    value: T,
}

/// A value in a box that [`RcuCell`] can publish, and free after a grace period.
///
/// Allocating it apart from publishing it means that nothing is allocated under a lock.
pub(crate) struct RcuBox<T>(KBox<Node<T>>);

impl<T> RcuBox<T> {
    /// Allocates room for `value`.
    pub(crate) fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        Ok(Self(KBox::new(
            Node {
                head: Opaque::uninit(),
                value,
            },
            flags,
        )?))
    }

    /// The value, which nobody else can see yet.
    pub(crate) fn value_mut(&mut self) -> &mut T {
        &mut self.0.value
    }

    fn into_raw(self) -> usize {
        KBox::into_raw(self.0) as usize
    }
}

/// A pointer that readers follow under RCU and writers replace at any time.
///
/// # Invariants
///
/// The word is zero or the address of a `Node<T>` that came from `RcuBox::into_raw` and that is
/// freed only after a grace period has passed since it left the cell.
pub(crate) struct RcuCell<T: Send + Sync + 'static> {
    pointer: Word<usize>,
    _owns: PhantomData<KBox<Node<T>>>,
}

// SAFETY: The cell hands out `&T` on any CPU and drops `T` on any CPU.
unsafe impl<T: Send + Sync> Send for RcuCell<T> {}
// SAFETY: The cell hands out `&T` on any CPU and drops `T` on any CPU.
unsafe impl<T: Send + Sync> Sync for RcuCell<T> {}

impl<T: Send + Sync> RcuCell<T> {
    /// A cell that holds nothing.
    pub(crate) const fn empty() -> Self {
        // INVARIANT: Zero.
        Self {
            pointer: Word::new(0),
            _owns: PhantomData,
        }
    }

    /// A cell that holds `value`.
    pub(crate) fn new(value: RcuBox<T>) -> Self {
        // INVARIANT: From `RcuBox::into_raw`.
        Self {
            pointer: Word::new(value.into_raw()),
            _owns: PhantomData,
        }
    }

    /// Returns what the cell holds now.
    #[inline(always)]
    pub(crate) fn get<'g>(&'g self, _rcu: Rcu<'g>) -> Option<&'g T> {
        let node = self.pointer.load() as *const Node<T>;
        // SAFETY: By the type invariant the node, where there is one, is freed only a grace period
        // after it left the cell, and the read-side critical section began before that. The
        // address dependency orders the accesses, as in `rcu_dereference()`.
        unsafe { node.as_ref() }.map(|node| &node.value)
    }

    /// Puts `value` in the cell where that still holds `seen`, which was found there in this
    /// critical section.
    ///
    /// Returns whether it did. What was there is dropped after a grace period, and `value` at once
    /// where it was not put in.
    pub(crate) fn exchange<'g>(
        &'g self,
        _rcu: Rcu<'g>,
        seen: Option<&'g T>,
        value: RcuBox<T>,
    ) -> bool {
        let old = seen.map_or(ptr::null(), |value| {
            // SAFETY: What is in a cell is the `value` of a node.
            unsafe { container_of!(ptr::from_ref(value), Node<T>, value) }
        });
        let new = value.into_raw();
        // SAFETY: The word is a `usize` that lives as long as `self`; the exchange is fully
        // ordered.
        let found = unsafe {
            bindings::rust_ipvs_helper_cmpxchg(
                ptr::from_ref(&self.pointer).cast_mut().cast(),
                old as usize,
                new,
            )
        };
        if found != old as usize {
            // SAFETY: From `RcuBox::into_raw` just above, and nobody has seen it.
            drop(unsafe { KBox::from_raw(new as *mut Node<T>) });
            return false;
        }
        // SAFETY: This exchange took the node out of the cell: its address cannot have been used
        // again, as it is not freed in this critical section.
        unsafe { drop_later(old.cast_mut()) };
        true
    }

    /// Puts `value` in the cell, as [`replace`](Self::replace) does, and returns it, whatever
    /// becomes of the cell.
    pub(crate) fn install<'g>(&'g self, _rcu: Rcu<'g>, value: RcuBox<T>) -> &'g T {
        let node = value.into_raw();
        self.swap(node);
        // SAFETY: A node from `RcuBox::into_raw`. If it has left the cell already, it did so in
        // this critical section, so that it is freed a grace period after the section has ended.
        unsafe { &(*(node as *const Node<T>)).value }
    }

    /// Puts `value` in the cell; what was there is dropped after a grace period.
    ///
    /// Writers may race: each value that was ever in the cell is dropped once.
    pub(crate) fn replace(&self, value: Option<RcuBox<T>>) {
        self.swap(value.map_or(0, RcuBox::into_raw));
    }

    /// Puts a node, or nothing, in the cell, and drops the one that was there after a grace period.
    fn swap(&self, new: usize) {
        // SAFETY: The word is a `usize` that lives as long as `self`; the exchange is fully
        // ordered, so the node's contents are visible before its address.
        let old = unsafe {
            bindings::rust_ipvs_helper_xchg(ptr::from_ref(&self.pointer).cast_mut().cast(), new)
        };
        // SAFETY: This exchange took the node out of the cell.
        unsafe { drop_later(old as *mut Node<T>) };
    }

    /// As [`replace`](Self::replace), for a `T` that takes long to drop, which is done in process
    /// context.
    pub(crate) fn replace_large(&self, value: Option<RcuBox<T>>) {
        let new = value.map_or(0, RcuBox::into_raw);
        // SAFETY: As in `replace`.
        let old = unsafe {
            bindings::rust_ipvs_helper_xchg(ptr::from_ref(&self.pointer).cast_mut().cast(), new)
        };
        let node = old as *mut Node<T>;
        if !node.is_null() {
            // SAFETY: This exchange took the node out of the cell, so nobody else queues it.
            unsafe { call_later((*node).head.get(), drop_large::<T>) };
        }
    }
}

/// Drops a node, where there is one, after a grace period.
///
/// # Safety
///
/// The caller must be the one that took the node out of its cell.
unsafe fn drop_later<T>(node: *mut Node<T>) {
    if !node.is_null() {
        // SAFETY: By the contract of this function nobody else queues the node, and `head` is
        // written by nobody but RCU.
        unsafe { call_later((*node).head.get(), drop_node::<T>) };
    }
}

impl<T: Send + Sync> Drop for RcuCell<T> {
    fn drop(&mut self) {
        let node = self.pointer.load() as *mut Node<T>;
        if !node.is_null() {
            // SAFETY: `&mut self` means that no reader can be in the cell: each borrowed it. The
            // node came from `KBox::into_raw` by the type invariant.
            drop(unsafe { KBox::from_raw(node) });
        }
    }
}

/// Drops a node whose grace period has passed.
///
/// # Safety
///
/// `head` must be the `head` of a `Node<T>` from `KBox::into_raw` that nobody can reach any more.
unsafe extern "C" fn drop_node<T>(head: *mut bindings::callback_head) {
    // SAFETY: By the contract of this function.
    let node = unsafe { container_of!(Opaque::cast_from(head), Node<T>, head) };
    // SAFETY: By the contract of this function nobody else has it; ownership passes to the box.
    drop(unsafe { KBox::from_raw(node.cast_mut()) });
    done();
}

/// Has a node whose grace period has passed dropped in process context.
///
/// # Safety
///
/// As for [`drop_node`].
unsafe extern "C" fn drop_large<T>(head: *mut bindings::callback_head) {
    // SAFETY: By the contract of this function; RCU is done with the head.
    unsafe { reclaim::later(head, drop_node::<T>) };
}
