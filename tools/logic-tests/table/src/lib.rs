// SPDX-License-Identifier: GPL-2.0

//! Compiles rust_ipvs/kapi/table on the host and tests it with threads.
//!
//! [`kernel_side`] replaces the parts of the kernel that the table uses. It counts locks and loads,
//! and calls a test's hook just before a lock is taken.

#![cfg(test)]
#![allow(dead_code, unused_imports, unsafe_code)]
// The kernel has an error type for each cause.
#![allow(clippy::needless_question_mark)]

// The files of the table name these crates.
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
    #[path = "../../tools/model/src/slab.rs"]
    pub(crate) mod slab;
    pub(crate) mod table;

    pub(crate) use crate::kernel_side::{
        cpus,
        heap,
        once,
        rcu,
        siphash,
        work, //
    };
}
