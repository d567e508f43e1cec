// SPDX-License-Identifier: GPL-2.0

//! Objects of a [`Table`](super::Table): the trait that they implement and the fields that it
//! needs.
//!
//! An object embeds [`Links`] for its hash chains and [`WheelLinks`] for the timer wheel, as an
//! entry of `struct hlist_head` embeds a `struct hlist_node`. They are two structures, so that the
//! links which each look-up reads can be placed in the object's first cache line, and those which
//! are written when the object is rearmed in another.
//!
//! C headers: [`include/linux/list.h`](srctree/include/linux/list.h),
//! [`include/linux/timer.h`](srctree/include/linux/timer.h). A `struct timer_list` has 40 bytes in
//! the place of the 16 of the wheel's links.
//!
//! # Examples
//!
//! Flows by port, each of which lives until its slot of the wheel comes.
//!
//! ```
//! # use crate::{
//! #     impl_entry,
//! #     kapi::{
//! #         rcu,
//! #         slab::Slab,
//! #         table::{Directions, Hashed, Links, Table, WheelLinks},
//! #     },
//! # };
//! struct Flow<T: Tag> {
//!     links: Links,
//!     wheel: WheelLinks,
//!     port: u16,
//!     tag: T,
//! }
//!
//! trait Tag: Send + Sync + 'static {}
//!
//! impl_entry! {
//!     impl<T: Tag> TableEntry for Flow<T> {
//!         key: u32,
//!         hash: Flow::<T>::hash,
//!         slot: Flow::<T>::slot,
//!         removed: Flow::<T>::removed,
//!     }
//! }
//!
//! impl<T: Tag> Flow<T> {
//!     fn new(port: u16, tag: T) -> Self {
//!         Self {
//!             links: Links::new(),
//!             wheel: WheelLinks::new(),
//!             port,
//!             tag,
//!         }
//!     }
//!
//!     // A real one is keyed, so that clients cannot choose chains.
//!     fn hash(&self, _direction: usize, key: &u32) -> u32 {
//!         key ^ u32::from(self.port)
//!     }
//!
//!     fn slot(&self) -> u16 {
//!         0
//!     }
//!
//!     fn removed(&self) {}
//! }
//!
//! impl Tag for u8 {}
//!
//! # fn example() -> Result {
//! let slab = Slab::<Flow<u8>>::new(c"example_flow")?;
//! let table = Table::<Flow<u8>>::new(8, 64, 0x9e37_79b9)?;
//! let flow = slab.alloc(|| Flow::new(80, 0))?;
//! rcu::read(|rcu| {
//!     let same = |one: &Flow<u8>, other: &Flow<u8>| one.port == other.port;
//!     let inserted = table.insert(rcu, flow, Hashed::UNKNOWN, Directions::One, same);
//!     assert!(inserted.is_ok());
//!     let found = table.find(rcu, |key| key ^ 80, |flow, _| flow.port == 80);
//!     assert!(found.is_some_and(|(flow, _)| table.remove(rcu, flow)));
//! });
//! # Ok(())
//! # }
//! ```

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

/// Bit of a link that tells in which direction the object is in the chain. Objects are aligned to
/// more than two bytes, so bit 0 of their addresses is free.
pub(super) const DIRECTION: usize = 1;
/// State bit: the object is in its table. Changed under the lock of its shard.
pub(super) const LINKED: u32 = 1;
/// State bit: the object is in a chain in its second direction too.
pub(super) const SECOND: u32 = 2;
/// State mask: serial number of the table that the object is in, or was in; 0 before.
pub(super) const SERIAL: u32 = !(LINKED | SECOND);
/// Lowest bit of the serial number in the state.
pub(super) const SERIAL_UNIT: u32 = 4;
/// Value of `n_control` of an object that is not in its table or is being removed: no reference can
/// be taken.
///
/// Most negative, so that failed attempts, which increment it, leave it negative.
pub(super) const FROZEN: i32 = i32::MIN;

