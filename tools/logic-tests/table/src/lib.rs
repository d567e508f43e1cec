// SPDX-License-Identifier: GPL-2.0

//! Compiles rust_ipvs/kapi/table on the host and tests it with threads.
//!
//! What the table takes from the kernel is in [`kernel_side`], as little of it as it uses. Locks
//! and loads are counted, and a test may do something just before a lock is taken.

#![cfg(test)]
#![allow(dead_code, unused_imports, unsafe_code)]
// As the kernel has an error for each cause.
#![allow(clippy::needless_question_mark)]

// The table's files name these crates.
extern crate self as kernel;
extern crate self as pin_init;

mod kernel_side;
mod tests;

pub use kernel_side::{
    bindings,
    prelude,
    sync,
    types, //
};

#[path = "../../../../rust_ipvs/kapi"]
mod kapi {
    pub(crate) mod serial;
    pub(crate) mod table;

    pub(crate) use crate::kernel_side::{
        cpus,
        once,
        rcu,
        siphash,
        slab,
        work, //
    };
}
