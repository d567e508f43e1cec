// SPDX-License-Identifier: GPL-2.0

//! Slab caches for objects of one type.
//!
//! C header: [`include/linux/slab.h`](srctree/include/linux/slab.h)
//!
//! A [`Slab<T>`] allocates [`SlabBox<T>`]s. The cache is destroyed when the `Slab` is dropped,
//! after the RCU callbacks that may free objects of the cache have run.
//!
//! Objects that are allocated for packets, such as connections, come from a cache of their own:
//! they are cache-line aligned, their number shows in `/proc/slabinfo`, and `alloc()` initialises
//! them in place, without a copy from the stack.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::slab::Slab;
//! struct Flow {
//!     port: u16,
//! }
//!
//! // In process context, once; the name shows in `/proc/slabinfo`.
//! let flows = Slab::<Flow>::new(c"example_flow")?;
//!
//! // In any context.
//! let mut flow = flows.alloc(|| Flow { port: 80 })?;
//! flow.port = 8080;
//! drop(flow);
//! # Ok::<(), Error>(())
//! ```

use crate::bindings;
use core::{
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::{self, NonNull},
};
use kernel::{alloc::AllocError, prelude::*, str::CStrExt};

/// A cache of objects of type `T`.
///
/// # Invariants
///
/// `cache` was created for the size and alignment of `T`, and is not destroyed before `self` is
/// dropped.
pub(crate) struct Slab<T> {
    cache: NonNull<bindings::kmem_cache>,
    _holds: core::marker::PhantomData<fn() -> T>,
}

// SAFETY: A cache is not bound to a CPU or thread; it may be destroyed on any.
unsafe impl<T> Send for Slab<T> {}
// SAFETY: Allocations from one cache may run on all CPUs at once: the allocator serialises them.
unsafe impl<T> Sync for Slab<T> {}

impl<T> Slab<T> {
    /// Creates a cache. `name` shows in `/proc/slabinfo`. Process context; sleeps. Fails with
    /// `ENOMEM`.
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        let mut args: bindings::kmem_cache_args = pin_init::zeroed();
        args.align = u32::try_from(align_of::<T>())?;
        // Kernels that zero each allocation (`init_on_alloc`) do not zero objects of a cache with a
        // constructor. Here `alloc` writes each byte that is read later, so zeroing would be
        // wasted. With a constructor the allocator keeps its free pointer outside of the object
        // unless told an offset. A free object has no contents, so the pointer may be at offset 0.
        args.ctor = Some(nothing);
        args.use_freeptr_offset = true;
        args.freeptr_offset = 0;
        let size = u32::try_from(size_of::<T>())?;
        // SAFETY: `name` is static, as the cache keeps the pointer. `args` is initialised and read
        // during the call only. This is process context by the contract of this function. The flags
        // align objects to cache lines and keep the cache from being merged with others.
        let cache = unsafe {
            let flags = bindings::rust_ipvs_helper_slab_flags();
            bindings::__kmem_cache_create_args(name.as_char_ptr(), size, &raw mut args, flags)
        };
        // INVARIANT: The cache was created with the size and alignment of `T` just above.
        Ok(Self {
            cache: NonNull::new(cache).ok_or(ENOMEM)?,
            _holds: core::marker::PhantomData,
        })
    }

    /// Allocates an object and initialises it with the result of `value`.
    ///
    /// Any context: allocates with `GFP_ATOMIC` and does not sleep. Fails if that finds no memory;
    /// `value` is not called then.
    #[inline(always)]
    pub(crate) fn alloc(&self, value: impl FnOnce() -> T) -> Result<SlabBox<T>, AllocError> {
        // SAFETY: By the type invariant the cache is alive while `self` is borrowed.
        let object =
            unsafe { bindings::kmem_cache_alloc_noprof(self.cache.as_ptr(), bindings::GFP_ATOMIC) };
        let object = NonNull::new(object.cast::<T>()).ok_or(AllocError)?;
        // SAFETY: By the type invariant the cache returns memory of the size and alignment of `T`,
        // which nobody else uses.
        unsafe { object.as_ptr().write(value()) };
        // INVARIANT: The object was allocated and initialised just above, and nobody else has it.
        Ok(SlabBox(object))
    }
}

impl<T> Drop for Slab<T> {
    fn drop(&mut self) {
        // Objects of the cache may be queued for RCU, and destroying a cache with live objects is
        // an error.
        super::rcu::drain();
        // SAFETY: By the type invariant the cache exists, and `self` owns it. Callbacks that free
        // objects have run. Process context: `drain` sleeps, too.
        unsafe { bindings::kmem_cache_destroy(self.cache.as_ptr()) };
    }
}

/// The constructor of objects that need none. Its presence alone has an effect; see [`Slab::new`].
///
/// # Safety
///
/// None is required: the function does not access the object.
unsafe extern "C" fn nothing(_object: *mut core::ffi::c_void) {}

/// An owned object of a slab cache; the counterpart of `KBox`.
///
/// It may be dropped in any context. It must not outlive its cache; [`Slab`] waits for RCU
/// callbacks, and its users keep it with the tables that hold the objects.
///
/// # Invariants
///
/// The pointer is to an initialised `T` in memory of a slab cache, and this value is its only
/// owner.
pub(crate) struct SlabBox<T>(NonNull<T>);

// SAFETY: The value owns its `T` and may drop it on any CPU, which `T: Send` allows.
unsafe impl<T: Send> Send for SlabBox<T> {}

impl<T> SlabBox<T> {
    /// Converts the object into a pointer, which the caller then owns.
    pub(super) fn into_raw(self) -> NonNull<T> {
        let object = self.0;
        core::mem::forget(self);
        object
    }

    /// Takes the ownership of an object back.
    ///
    /// # Safety
    ///
    /// `object` must come from [`SlabBox::into_raw`], and nobody else may use it any more or pass
    /// it to this function again.
    pub(super) unsafe fn from_raw(object: NonNull<T>) -> Self {
        // INVARIANT: By the contract of this function the pointer came from a `SlabBox`, and its
        // ownership passes to the result.
        Self(object)
    }
}

impl<T> Deref for SlabBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariant the object is initialised and is owned by `self`, which is
        // borrowed.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for SlabBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariant the object is initialised and is owned by `self`, which is
        // borrowed mutably, so there is no other reference.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for SlabBox<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the object is initialised and owned, and it is not used
        // afterwards. `kfree()` accepts objects of any slab cache: it finds the cache by the
        // address.
        unsafe {
            ptr::drop_in_place(self.0.as_ptr());
            bindings::kfree(self.0.as_ptr().cast());
        }
    }
}
