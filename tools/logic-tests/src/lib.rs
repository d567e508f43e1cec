// SPDX-License-Identifier: GPL-2.0

//! Compiles rust_ipvs/logic on the host, to test it.

#![cfg_attr(not(test), no_std)]
// Which of it the kernel module uses, the module's own build checks.
#![allow(dead_code)]

#[path = "../../../rust_ipvs/logic/mod.rs"]
mod logic;
