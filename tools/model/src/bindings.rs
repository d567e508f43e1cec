// SPDX-License-Identifier: GPL-2.0

//! The C functions, as the engine has them.

pub(crate) use kernel::bindings::*;
