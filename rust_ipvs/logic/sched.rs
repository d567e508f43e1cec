// SPDX-License-Identifier: GPL-2.0

//! Schedulers, one file each (behaviour.rst 6).
//!
//! A scheduler is a type that implements [`Algorithm`], in a file of its own, and one line in the
//! table below, of which `make schedulers` writes all other lists of schedulers. [`View`] gives it
//! the service: destinations in slots, newest first (D-2, V-9), a position that is kept between
//! calls, and the data that its [`Needs`] request.

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
pub(crate) mod no_choice;
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

// Out of tree: the example of Documentation/schedulers.rst, compiled so that it stays correct.
#[cfg(test)]
#[path = "../../samples/scheduler/room.rs"]
mod room;

pub(crate) use flow::Flow;
pub(crate) use position::Position;

/// Defines [`Scheduler`] and its dispatch from the table below.
macro_rules! schedulers {
    ($($(#[$doc:meta])* $variant:ident => $algorithm:ty;)*) => {
        /// Scheduler of a service.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Scheduler {
            $($(#[$doc])* $variant,)*
        }

        impl Scheduler {
            /// All schedulers, in the order of the table.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the name by which administrators select it.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => <$algorithm>::NAME,)*
                }
            }

            /// Returns the data that it needs from the service.
            pub(crate) fn needs(self) -> &'static Needs {
                match self {
                    $(Self::$variant => const { &<$algorithm>::NEEDS },)*
                }
            }

            /// Chooses a destination for a new connection.
            ///
            /// Returns `None` if all destinations have weight 0 or are overloaded (D-1).
            #[inline]
            pub(crate) fn pick<V: View, F: Family>(
                self,
                view: &V,
                flow: &Flow<F>,
            ) -> Option<V::Server> {
                match self {
                    $(Self::$variant => <$algorithm>::pick(view, flow),)*
                }
            }

            /// Fills its table. `scratch` holds one element per destination.
            pub(crate) fn fill<F: Family>(
                self,
                servers: &impl Servers,
                table: &mut [u32],
                scratch: &mut [Scratch],
            ) {
                match self {
                    $(Self::$variant => <$algorithm>::fill::<F>(servers, table, scratch),)*
                }
            }

            /// Returns the position after destinations were added, removed or edited. `position` is
            /// the default one before the first change.
            pub(crate) fn restart(self, position: Position, cycle: Cycle) -> Position {
                match self {
                    $(Self::$variant => <$algorithm>::restart(position, cycle),)*
                }
            }
        }
    };
}

impl Scheduler {
    /// Finds a scheduler by its name.
    pub(crate) fn by_name(name: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|scheduler| scheduler.name().as_bytes() == name)
    }
}

schedulers! {
    /// Each destination in turn.
    RoundRobin => rr::RoundRobin;
    /// Each destination in turn, as often as its weight.
    WeightedRoundRobin => wrr::WeightedRoundRobin;
    /// Fewest connections.
    LeastConnection => lc::LeastConnection;
    /// Fewest connections relative to the weight.
    WeightedLeastConnection => wlc::WeightedLeastConnection;
    /// Greatest weight.
    Failover => fo::Failover;
    /// Greatest weight among those with fewer active connections than it.
    Overflow => ovf::Overflow;
    /// Least loaded at first, then cached by destination address.
    Locality => lblc::Locality;
    /// As `lblc`, with a set of destinations for each address.
    LocalityReplicated => lblcr::LocalityReplicated;
    /// Hash of the destination address.
    DestinationHashing => dh::DestinationHashing;
    /// Hash of the client address.
    SourceHashing => sh::SourceHashing;
    /// Consistent hash of the client address.
    MaglevHashing => mh::MaglevHashing;
    /// Fewest active connections relative to the weight, the new one included.
    ShortestExpectedDelay => sed::ShortestExpectedDelay;
    /// An idle destination, otherwise as `sed`.
    NeverQueue => nq::NeverQueue;
    /// Less loaded one of two random destinations.
    TwoChoices => twos::TwoChoices;
}
