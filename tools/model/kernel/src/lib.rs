// SPDX-License-Identifier: GPL-2.0

//! Replacement of the `kernel` crate, on top of the engine.
//!
//! It contains only the items that the checked files use. A file that uses others does not compile
//! here until they are added.

pub mod alloc;
pub mod bindings;
pub mod init;
pub mod sync;
pub mod types;

pub mod error {
    //! `kernel::error`.

    /// Error number.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Error(pub i32);

    impl From<super::alloc::AllocError> for Error {
        fn from(_: super::alloc::AllocError) -> Self {
            ENOMEM
        }
    }

    impl From<std::convert::Infallible> for Error {
        fn from(never: std::convert::Infallible) -> Self {
            match never {}
        }
    }

    pub const ENOMEM: Error = Error(-12);
    pub const ENOSPC: Error = Error(-28);

    pub type Result<T = (), E = Error> = std::result::Result<T, E>;
}

pub mod prelude {
    //! `kernel::prelude`.

    pub use crate::{
        alloc::{
            flags::*,
            KBox,
            KVVec,
            KVec, //
        },
        error::{
            Error,
            Result,
            ENOMEM,
            ENOSPC, //
        },
        init::PinInit,
        try_pin_init,
    };
    pub use model_macros::pin_data;
    pub use std::{
        mem::{
            align_of,
            size_of, //
        },
        pin::Pin,
    };
}

/// Returns the structure that contains the field at an address.
#[macro_export]
macro_rules! container_of {
    ($field:expr, $container:ty, $($fields:tt)*) => {{
        let offset: usize = ::std::mem::offset_of!($container, $($fields)*);
        $field.byte_sub(offset).cast::<$container>()
    }};
}
