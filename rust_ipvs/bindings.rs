// SPDX-License-Identifier: GPL-2.0

//! Bindings of kernel functions and types, in addition to those of `kernel::bindings`.
//!
//! bindgen generates them from `bindings_helper.h` and the helpers when the module is built. They
//! are raw: nothing here states contracts or is safe to use.
//!
//! Only `kapi` may use this module. It wraps what the other layers need in safe types.

// Generated code follows the names and the style of C.
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

// bindgen refers to these types by name, and `kernel::bindings` does not export them.
type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

// SAFETY: The type is a transparent wrapper of `Storage`, so all zeros are a valid value of it if
// they are one of `Storage`.
unsafe impl<Storage> Zeroable for __BindgenBitfieldUnit<Storage> where Storage: Zeroable {}

include!(concat!(
    env!("RUST_IPVS_OBJ"),
    "/bindings/bindings_generated.rs"
));
