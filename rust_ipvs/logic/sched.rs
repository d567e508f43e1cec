// SPDX-License-Identifier: GPL-2.0

//! Schedulers, one file each (behaviour.rst 6).
//!
//! A scheduler is a type that implements [`Algorithm`], in a file of its own, and one line in the
//! table below. When a connection comes it sees the service through a [`View`]: the destinations in
//! slots, newest first (D-2, V-9), a position that it keeps between calls, and what it has asked
//! for in its [`Needs`].

use super::family::Family;
use algorithm::{
    Algorithm,
    Needs,
    Scratch,
    Servers,
    View, //
};
use cycle::Cycle;

pub(crate) mod algorithm;
pub(crate) mod cycle;
mod dh;
pub(crate) mod evict;
mod flow;
mod fo;
mod fold;
mod lblc;
mod lblcr;
mod lc;
mod mh;
mod nq;
mod ovf;
mod position;
mod rr;
mod sed;
mod sh;
pub(crate) mod slots;
mod twos;
mod wlc;
mod wrr;

// The example of Documentation/schedulers.rst, which has to work.
#[cfg(test)]
#[path = "../../samples/scheduler/room.rs"]
mod room;

pub(crate) use flow::Flow;
pub(crate) use position::Position;

/// Makes [`Scheduler`] of the table below.
macro_rules! schedulers {
    ($($(#[$doc:meta])* $variant:ident => $algorithm:ty;)*) => {
        /// A scheduler, as a service has one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Scheduler {
            $($(#[$doc])* $variant,)*
        }

        impl Scheduler {
            /// All of them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that users write.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => <$algorithm>::NAME,)*
                }
            }

            /// Returns what it needs of who keeps the service.
            pub(crate) fn needs(self) -> &'static Needs {
                match self {
                    $(Self::$variant => const { &<$algorithm>::NEEDS },)*
                }
            }

            /// Chooses a destination for a new connection.
            ///
            /// `None` where none may have it: all have weight 0 or are overloaded (D-1).
            #[inline]
            pub(crate) fn pick<V: View, F: Family>(self, view: &V, flow: &Flow<F>) -> Option<V::Server> {
                match self {
                    $(Self::$variant => <$algorithm>::pick(view, flow),)*
                }
            }

            /// Fills the table that it asked for; `scratch` has room for each destination.
            pub(crate) fn fill<F: Family>(self, servers: &impl Servers, table: &mut [u32], scratch: &mut [Scratch]) {
                match self {
                    $(Self::$variant => <$algorithm>::fill::<F>(servers, table, scratch),)*
                }
            }

            /// The position after destinations came, went, or were edited, where it wants to know
            /// of that; at first it is the default one.
            pub(crate) fn restart(self, position: Position, cycle: Cycle) -> Position {
                match self {
                    $(Self::$variant => <$algorithm>::restart(position, cycle),)*
                }
            }
        }
    };
}

impl Scheduler {
    /// Finds a scheduler by the name that users write.
    pub(crate) fn by_name(name: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|scheduler| scheduler.name().as_bytes() == name)
    }
}

schedulers! {
    /// Each in turn.
    RoundRobin => rr::RoundRobin;
    /// Each in turn, as often as the weights say.
    WeightedRoundRobin => wrr::WeightedRoundRobin;
    /// The fewest connections.
    LeastConnection => lc::LeastConnection;
    /// The fewest connections for its weight.
    WeightedLeastConnection => wlc::WeightedLeastConnection;
    /// The greatest weight.
    Failover => fo::Failover;
    /// The greatest weight that is not full.
    Overflow => ovf::Overflow;
    /// By the address that is asked for, as it was before.
    Locality => lblc::Locality;
    /// By the address that is asked for, as it was before, or one more.
    LocalityReplicated => lblcr::LocalityReplicated;
    /// By the address that is asked for.
    DestinationHashing => dh::DestinationHashing;
    /// By the client.
    SourceHashing => sh::SourceHashing;
    /// By the client, and mostly the same when destinations change.
    MaglevHashing => mh::MaglevHashing;
    /// The fewest active connections for its weight, the new one counted.
    ShortestExpectedDelay => sed::ShortestExpectedDelay;
    /// An idle one.
    NeverQueue => nq::NeverQueue;
    /// The better of two that are drawn.
    TwoChoices => twos::TwoChoices;
}
