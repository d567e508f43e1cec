// SPDX-License-Identifier: GPL-2.0

//! The lists of a wheel's slots: doubly linked, so that an object leaves from wherever it is.

use super::entry::TableEntry;
use core::ptr;

/// Puts `entry` at the head of a wheel list.
///
/// # Safety
///
/// The shard's lock must be held, `head` be one of its lists, and `entry` in none.
pub(super) unsafe fn link<T: TableEntry>(head: *mut usize, entry: &T) {
    let words = entry.wheel().words.get().cast::<usize>();
    // SAFETY: The lock makes all these words ours; the head's object is live, being in a list.
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

/// Takes `entry` out of its wheel list.
///
/// # Safety
///
/// The shard's lock must be held and `entry` be in a list.
pub(super) unsafe fn unlink<T: TableEntry>(entry: &T) {
    let words = entry.wheel().words.get().cast::<usize>();
    // SAFETY: The lock makes all these words ours; neighbours are live, being in a list.
    unsafe {
        let next = words.read();
        let back = words.add(1).read();
        *(back as *mut usize) = next;
        if let Some(next) = (next as *const T).as_ref() {
            next.wheel().words.get().cast::<usize>().add(1).write(back);
        }
    }
}

/// Moves a list to another head; nothing moves where that has objects already.
///
/// # Safety
///
/// The lock of the shard that has both heads must be held.
pub(super) unsafe fn splice<T: TableEntry>(from: *mut usize, to: *mut usize) {
    // SAFETY: The lock makes both heads ours, and a list's first object is live.
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
