// SPDX-License-Identifier: GPL-2.0

//! Lists of the slots of a timer wheel.
//!
//! Doubly linked, like `struct hlist_node` of
//! [`include/linux/list.h`](srctree/include/linux/list.h): a head is one word, the address of the
//! first object or 0. An object has the address of the next one and the address of the word that
//! points at itself, so it can be unlinked without a search.
//!
//! All functions are called with the lock of the shard that owns the lists, and bottom halves off.
//! Nothing reads the lists under RCU, so plain loads and stores do.

use super::entry::TableEntry;
use core::ptr;

/// Links `entry` at the head of a list.
///
/// # Safety
///
/// The caller must hold the shard's lock. `head` must be one of its lists, and `entry` must be in
/// no list.
pub(super) unsafe fn link<T: TableEntry>(head: *mut usize, entry: &T) {
    let words = entry.wheel().words.get().cast::<usize>();
    // SAFETY: By the contract of this function the lock is held, so no other CPU accesses the head
    // or the words of objects in the shard's lists. The first object is in a list, so it is alive.
    unsafe {
        let first = *head;
        words.write(first);
        words.add(1).write(head as usize);
        if let Some(first) = (first as *const T).as_ref() {
            first
                .wheel()
                .words
                .get()
                .cast::<usize>()
                .add(1)
                .write(words as usize);
        }
        *head = ptr::from_ref(entry) as usize;
    }
}

/// Unlinks `entry` from its list. Its words keep their old contents.
///
/// # Safety
///
/// The caller must hold the shard's lock, and `entry` must be in one of its lists.
pub(super) unsafe fn unlink<T: TableEntry>(entry: &T) {
    let words = entry.wheel().words.get().cast::<usize>();
    // SAFETY: By the contract of this function the lock is held and `entry` is in a list, so `back`
    // is the address of a head or of a word of a live object, and `next` is 0 or a live object.
    unsafe {
        let next = words.read();
        let back = words.add(1).read();
        *(back as *mut usize) = next;
        if let Some(next) = (next as *const T).as_ref() {
            next.wheel().words.get().cast::<usize>().add(1).write(back);
        }
    }
}

/// Moves all objects of `from` to `to`, in constant time. Does nothing if `to` is not empty.
///
/// # Safety
///
/// The caller must hold the lock of the shard that owns both heads.
pub(super) unsafe fn splice<T: TableEntry>(from: *mut usize, to: *mut usize) {
    // SAFETY: By the contract of this function both heads are valid and no other CPU accesses them
    // or the words of the objects in their lists. The first object of a list is alive.
    unsafe {
        if *to != 0 || from == to {
            return;
        }
        if let Some(first) = (*from as *const T).as_ref() {
            first
                .wheel()
                .words
                .get()
                .cast::<usize>()
                .add(1)
                .write(to as usize);
        }
        *to = *from;
        *from = 0;
    }
}
