// SPDX-License-Identifier: GPL-2.0

//! Parts of IPVS that need no kernel.
//!
//! This layer needs nothing but `core`: no allocation, no `unsafe`, no kernel type. The kernel
//! module compiles it with Kbuild, and `tools/logic-tests` compiles the same files with Cargo to
//! test, fuzz and run them under Miri. So paths start with `super::`, and state is handed in and
//! out as numbers and slices.
//!
//! Nothing here panics, whatever bytes it is given: an impossible case is `None`, an error, or a
//! harmless value. The lints below refuse what may panic.

#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

pub(crate) mod checksum;
pub(crate) mod config;
pub(crate) mod crc32c;
pub(crate) mod defense;
pub(crate) mod direction;
pub(crate) mod drain;
pub(crate) mod engine;
pub(crate) mod estimator;
pub(crate) mod family;
pub(crate) mod ftp;
pub(crate) mod gre;
pub(crate) mod gue;
pub(crate) mod hash;
pub(crate) mod icmp;
pub(crate) mod ipip;
pub(crate) mod nlattr;
pub(crate) mod own_options;
pub(crate) mod packet;
pub(crate) mod payload;
pub(crate) mod persistence;
pub(crate) mod reason;
pub(crate) mod request;
pub(crate) mod reset;
pub(crate) mod rewrite;
pub(crate) mod ripvs;
pub(crate) mod sched;
pub(crate) mod sctp;
pub(crate) mod show;
pub(crate) mod sip;
pub(crate) mod sizing;
pub(crate) mod sockopt;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod tcp;
pub(crate) mod tracking;
pub(crate) mod uapi;
pub(crate) mod udp;
mod v4;
mod v6;
pub(crate) mod wheel;
pub(crate) mod xt_match;
