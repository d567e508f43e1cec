// SPDX-License-Identifier: GPL-2.0

//! Freeing packets: those that are dropped, and those that have served their purpose.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::{
    DropReason,
    Packet,
    Taken, //
};
use crate::bindings;

impl Packet {
    /// Drops the packet for a reason (C: `kfree_skb_reason()`). Any context.
    pub(crate) fn discard(self, reason: DropReason) -> Taken {
        // SAFETY: `into_raw` gave up the packet, so it may be freed.
        unsafe { bindings::rust_ipvs_helper_kfree_skb_reason(self.into_raw(), reason.0) };
        Taken::given_away()
    }

    /// Frees a packet that has served its purpose (C: `consume_skb()`). Any context.
    pub(crate) fn consume(self) -> Taken {
        // SAFETY: `into_raw` gave up the packet, so it may be freed.
        unsafe { bindings::rust_ipvs_helper_consume_skb(self.into_raw()) };
        Taken::given_away()
    }
}
