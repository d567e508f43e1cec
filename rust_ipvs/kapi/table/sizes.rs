// SPDX-License-Identifier: GPL-2.0

//! Sizes that depend on the build: the module's, or those for the model checker.
//!
//! No C header: the sizes are constants, evaluated by the compiler, so they have no context either.

/// Returns `usual`, or `small` in a build for the model checker (`tools/model`).
///
/// The checker explores all interleavings of a few operations. Small arrays, runs and thresholds
/// let it reach the code of resizes and of overflowing marks with a handful of objects.
pub(super) const fn either(usual: usize, small: usize) -> usize {
    if cfg!(CONFIG_KAPI_MODEL) {
        small
    } else {
        usual
    }
}
