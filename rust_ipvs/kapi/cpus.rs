// SPDX-License-Identifier: GPL-2.0

//! Lists of CPUs.
//!
//! C header: [`include/linux/cpumask.h`](srctree/include/linux/cpumask.h)

use crate::bindings;
use core::ptr;
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// The first CPU from a number on of those that there may ever be.
fn next(from: u32) -> Option<u32> {
    // SAFETY: Reads what was set when the machine started.
    let (cpu, ids) = unsafe {
        (
            bindings::rust_ipvs_helper_next_cpu(from),
            bindings::rust_ipvs_helper_cpu_ids(),
        )
    };
    (cpu < ids).then_some(cpu)
}

/// Returns whether there may ever be a CPU of a number.
pub(crate) fn is_possible(cpu: u32) -> bool {
    next(cpu) == Some(cpu)
}

/// The CPUs that there may ever be, by their numbers.
pub(crate) fn possible() -> impl Iterator<Item = u32> {
    core::iter::successors(next(0), |cpu| next(cpu.wrapping_add(1)))
}

/// Returns how many CPUs there may ever be.
pub(crate) fn count() -> usize {
    possible().count()
}

/// A list of CPUs that administrators read and write: at first those on which kernel threads may
/// run.
#[pin_data]
pub(crate) struct CpuList {
    /// `None` until it is written.
    #[pin]
    mask: Mutex<Option<KBox<bindings::cpumask>>>,
}

impl CpuList {
    /// The list as it comes.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            mask <- new_mutex!(None),
        })
    }

    /// Returns whether it was written and has no CPU.
    pub(crate) fn is_empty(&self) -> bool {
        match &*self.mask.lock() {
            // SAFETY: A whole mask.
            Some(mask) => unsafe { bindings::rust_ipvs_helper_cpulist_empty(&**mask) },
            None => false,
        }
    }

    /// Reads a list like "0-3,7" and takes over those of its CPUs on which the current process may
    /// run.
    ///
    /// # Errors
    ///
    /// `EINVAL` and `ERANGE` where it is no list, `EOVERFLOW` for a CPU that there cannot be,
    /// `ENOMEM`.
    pub(crate) fn parse(&self, text: &CStr) -> Result {
        let mut mask: KBox<bindings::cpumask> = KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?;
        // SAFETY: A terminated text and a whole mask; process context.
        let error =
            unsafe { bindings::rust_ipvs_helper_cpulist_parse(text.as_char_ptr(), &mut *mask) };
        kernel::error::to_result(error)?;
        *self.mask.lock() = Some(mask);
        Ok(())
    }

    /// Writes the list and a line feed to the front of `text`, as far as there is room; returns how
    /// long that is.
    pub(crate) fn print(&self, text: &mut [u8]) -> usize {
        let mask = self.mask.lock();
        let mask = mask
            .as_ref()
            .map_or(ptr::null(), |mask| ptr::from_ref(&**mask));
        // SAFETY: The buffer has so many bytes; the mask is whole, or null for the one that it is
        // at first.
        let length = unsafe {
            bindings::rust_ipvs_helper_cpulist_print(text.as_mut_ptr().cast(), text.len(), mask)
        };
        usize::try_from(length).unwrap_or(0)
    }
}
