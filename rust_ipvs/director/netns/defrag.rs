// SPDX-License-Identifier: GPL-2.0

//! Fragments: put together where a hook finds one (H-19), and those of IPv6 before routing from
//! then on (G-30).
//!
//! To have every packet of IPv6 looked at before it is routed costs more than to balance it, and
//! most directors never see a fragment. So that begins with the first one. It makes a difference to
//! rules that stand before our hooks, and to routing: they see whole packets then.

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

/// No fragment of IPv6 has come.
const NONE: u32 = 0;
/// One has come.
const SEEN: u32 = 1;
/// They are put together before routing.
const DONE: u32 = 2;

/// State of IPv6 defragmentation: whether fragments have come to the hooks of a namespace.
///
/// Packets of all CPUs and a work write it, so each step is a compare-and-exchange: a packet
/// that found [`NONE`] a while ago does not take [`DONE`] back.
pub(crate) struct Fragments(Atomic<u32>);

impl Fragments {
    /// None have come.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(NONE))
    }

    /// One of IPv6 has come; whether it is the first, and [`Fragments::arrange`] has something to
    /// do.
    pub(super) fn is_first(&self) -> bool {
        self.0.load(Relaxed) == NONE && self.0.cmpxchg(NONE, SEEN, Relaxed).is_ok()
    }

    /// Returns whether one has come, and they are not put together before routing yet.
    pub(super) fn is_to_arrange(&self) -> bool {
        self.0.load(Relaxed) == SEEN
    }

    /// Has fragments of IPv6 put together before routing if one has come, for the rest of the
    /// namespace's life. Process context.
    ///
    /// Returns `false` if there is no memory for that; the hooks go on putting them together.
    pub(super) fn arrange(&self, _: &mut ConfigHeld, net: &Net) -> bool {
        if self.is_to_arrange() {
            if !net.reassemble_v6() {
                return false;
            }
            // Nobody else leaves `SEEN`.
            let _ = self.0.cmpxchg(SEEN, DONE, Relaxed);
        }
        true
    }
}

/// Returns whether a fragment may concern us: of IPv6, one that passes through and is nobody's
/// answer does not.
pub(crate) fn may_be_ours<F: InetFamily>(
    af: &AfState<F>,
    point: Point,
    header: &Header<F>,
) -> bool {
    F::PROTOCOL == Protocol::Ipv4
        || point != Point::Forward
        || af.reply_filter.may_contain::<F>(header.src)
}