/// Hash chain links of an object. Each look-up reads them, so they belong in its first cache line.
///
/// A hash is written before the object is in a chain in that direction, and afterwards only when
/// the object moves to an array with another key (`table/rekey.rs`). `next` is written under the
/// lock of the shard of the hash of its direction, and read under RCU.
#[repr(C)]
pub(crate) struct Links {
    /// Link to the next object, by direction; 0 at the end of the chain.
    pub(super) next: [Word<usize>; 2],
    /// Hash of the key, by direction. Compared before the key itself.
    pub(super) hash: [Word<u32>; 2],
}

impl Links {
    /// Creates the links of an object that is in no table yet.
    pub(crate) const fn new() -> Self {
        Self {
            next: [Word::new(0), Word::new(0)],
            hash: [Word::new(0), Word::new(0)],
        }
    }
}

/// Timer wheel links of an object. Once it has left the table they serve as its RCU head.
#[repr(C)]
pub(crate) struct WheelLinks {
    /// Next object and the address of the word that points at this one; or an RCU head. Accessed
    /// under the lock of the object's shard, by RCU once the object has left the table.
    pub(super) words: UnsafeCell<[usize; 2]>,
    /// [`LINKED`], [`SECOND`] and [`SERIAL`]. Written under the lock of the object's shard.
    pub(super) state: Word<u32>,
    /// Number of [`ControlRef`](super::ControlRef)s to the object; negative if none can be taken.
    pub(super) n_control: Atomic<i32>,
    /// First hash that the object was inserted with. Its shard is the object's home, whose lock
    /// protects the other words. Written once, before the object is in any chain.
    home: Word<u32>,
}

// SAFETY: The words hold plain numbers without thread affinity. They are accessed under the lock of
// the object's home, or by RCU alone.
unsafe impl Send for WheelLinks {}
// SAFETY: Accesses to the words are serialised by the lock of the object's home; after the object
// has left the table RCU alone accesses them. The other fields are atomic.
unsafe impl Sync for WheelLinks {}

impl WheelLinks {
    /// Creates the links of an object that is in no table yet: not `LINKED`, with a frozen count.
    pub(crate) const fn new() -> Self {
        Self {
            words: UnsafeCell::new([0; 2]),
            state: Word::new(0),
            n_control: Atomic::new(FROZEN),
            home: Word::new(0),
        }
    }

    /// Returns the hash whose shard is the home of the object.
    pub(super) fn home(&self) -> u32 {
        self.home.load()
    }

    /// Stores the hash whose shard is the home. The caller must own the object, which must be in no
    /// chain.
    pub(super) fn set_home(&self, hash: u32) {
        // A relaxed store: the publication of the object in a chain orders it.
        self.home.store(hash);
    }

    /// Returns a keyed hash of the object's first hash at its insertion, for uses in which the
    /// result can be seen from outside. It stays the same while the object is in the table.
    ///
    /// It reveals neither the table hash nor a bit of it, which would help an attacker to fill one
    /// bucket.
    pub(crate) fn outward_hash(&self, key: &HalfSipKey) -> u32 {
        key.hash(self.home())
    }

    /// Returns the number of references, 0 if the count is frozen. Another CPU may change it at any
    /// time.
    ///
    /// For display and for decisions that are repeated under the lock.
    pub(crate) fn n_control(&self) -> u32 {
        u32::try_from(self.n_control.load(Relaxed)).unwrap_or(0)
    }

    /// Returns `true` if the object is in its table. Without the lock of the object's shard,
    /// another CPU may change that at any time.
    pub(super) fn is_linked(&self) -> bool {
        self.state.load() & LINKED != 0
    }
}

// `Table::free_later` passes the words to `call_rcu()`.
const _: () = assert!(size_of::<[usize; 2]>() == size_of::<bindings::callback_head>());

