// SPDX-License-Identifier: GPL-2.0

//! The C side of the kernel as bindgen sees it, on top of what the `kernel` crate has already.
//!
//! Only `kapi` may name this module.

#![allow(
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    non_snake_case,
    improper_ctypes,
    unreachable_pub,
    unnameable_types,
    unsafe_op_in_unsafe_fn,
    unused_imports,
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::cast_lossless,
    clippy::as_underscore,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

pub use kernel::bindings::*;
use pin_init::{MaybeZeroable, Zeroable};

type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

// SAFETY: A transparent wrapper around `Storage`, so it may be zero where that may.
unsafe impl<Storage> Zeroable for __BindgenBitfieldUnit<Storage> where Storage: Zeroable {}

include!(concat!(
    env!("RUST_IPVS_OBJ"),
    "/bindings/bindings_generated.rs"
));
