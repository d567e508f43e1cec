// SPDX-License-Identifier: GPL-2.0

//! C functions that the checked files call.
#![allow(
    non_camel_case_types,
    clippy::missing_safety_doc,
    reason = "as in the kernel's bindings"
)]

use engine::Order;

/// Spinlock, which the engine identifies by its address.
#[repr(C)]
pub struct spinlock_t(u64);

/// Argument of `call_rcu()` (`struct rcu_head`).
#[repr(C)]
pub struct callback_head {
    next: *mut callback_head,
    func: Option<unsafe extern "C" fn(*mut callback_head)>,
}

pub unsafe fn rust_ipvs_helper_spin_lock_init(_lock: *mut spinlock_t) {}

#[track_caller]
pub unsafe fn rust_ipvs_helper_spin_lock_softirq(lock: *mut spinlock_t) -> bool {
    engine::lock(lock as usize);
    false
}

#[track_caller]
pub unsafe fn rust_ipvs_helper_spin_unlock_softirq(lock: *mut spinlock_t, _bh: bool) {
    engine::unlock(lock as usize);
}

#[track_caller]
pub unsafe fn rust_ipvs_helper_spin_lock_nested(lock: *mut spinlock_t, _subclass: i32) {
    engine::lock(lock as usize);
}

#[track_caller]
pub unsafe fn rust_ipvs_helper_spin_unlock(lock: *mut spinlock_t) {
    engine::unlock(lock as usize);
}

pub unsafe fn rust_ipvs_helper_cond_resched() {}

#[track_caller]
pub unsafe fn rust_ipvs_helper_xchg(word: *mut usize, new: usize) -> usize {
    // SAFETY: By the contract of this function. No other thread runs meanwhile.
    unsafe {
        let now = word.read() as u64;
        let old = engine::modify(word as usize, now, |_| Some(new as u64), Order::Full);
        word.write(new);
        old as usize
    }
}

#[track_caller]
pub unsafe fn rust_ipvs_helper_cmpxchg(word: *mut usize, old: usize, new: usize) -> usize {
    // SAFETY: By the contract of this function. No other thread runs meanwhile.
    unsafe {
        let now = word.read() as u64;
        let change = |found: u64| (found == old as u64).then_some(new as u64);
        let found = engine::modify(word as usize, now, change, Order::Full) as usize;
        if found == old {
            word.write(new);
        }
        found
    }
}

#[track_caller]
pub unsafe fn call_rcu(
    head: *mut callback_head,
    callback: Option<unsafe extern "C" fn(*mut callback_head)>,
) {
    let callback = callback.expect("a function to call");
    // SAFETY: Both function types take one pointer.
    let callback = unsafe {
        std::mem::transmute::<unsafe extern "C" fn(*mut callback_head), engine::Callback>(callback)
    };
    // SAFETY: By the contract of this function.
    unsafe { engine::call_rcu(head.cast(), callback) };
}

pub unsafe fn rust_ipvs_helper_synchronize_rcu_expedited() {
    engine::synchronize();
}
