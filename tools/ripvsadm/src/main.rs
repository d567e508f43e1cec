// SPDX-License-Identifier: GPL-2.0
//! Temporary.
fn main() {}
