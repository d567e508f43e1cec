// SPDX-License-Identifier: GPL-2.0

//! C functions, as the engine implements them.

pub(crate) use kernel::bindings::*;
