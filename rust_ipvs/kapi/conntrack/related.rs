// SPDX-License-Identifier: GPL-2.0

//! Expected connections and adjusted sequence numbers, for protocols that announce connections in
//! their payload, such as FTP.
//!
//! C headers:
//! [`nf_conntrack_expect.h`](srctree/include/net/netfilter/nf_conntrack_expect.h),
//! [`nf_conntrack_seqadj.h`](srctree/include/net/netfilter/nf_conntrack_seqadj.h)
//!
//! A TCP segment whose payload is rewritten may become longer or shorter. From there on the
//! sequence numbers of the two ends differ by a constant. Connection tracking stores the difference
//! and adjusts sequence and acknowledgment numbers of both directions when packets leave.

use super::{
    Conntrack,
    CtDirection,
    CtInfo, //
    Tuple,
};
use crate::bindings;
use core::ptr::NonNull;

/// `true` if the kernel is built with connection tracking.
pub(crate) const IS_THERE: bool = cfg!(CONFIG_NF_CONNTRACK);

impl Conntrack {
    /// Adds the extension that holds expectations, unless the entry has it. Returns `false` if an
    /// allocation failed. The entry must not be confirmed, because extensions may move then.
    pub(crate) fn has_relations(&self) -> bool {
        // SAFETY: By the type invariant `self` is a live `nf_conn`.
        unsafe { bindings::rust_ipvs_helper_ct_add_help(self.as_ptr()) }
    }

    /// Records that the segment with sequence number `sequence`, in its sender's count, became `by`
    /// bytes longer. Recording a retransmission of the segment changes nothing. Returns `false` if
    /// the entry lacks the extension of [`Conntrack::adjusts_sequences`].
    pub(crate) fn shift_sequence(&self, way: CtInfo, sequence: u32, by: i32) -> bool {
        // SAFETY: By the type invariant `self` is a live `nf_conn`.
        unsafe { bindings::rust_ipvs_helper_ct_shift_seq(self.as_ptr(), way.0, sequence, by) }
    }

    /// Expects a related connection: a first packet with the tuple `first`, as it arrives at this
    /// host, within `seconds`. A source port of 0 matches any.
    ///
    /// Returns `true` on success. Fails if the entry lacks the extension of
    /// [`Conntrack::has_relations`], if there are too many expectations, or if an allocation fails.
    pub(crate) fn expect(&self, first: &Tuple, seconds: u32) -> bool {
        let raw = first.to_raw(CtDirection::Original);
        // SAFETY: By the type invariant `self` is a live `nf_conn`. The tuple is on this stack and
        // is read during the call only.
        let expected =
            unsafe { bindings::rust_ipvs_helper_ct_expect(self.as_ptr(), &raw, seconds) };
        let Some(expected) = NonNull::new(expected) else {
            return false;
        };
        // SAFETY: The expectation was created just above, with a reference that is given back here.
        // The table of expectations holds its own.
        unsafe {
            let error = bindings::rust_ipvs_helper_ct_expect_related(expected.as_ptr());
            bindings::rust_ipvs_helper_ct_expect_put(expected.as_ptr());
            error == 0
        }
    }

    /// Removes the expectation of a connection with the tuple `first`, if it belongs to this entry.
    /// Softirq or process context.
    pub(crate) fn expect_no_more(&self, first: &Tuple) {
        let raw = first.to_raw(CtDirection::Original);
        // SAFETY: By the type invariant `self` is a live `nf_conn`, which the call compares with
        // the expectation's master. The tuple is on this stack and is read during the call only.
        unsafe { bindings::rust_ipvs_helper_ct_unexpect(self.as_ptr(), &raw) }
    }
}
