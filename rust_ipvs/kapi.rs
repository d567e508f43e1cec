// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions of kernel facilities that the `kernel` crate does not have yet.
//!
//! The only layer with `unsafe`. Nothing here knows what a load balancer is: each file could
//! become a file of `rust/kernel/`, and is documented as one.

pub(crate) mod bh;
pub(crate) mod conntrack;
pub(crate) mod cpus;
pub(crate) mod datagram;
pub(crate) mod devices;
pub(crate) mod genetlink;
pub(crate) mod inet;
pub(crate) mod ingress;
pub(crate) mod memory;
pub(crate) mod modules;
pub(crate) mod net;
pub(crate) mod netfilter;
pub(crate) mod once;
pub(crate) mod percpu;
pub(crate) mod procfs;
pub(crate) mod random;
pub(crate) mod rcu;
pub(crate) mod rcu_slots;
pub(crate) mod reclaim;
pub(crate) mod route;
pub(crate) mod routes;
pub(crate) mod seqcount;
pub(crate) mod serial;
pub(crate) mod shared;
pub(crate) mod siphash;
pub(crate) mod skbuff;
pub(crate) mod slab;
pub(crate) mod sockopt;
pub(crate) mod sysctl;
pub(crate) mod table;
pub(crate) mod tcp;
pub(crate) mod thread;
pub(crate) mod time;
pub(crate) mod work;
pub(crate) mod xtables;

// Out of tree: the examples of these files, which tools/build/examples.py writes and `make lint`
// compiles.
#[cfg(RUST_IPVS_EXAMPLES)]
#[allow(
    dead_code,
    unused_imports,
    unused_variables,
    clippy::arithmetic_side_effects
)]
mod examples {
    include!(concat!(env!("RUST_IPVS_OBJ"), "/../examples.rs"));
}
