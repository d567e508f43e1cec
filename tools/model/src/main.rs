// SPDX-License-Identifier: GPL-2.0

//! Runs the lock-free parts of rust_ipvs in every relevant order.
//!
//! The files are those of rust_ipvs/, compiled against the `kernel` crate of this folder.

// A test build is empty: the unit tests of rust_ipvs/logic are those of tools/logic-tests.
#![allow(
    dead_code,
    unused_imports,
    clippy::undocumented_unsafe_blocks,
    reason = "the shipped files are checked where the module is built"
)]

extern crate model_core as core;

#[cfg(not(test))]
mod bindings;
#[cfg(not(test))]
mod models;
#[cfg(not(test))]
mod object;
#[cfg(not(test))]
mod runner;
#[cfg(not(test))]
mod shared;

/// The checked files, and replacements of those that cannot be compiled here.
#[cfg(not(test))]
#[path = "../../../rust_ipvs/kapi"]
mod kapi {
    #[path = "../../tools/model/src/cpus.rs"]
    pub(crate) mod cpus;
    #[path = "../../tools/model/src/heap.rs"]
    pub(crate) mod heap;
    #[path = "../../tools/model/src/once.rs"]
    pub(crate) mod once;
    pub(crate) mod rcu;
    pub(crate) mod rcu_slots;
    #[path = "../../tools/model/src/reclaim.rs"]
    pub(crate) mod reclaim;
    pub(crate) mod serial;
    pub(crate) mod shared;
    #[path = "../../tools/model/src/siphash.rs"]
    pub(crate) mod siphash;
    #[path = "../../tools/model/src/slab.rs"]
    pub(crate) mod slab;
    pub(crate) mod table;
    #[path = "../../tools/model/src/work.rs"]
    pub(crate) mod work;
}

#[cfg(not(test))]
#[path = "../../../rust_ipvs/director"]
mod director {
    pub(crate) mod conn {
        #[path = "../../../tools/model/src/counted.rs"]
        pub(crate) mod counted;
        pub(crate) mod status;
    }

    pub(crate) mod dest {
        pub(crate) mod load;
    }
}

#[cfg(not(test))]
#[path = "../../../rust_ipvs"]
mod shipped {
    pub(crate) mod logic;
}

#[cfg(not(test))]
use shipped::logic;

#[cfg(not(test))]
fn main() -> std::process::ExitCode {
    runner::main()
}
