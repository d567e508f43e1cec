// SPDX-License-Identifier: GPL-2.0

//! A packet whose connection begins anew: it passes all hooks again, from the first one on.
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)
//!
//! What rules make of a packet they make of it by its entry: address translation looks at the first
//! packet of each and at no other. A packet that gets another entry half way has missed what they
//! say of a first packet.

use crate::{
    bindings,
    kapi::{
        inet::{
            Point,
            Protocol, //
        },
        net::Net,
        skbuff::Packet, //
    },
};
use kernel::prelude::*;

impl Packet {
    /// Takes the packet's entry off it and has it come, or be sent, once more, past the hooks of
    /// its way from the first one on: it is tracked as the first packet of a connection then. For a
    /// packet at the hooks of those for this host, or of those that this host sends; one that
    /// passes through is dropped.
    ///
    /// The hook that calls this is called again before this returns.
    pub(crate) fn pass_again(mut self, net: &Net, point: Point, network: Protocol) {
        self.forget_tracking();
        let skb = self.into_raw();
        // SAFETY: The packet is ours to give away; it came by a device where it is for this host,
        // and has a route otherwise, as it is at a hook.
        unsafe {
            match point {
                Point::LocalIn => bindings::rust_ipvs_helper_skb_come_again(
                    net.as_ptr(),
                    skb,
                    network.number(),
                    Some(route_in),
                ),
                Point::LocalOut => bindings::rust_ipvs_helper_skb_leave_again(
                    net.as_ptr(),
                    skb,
                    network.number(),
                    Some(send),
                ),
                Point::Forward => bindings::rust_ipvs_helper_kfree_skb(skb),
            }
        }
    }
}

/// Routes a packet that came, as the stack does behind the first hook.
///
/// # Safety
///
/// Called by netfilter, with a packet that came by a device and is the function's to keep.
unsafe extern "C" fn route_in(
    _net: *mut bindings::net,
    _sk: *mut bindings::sock,
    skb: *mut bindings::sk_buff,
) -> c_int {
    // SAFETY: By the contract of this function.
    unsafe { bindings::rust_ipvs_helper_skb_route_in(skb) }
}

/// Sends a packet that has a route.
///
/// # Safety
///
/// Called by netfilter, with a packet that is the function's to keep.
unsafe extern "C" fn send(
    net: *mut bindings::net,
    sk: *mut bindings::sock,
    skb: *mut bindings::sk_buff,
) -> c_int {
    // SAFETY: By the contract of this function.
    unsafe { bindings::rust_ipvs_helper_dst_output(net, sk, skb) }
}
