// SPDX-License-Identifier: GPL-2.0

//! [`TableEntry`]: objects that a [`Table`](super::Table) can hold.

use crate::{
    bindings,
    kapi::{
        once::Word,
        siphash::HalfSipKey, //
    },
};
use core::cell::UnsafeCell;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// The bit of a link that says in which direction the object is in the chain.
pub(super) const DIRECTION: usize = 1;
/// State: the object is in its table.
pub(super) const LINKED: u32 = 1;
/// State: the object is in a chain in its second direction too.
pub(super) const SECOND: u32 = 2;
/// State: the serial number of the table that the object is in, or was in; 0 before.
pub(super) const SERIAL: u32 = !(LINKED | SECOND);
/// The lowest bit of the serial number.
pub(super) const SERIAL_UNIT: u32 = 4;
/// `n_control`: no reference can be taken, as the object is not in its table or about to leave it.
pub(super) const FROZEN: i32 = i32::MIN;

/// Hash chain links of an object: read on each look-up, so they belong in its first cache line.
///
/// The hashes are written once, before the object is in any chain.
#[repr(C)]
pub(crate) struct Links {
    pub(super) next: [Word<usize>; 2],
    pub(super) hash: [Word<u32>; 2],
}

impl Links {
    /// Links of an object that is in no table yet.
    pub(crate) const fn new() -> Self {
        Self {
            next: [Word::new(0), Word::new(0)],
            hash: [Word::new(0), Word::new(0)],
        }
    }
}

/// Timer wheel links of an object, which RCU uses once it has left the table.
#[repr(C)]
pub(crate) struct WheelLinks {
    /// Next object, and the word that points at this one; or an RCU head.
    pub(super) words: UnsafeCell<[usize; 2]>,
    pub(super) state: Word<u32>,
    /// Number of references; negative if none can be taken.
    pub(super) n_control: Atomic<i32>,
}

// SAFETY: The words are accessed under the lock of the object's shard, or by RCU alone.
unsafe impl Send for WheelLinks {}
// SAFETY: The words are accessed under the lock of the object's shard, or by RCU alone.
unsafe impl Sync for WheelLinks {}

impl WheelLinks {
    /// Words of an object that is in no table yet.
    pub(crate) const fn new() -> Self {
        Self {
            words: UnsafeCell::new([0; 2]),
            state: Word::new(0),
            n_control: Atomic::new(FROZEN),
        }
    }

    /// Returns the number of references; it may be out of date at once.
    pub(crate) fn n_control(&self) -> u32 {
        u32::try_from(self.n_control.load(Relaxed)).unwrap_or(0)
    }

    /// Returns whether the object is in its table. Without its lock the answer may be out of date
    /// at once.
    pub(super) fn is_linked(&self) -> bool {
        self.state.load() & LINKED != 0
    }
}

const _: () = assert!(size_of::<[usize; 2]>() == size_of::<bindings::callback_head>());

/// Objects that a [`Table`] can hold. Implement it with [`impl_entry!`](crate::impl_entry).
///
/// # Safety
///
/// `links` and `wheel` must return the same field of `self` each time, `WHEEL_OFFSET` must be the
/// offset of the latter, and nothing else may write to either.
pub(crate) unsafe trait TableEntry: Send + Sync + Sized + 'static {
    /// Offset of the [`WheelLinks`] in `Self`.
    const WHEEL_OFFSET: usize;
    /// Returns the links of the hash chains.
    fn links(&self) -> &Links;
    /// Returns the timer wheel links.
    fn wheel(&self) -> &WheelLinks;
    /// The slot of the wheel where the object belongs now.
    ///
    /// Called with the lock of the object's shard, in softirq context or with softirqs off. As
    /// nobody looks at a slot of the shard meanwhile, a slot that is yet to come when this is
    /// called does not pass before the object is in it.
    fn slot(&self) -> u16;
    /// Called once, in any context but without a lock, when the object has left the table, or did
    /// not get into it, as it has a duplicate there. It lets go of what it holds.
    fn removed(&self);
}

/// Implements [`TableEntry`](crate::kapi::table::Entry) for a structure with fields `links` and
/// `wheel`.
#[macro_export]
macro_rules! impl_entry {
    (
        impl<$g:ident: $bound:path> TableEntry for $type:ty {
            slot: $slot:path,
            removed: $removed:path $(,)?
        }
    ) => {
        #[allow(unsafe_code)]
        // SAFETY: The fields are named once, here; what is in them is private to `kapi::table`.
        unsafe impl<$g: $bound> $crate::kapi::table::TableEntry for $type {
            const WHEEL_OFFSET: usize = ::core::mem::offset_of!($type, wheel);
            #[inline(always)]
            fn links(&self) -> &$crate::kapi::table::Links {
                &self.links
            }
            #[inline(always)]
            fn wheel(&self) -> &$crate::kapi::table::WheelLinks {
                &self.wheel
            }
            fn slot(&self) -> u16 {
                $slot(self)
            }
            fn removed(&self) {
                $removed(self)
            }
        }
    };
}

impl Links {
    /// Returns a number that stands for the object's first hash where others may see it: the hash
    /// itself, and any bit of it, stays in the table.
    pub(crate) fn outward_hash(&self, key: &HalfSipKey) -> u32 {
        key.hash(self.hash_of(0))
    }

    /// Stores both hashes. The caller owns the object: it is in no chain.
    pub(super) fn set_hashes(&self, first: u32, second: u32) {
        let [own_first, own_second] = &self.hash;
        own_first.store(first);
        own_second.store(second);
    }

    /// The hash in a direction.
    pub(super) fn hash_of(&self, direction: usize) -> u32 {
        let [first, second] = &self.hash;
        if direction == 0 { first } else { second }.load()
    }
}

/// The next link of `entry` in a direction, and its hash there.
#[inline(always)]
pub(super) fn words<T: TableEntry>(entry: &T, direction: usize) -> (&Word<usize>, &Word<u32>) {
    let links = entry.links();
    // SAFETY: A direction is 0 or 1, and both arrays have two elements.
    unsafe {
        (
            links.next.get_unchecked(direction & DIRECTION),
            links.hash.get_unchecked(direction & DIRECTION),
        )
    }
}

/// The next link of a chain, and the hash under which `entry` is in it.
#[inline(always)]
pub(super) fn step<T: TableEntry>(entry: &T, direction: usize) -> (usize, u32) {
    let (next, hash) = words(entry, direction);
    (next.load(), hash.load())
}
