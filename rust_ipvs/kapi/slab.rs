// SPDX-License-Identifier: GPL-2.0

//! Slab caches of one type.
//!
//! C header: [`include/linux/slab.h`](srctree/include/linux/slab.h)
//!
//! A [`Slab<T>`] hands out [`SlabBox<T>`]; the cache is destroyed when the last `Slab` handle goes,
//! after the RCU callbacks that may still free into it have run.

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
/// `cache` was created for the size and alignment of `T` and lives as long as `self`.
pub(crate) struct Slab<T> {
    cache: NonNull<bindings::kmem_cache>,
    _holds: core::marker::PhantomData<fn() -> T>,
}

// SAFETY: The allocator serialises access to a cache.
unsafe impl<T> Send for Slab<T> {}
// SAFETY: The allocator serialises access to a cache.
unsafe impl<T> Sync for Slab<T> {}

impl<T> Slab<T> {
    /// Creates a cache; `name` shows in /proc/slabinfo.
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        let mut args: bindings::kmem_cache_args = pin_init::zeroed();
        args.align = u32::try_from(align_of::<T>())?;
        // Kernels that clear whatever is allocated leave caches with a constructor alone. Here each
        // byte that is read was written by `alloc` before, so clearing it first is all cost. The
        // allocator's own pointer is in a free object, where nothing of ours is.
        args.ctor = Some(nothing);
        args.use_freeptr_offset = true;
        args.freeptr_offset = 0;
        let size = u32::try_from(size_of::<T>())?;
        // SAFETY: `name` is static, `args` is initialised, and this is process context.
        // Objects begin at a cache line, and are not mixed with those of other caches.
        let cache = unsafe {
            let flags = bindings::rust_ipvs_helper_slab_flags();
            bindings::__kmem_cache_create_args(name.as_char_ptr(), size, &raw mut args, flags)
        };
        // INVARIANT: Created for `T` just above.
        Ok(Self {
            cache: NonNull::new(cache).ok_or(ENOMEM)?,
            _holds: core::marker::PhantomData,
        })
    }

    /// Allocates an object and makes `value` in it, in any context; what does not fit in the
    /// reserves at once fails.
    #[inline(always)]
    pub(crate) fn alloc(&self, value: impl FnOnce() -> T) -> Result<SlabBox<T>, AllocError> {
        // SAFETY: The cache is alive by the type invariant.
        let object =
            unsafe { bindings::kmem_cache_alloc_noprof(self.cache.as_ptr(), bindings::GFP_ATOMIC) };
        let object = NonNull::new(object.cast::<T>()).ok_or(AllocError)?;
        // SAFETY: The cache gives memory of the size and alignment of `T`, which is ours alone.
        unsafe { object.as_ptr().write(value()) };
        // INVARIANT: Just allocated and initialised.
        Ok(SlabBox(object))
    }
}

impl<T> Drop for Slab<T> {
    fn drop(&mut self) {
        super::rcu::drain();
        // SAFETY: The cache is ours; objects that RCU held have been freed by now.
        unsafe { bindings::kmem_cache_destroy(self.cache.as_ptr()) };
    }
}

/// The constructor of objects that need none.
///
/// # Safety
///
/// None is needed: the object is not touched.
unsafe extern "C" fn nothing(_object: *mut core::ffi::c_void) {}

/// An owned object of a slab.
///
/// # Invariants
///
/// The pointer is to an initialised `T` in slab memory that this value owns.
pub(crate) struct SlabBox<T>(NonNull<T>);

// SAFETY: Owns its `T`, as a box does.
unsafe impl<T: Send> Send for SlabBox<T> {}

impl<T> SlabBox<T> {
    /// Gives up ownership.
    pub(super) fn into_raw(self) -> NonNull<T> {
        let object = self.0;
        core::mem::forget(self);
        object
    }

    /// Takes ownership back.
    ///
    /// # Safety
    ///
    /// `object` must come from [`SlabBox::into_raw`], and nobody else may use it any more.
    pub(super) unsafe fn from_raw(object: NonNull<T>) -> Self {
        // INVARIANT: By the contract of this function.
        Self(object)
    }
}

impl<T> Deref for SlabBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: Initialised and owned by the type invariant.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for SlabBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: As in `deref`.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for SlabBox<T> {
    fn drop(&mut self) {
        // SAFETY: Owned by the type invariant, and not used afterwards. `kfree()` finds the cache
        // of a slab object by itself.
        unsafe {
            ptr::drop_in_place(self.0.as_ptr());
            bindings::kfree(self.0.as_ptr().cast());
        }
    }
}