/// Object that a [`Table`](super::Table) can hold. Implemented with
/// [`impl_entry!`](crate::impl_entry).
///
/// The table owns an object from a successful insertion until a grace period after its removal. It
/// hands out `&Self` to readers on any CPU, hence `Sync`, and drops the object in softirq context,
/// hence `Send`.
///
/// # Safety
///
/// `links` and `wheel` must return the same field of `self` each time, `WHEEL_OFFSET` must be the
/// offset of the latter, and nothing outside of the table may write to either.
pub(crate) unsafe trait TableEntry: Send + Sync + Sized + 'static {
    /// Offset of the [`WheelLinks`] in `Self`.
    const WHEEL_OFFSET: usize;
    /// Key of the hashes.
    type Key: Copy + Send + Sync + 'static;
    /// Returns the links of the hash chains.
    fn links(&self) -> &Links;
    /// Returns the timer wheel links.
    fn wheel(&self) -> &WheelLinks;
    /// Returns the hash by which the object is found in a direction, 0 or 1, with a key.
    ///
    /// Must return the same value for as long as the object is in a table. Any context, with or
    /// without locks.
    fn hash(&self, direction: usize, key: &Self::Key) -> u32;
    /// Returns the slot of the wheel that the object belongs to now. Numbers beyond the wheel mean
    /// that it is due at once.
    ///
    /// # Context
    ///
    /// Called with the lock of the object's home held and bottom halves off. `expire` takes the
    /// same lock to empty a slot. Hence a slot that is in the future when this is called is not
    /// passed before the object is linked in it.
    fn slot(&self) -> u16;
    /// Releases what the object refers to.
    ///
    /// # Context
    ///
    /// Called once, without a lock of the table, after the object was removed, or after its
    /// insertion failed because of a duplicate. Softirq or process context, in a read-side critical
    /// section: it must not sleep. Readers may still use the object; its memory is freed later.
    fn removed(&self);
}

/// Implements [`TableEntry`](crate::kapi::table::TableEntry) for a structure with the fields
/// `links: Links` and `wheel: WheelLinks`.
///
/// `slot` and `removed` name the functions that implement the methods of these names.
#[macro_export]
macro_rules! impl_entry {
    (
        impl<$g:ident: $bound:path> TableEntry for $type:ty {
            key: $key:ty,
            hash: $hash:path,
            slot: $slot:path,
            removed: $removed:path $(,)?
        }
    ) => {
        #[allow(unsafe_code)]
        // SAFETY: Both accessors return a fixed field, and `offset_of!` computes the offset of the
        // one that `wheel` returns. The contents of both types are private to `kapi::table`, so no
        // other code writes them.
        unsafe impl<$g: $bound> $crate::kapi::table::TableEntry for $type {
            const WHEEL_OFFSET: usize = ::core::mem::offset_of!($type, wheel);
            type Key = $key;
            #[inline(always)]
            fn links(&self) -> &$crate::kapi::table::Links {
                &self.links
            }
            #[inline(always)]
            fn wheel(&self) -> &$crate::kapi::table::WheelLinks {
                &self.wheel
            }
            #[inline(always)]
            fn hash(&self, direction: usize, key: &$key) -> u32 {
                $hash(self, direction, key)
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
    /// Returns the hash in a direction, 0 or 1.
    pub(super) fn hash_of(&self, direction: usize) -> u32 {
        let [first, second] = &self.hash;
        if direction == 0 { first } else { second }.load()
    }
}

/// Returns the words of the next link and the hash of `entry` in a direction.
#[inline(always)]
pub(super) fn words<T: TableEntry>(entry: &T, direction: usize) -> (&Word<usize>, &Word<u32>) {
    let links = entry.links();
    // SAFETY: The mask makes the direction 0 or 1, and both arrays have two elements.
    unsafe {
        (
            links.next.get_unchecked(direction & DIRECTION),
            links.hash.get_unchecked(direction & DIRECTION),
        )
    }
}

/// Returns the link that follows `entry` in the chain of a direction, 0 at its end, and the hash of
/// `entry` in that direction.
#[inline(always)]
pub(super) fn step<T: TableEntry>(entry: &T, direction: usize) -> (usize, u32) {
    let (next, hash) = words(entry, direction);
    (next.load(), hash.load())
}
