// SPDX-License-Identifier: GPL-2.0

//! `kapi/cpus.rs` for a machine with one CPU.

/// Returns the number of possible CPUs.
pub(crate) fn count() -> usize {
    1
}
