// SPDX-License-Identifier: GPL-2.0

//! Compiles rust_ipvs/logic on the host, to test it.
//!
//! Unit tests are next to the code. The tests here need more: [`exercise`] runs the logic on
//! arbitrary bytes, for the fuzz targets and the bounded run; [`reference`] has slow and simple
//! implementations, with which the properties compare the logic.

#![cfg_attr(not(test), no_std)]
// Dead code and unused imports are reported by the build of the module.
#![allow(dead_code, unused_imports)]

#[path = "../../../rust_ipvs"]
mod shipped {
    pub(crate) mod logic;
}

use shipped::logic;

pub mod exercise;

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod ftp;

// The statistics take a million hashes, in which Miri would find nothing new.
#[cfg(all(test, not(miri)))]
mod hash_quality;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod model;
#[cfg(test)]
mod persistence;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reference;
// A file of the director layer that needs only atomics.
#[cfg(test)]
#[path = "../../../rust_ipvs/director/dest/addr_filter.rs"]
mod addr_filter;
#[cfg(test)]
mod senders;
#[cfg(test)]
mod sync;
