// SPDX-License-Identifier: GPL-2.0

//! Defragmentation: at the hook that finds a fragment (H-19), and before routing for IPv6 after the
//! first fragment (G-30).
//!
//! Defragmentation before routing (`nf_defrag_ipv6_enable()`) looks at every IPv6 packet, which
//! costs more than to balance it, and most hosts never see a fragment. So it is enabled after the
//! first one. From then on routing, and rules at hooks before ours, see whole packets.

use crate::{
    director::{
        conn::InetFamily,
        dest::ConfigHeld,
        service::AfState, //
    },
    kapi::{
        net::Net,
        netfilter::{
            Point,
            Protocol, //
        },
    },
    logic::packet::Header, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// No IPv6 fragment has been seen.
const NONE: u32 = 0;
/// A fragment has been seen.
const SEEN: u32 = 1;
/// Defragmentation before routing is enabled.
const DONE: u32 = 2;

/// State of IPv6 defragmentation in a namespace.
///
/// Packets on all CPUs and a work write it. Each step is a compare-and-exchange, so a packet that
/// has read [`NONE`] cannot overwrite [`DONE`].
pub(crate) struct Fragments(Atomic<u32>);

impl Fragments {
    /// Creates the state of a namespace without fragments.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(NONE))
    }

    /// Records an IPv6 fragment. Returns whether it is the first one, so that the caller queues the
    /// work.
    pub(super) fn is_first(&self) -> bool {
        self.0.load(Relaxed) == NONE && self.0.cmpxchg(NONE, SEEN, Relaxed).is_ok()
    }

    /// Returns whether a fragment has been seen and defragmentation is not enabled yet.
    pub(super) fn is_to_arrange(&self) -> bool {
        self.0.load(Relaxed) == SEEN
    }

    /// Enables defragmentation before routing if a fragment has been seen, for the rest of the
    /// namespace's life. Process context.
    ///
    /// Returns `false` if memory is exhausted; the hooks then continue to defragment.
    pub(super) fn arrange(&self, _: &mut ConfigHeld, net: &Net) -> bool {
        if self.is_to_arrange() {
            if !net.reassemble_v6() {
                return false;
            }
            // No other caller leaves `SEEN`: the configuration mutex is held.
            let _ = self.0.cmpxchg(SEEN, DONE, Relaxed);
        }
        true
    }
}

/// Returns whether a fragment may belong to a connection. A forwarded IPv6 fragment whose source is
/// not in the reply filter does not.
pub(crate) fn may_be_ours<F: InetFamily>(
    af: &AfState<F>,
    point: Point,
    header: &Header<F>,
) -> bool {
    F::PROTOCOL == Protocol::Ipv4
        || point != Point::Forward
        || af.reply_filter.may_contain::<F>(header.src)
}
