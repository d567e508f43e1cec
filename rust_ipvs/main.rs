// SPDX-License-Identifier: GPL-2.0

//! A layer-4 load balancer.

#![deny(unsafe_code)]
// A panic in a softirq takes the machine down, so the module does without what can panic.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[allow(unsafe_code)]
#[doc(hidden)]
mod bindings;
mod control;
mod director;
#[allow(unsafe_code)]
mod kapi;
mod logic;

use director::{Caches, Director};
use kapi::net::{Namespaced, NamespacesGuard};
use kernel::prelude::*;

module! {
    type: RustIpvs,
    name: "rust_ipvs",
    authors: ["The rust_ipvs developers"],
    description: "IP virtual server in Rust",
    license: "GPL",
    alias: ["net-pf-16-proto-16-family-IPVS"],
}

struct RustIpvs {
    // Dropped in this order: nobody may ask for what is going away.
    _control: control::Registration,
    _namespaces: NamespacesGuard<Director>,
}

impl kernel::Module for RustIpvs {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let namespaces = Director::namespaces().register(Caches::new()?)?;
        Ok(Self {
            _control: control::Registration::new()?,
            _namespaces: namespaces,
        })
    }
}
