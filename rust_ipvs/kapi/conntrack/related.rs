// SPDX-License-Identifier: GPL-2.0

//! Connections that speak of others, and what they say of them is changed on the way.
//!
//! C headers:
//! [`include/net/netfilter/nf_conntrack_expect.h`](srctree/include/net/netfilter/nf_conntrack_expect.h),
//! [`include/net/netfilter/nf_conntrack_seqadj.h`](srctree/include/net/netfilter/nf_conntrack_seqadj.h)
//!
//! A TCP segment of which a part is replaced may get longer or shorter; from there on each end
//! counts other bytes than the other one sends. Tracking keeps the difference and makes up for it,
//! in both directions, when packets leave.

use super::{
    Conntrack,
    CtDirection,
    CtInfo, //
    Tuple,
};
use crate::bindings;
use core::ptr::NonNull;

/// True if the kernel tracks connections.
pub(crate) const IS_THERE: bool = cfg!(CONFIG_NF_CONNTRACK);

impl Conntrack {
    /// Makes room for connections that are related to this one, where it is not there; `false`
    /// without memory. The entry must not be confirmed.
    pub(crate) fn has_relations(&self) -> bool {
        // SAFETY: By the type invariant `self` is a live `nf_conn`.
        unsafe { bindings::rust_ipvs_helper_ct_add_help(self.as_ptr()) }
    }

    /// Takes note that a segment of a packet's direction became `by` bytes longer, which began at
    /// `sequence` as its sender counts. The same segment once more changes nothing. `false` where
    /// the entry has no room for it ([`Conntrack::adjusts_sequences`]).
    pub(crate) fn shift_sequence(&self, way: CtInfo, sequence: u32, by: i32) -> bool {
        // SAFETY: By the type invariant `self` is a live `nf_conn`.
        unsafe { bindings::rust_ipvs_helper_ct_shift_seq(self.as_ptr(), way.0, sequence, by) }
    }

    /// A connection that is related to this one is expected: from and to `first`, which is what its
    /// first packet looks like as it comes to this host; any port where the sender's is 0. It is
    /// expected for so many seconds.
    ///
    /// Returns whether it is: the entry needs room ([`Conntrack::has_relations`]), and there are
    /// not to be too many.
    pub(crate) fn expect(&self, first: &Tuple, seconds: u32) -> bool {
        let raw = first.to_raw(CtDirection::Original);
        // SAFETY: By the type invariant `self` is a live `nf_conn`; the tuple is only read.
        let expected =
            unsafe { bindings::rust_ipvs_helper_ct_expect(self.as_ptr(), &raw, seconds) };
        let Some(expected) = NonNull::new(expected) else {
            return false;
        };
        // SAFETY: Made just above, with a reference that is given back here; what expects it has
        // its own.
        unsafe {
            let error = bindings::rust_ipvs_helper_ct_expect_related(expected.as_ptr());
            bindings::rust_ipvs_helper_ct_expect_put(expected.as_ptr());
            error == 0
        }
    }

    /// Takes back what [`expect`](Self::expect) said of a connection, if this entry expects it.
    /// Softirq or process context.
    pub(crate) fn expect_no_more(&self, first: &Tuple) {
        let raw = first.to_raw(CtDirection::Original);
        // SAFETY: A live entry, as which an expectation's master is compared only; the tuple is
        // only read.
        unsafe { bindings::rust_ipvs_helper_ct_unexpect(self.as_ptr(), &raw) }
    }
}
