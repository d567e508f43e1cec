// SPDX-License-Identifier: GPL-2.0

//! Sizes that depend on what the table is compiled for.

/// Returns `usual`, or `small` for the model checker (tools/model), which explores small tables.
pub(super) const fn either(usual: usize, small: usize) -> usize {
    if cfg!(CONFIG_KAPI_MODEL) {
        small
    } else {
        usual
    }
}
