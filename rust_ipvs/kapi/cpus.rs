// SPDX-License-Identifier: GPL-2.0

//! Possible CPUs, and lists of CPUs that administrators set.
//!
//! C header: [`include/linux/cpumask.h`](srctree/include/linux/cpumask.h)
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::cpus::{self, CpuList};
//! let list = KBox::pin_init(CpuList::new(), GFP_KERNEL)?;
//! list.parse(c"0-3,7")?;
//!
//! let mut text = [0; 64];
//! let len = list.print(&mut text);
//! assert!(len > 0 && !list.is_empty());
//!
//! // Numbers may have gaps, so this is not `0..count()`.
//! assert_eq!(cpus::possible().count(), cpus::count());
//! # Ok::<(), Error>(())
//! ```

// `kernel::cpumask` has masks, but neither iteration over the possible CPUs nor the text format of
// lists, which helpers provide here.
use crate::bindings;
use core::ptr;
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// Returns the first possible CPU whose number is at least `from`.
fn next(from: u32) -> Option<u32> {
    // SAFETY: Both read the mask of possible CPUs and its size, which do not change after boot.
    let (cpu, ids) = unsafe {
        (
            bindings::rust_ipvs_helper_next_cpu(from),
            bindings::rust_ipvs_helper_cpu_ids(),
        )
    };
    (cpu < ids).then_some(cpu)
}

/// Returns `true` if `cpu` is possible, that is, if it may come online while the kernel runs.
/// Per-CPU memory exists for possible CPUs only.
pub(crate) fn is_possible(cpu: u32) -> bool {
    next(cpu) == Some(cpu)
}

/// Iterates over the numbers of the possible CPUs, in ascending order. The numbers may have gaps.
pub(crate) fn possible() -> impl Iterator<Item = u32> {
    core::iter::successors(next(0), |cpu| next(cpu.wrapping_add(1)))
}

/// Returns the number of possible CPUs.
pub(crate) fn count() -> usize {
    possible().count()
}

/// A list of CPUs that administrators read and write by a sysctl variable. Until it is written, it
/// is the list of CPUs on which kernel threads run by default.
///
/// The mask is allocated, because it has a bit for each CPU that the kernel is configured for,
/// which may be thousands.
#[pin_data]
pub(crate) struct CpuList {
    /// The mask, or `None` until it is written.
    #[pin]
    mask: Mutex<Option<KBox<bindings::cpumask>>>,
}

impl CpuList {
    /// Returns an initializer of a list that was not written.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            mask <- new_mutex!(None),
        })
    }

    /// Returns `true` if the list was written and is empty. Process context: takes a mutex.
    pub(crate) fn is_empty(&self) -> bool {
        match &*self.mask.lock() {
            // SAFETY: The mask is initialised and has the size of a `struct cpumask`.
            Some(mask) => unsafe { bindings::rust_ipvs_helper_cpulist_empty(&**mask) },
            None => false,
        }
    }

    /// Replaces the list by `text`, such as "0-3,7". CPUs on which the current process may not run
    /// are left out. Process context; the list is unchanged on errors.
    ///
    /// # Errors
    ///
    /// `EINVAL` or `ERANGE` if the text is no list, `EOVERFLOW` for a CPU number that is too large,
    /// `ENOMEM`.
    pub(crate) fn parse(&self, text: &CStr) -> Result {
        let mut mask: KBox<bindings::cpumask> = KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?;
        // SAFETY: `text` is terminated, and `mask` is a zeroed, exclusively owned `struct cpumask`.
        // This is process context by the contract of this method.
        let error =
            unsafe { bindings::rust_ipvs_helper_cpulist_parse(text.as_char_ptr(), &mut *mask) };
        kernel::error::to_result(error)?;
        *self.mask.lock() = Some(mask);
        Ok(())
    }

    /// Writes the list and a line feed to `text`, truncated to its length, and returns the number
    /// of bytes written. Process context: takes a mutex.
    pub(crate) fn print(&self, text: &mut [u8]) -> usize {
        let mask = self.mask.lock();
        let mask = mask
            .as_ref()
            .map_or(ptr::null(), |mask| ptr::from_ref(&**mask));
        // SAFETY: `text` has `text.len()` writable bytes. `mask` is null, which stands for the
        // default, or a valid mask that the lock keeps from being replaced.
        let length = unsafe {
            bindings::rust_ipvs_helper_cpulist_print(text.as_mut_ptr().cast(), text.len(), mask)
        };
        usize::try_from(length).unwrap_or(0)
    }
}
