// SPDX-License-Identifier: GPL-2.0

//! Compiles rust_ipvs/logic on the host, to test it.
//!
//! Unit tests are beside the code. Here are those that need more: [`exercise`] drives the logic
//! with any bytes and is what the fuzz targets and the bounded run call; [`reference`] has slow and
//! simple models, which the properties compare the logic with.

#![cfg_attr(not(test), no_std)]
// Which of the logic the kernel module uses is checked where the module is built.
#![allow(dead_code)]

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

// Statistics take a million hashes, which say nothing new under Miri.
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
// A file of the director's that needs nothing but atomics.
#[cfg(test)]
#[path = "../../../rust_ipvs/director/dest/reply_filter.rs"]
mod reply_filter;
#[cfg(test)]
mod senders;
#[cfg(test)]
mod sync;
