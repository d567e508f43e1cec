// SPDX-License-Identifier: GPL-2.0

//! Which destination gets a new connection: the schedulers, one file each.
//!
//! A scheduler is a type that implements [`Algorithm`], in a file of its own, and one line in the table
//! below. It sees a service's destinations as a slice, newest first (D-2, V-9), and keeps a 32-bit
//! position between calls, which starts at 0.

use algorithm::Algorithm;
use core::ops::Deref;

mod algorithm;
mod flow;
mod rr;

pub(crate) use algorithm::{
    Candidate,
    Cell32, //
};
pub(crate) use flow::Flow;

/// Makes [`Scheduler`] of the table below.
macro_rules! schedulers {
    ($($(#[$doc:meta])* $variant:ident => $algorithm:ty;)*) => {
        /// A scheduler, as a service has one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Scheduler {
            $($(#[$doc])* $variant,)*
        }

        impl Scheduler {
            /// Finds a scheduler by the name that users write.
            pub(crate) fn by_name(name: &[u8]) -> Option<Self> {
                $(if name == <$algorithm>::NAME.as_bytes() {
                    return Some(Self::$variant);
                })*
                None
            }

            /// The name that users write.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => <$algorithm>::NAME,)*
                }
            }

            /// Chooses a destination for a new connection: its index in `list`, which is newest first.
            ///
            /// `None` where none may have it: all have weight 0 or are overloaded (D-1).
            pub(crate) fn pick<T>(self, list: &[T], state: &impl Cell32) -> Option<usize>
            where
                T: Deref<Target: Candidate>,
            {
                match self {
                    $(Self::$variant => <$algorithm>::pick(list, state),)*
                }
            }

            /// The state after a destination was inserted at the head of the list.
            pub(crate) fn inserted(self, position: u32) -> u32 {
                match self {
                    $(Self::$variant => <$algorithm>::inserted(position),)*
                }
            }

            /// The state after the destination at `index` was removed from the list.
            pub(crate) fn removed(self, position: u32, index: usize) -> u32 {
                match self {
                    $(Self::$variant => <$algorithm>::removed(position, index),)*
                }
            }
        }
    };
}

schedulers! {
    /// Each in turn.
    RoundRobin => rr::RoundRobin;
}
