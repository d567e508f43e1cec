// SPDX-License-Identifier: GPL-2.0

//! Re-injection of a packet whose connection starts anew, so that it passes all hooks again.
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)
//!
//! Address translation and other rules decide on the first packet of a conntrack entry and apply
//! that to all later ones. If a packet gets a new entry in the middle of its path, it has missed
//! those decisions. So it is sent through the hooks of its path once more, as the first packet of
//! the new entry.

use crate::{
    bindings,
    kapi::{
        inet::{
            Point,
            Protocol, //
        },
        net::Net,
        skbuff::{
            DropReason,
            Packet,
            Taken, //
        },
    },
};
use kernel::prelude::*;

impl Packet {
    /// Drops the packet's entry and re-injects the packet at the first hook of its path:
    /// PRE_ROUTING for `LocalIn`, LOCAL_OUT for `LocalOut`. A packet at `Forward` is dropped.
    ///
    /// The hook that calls this is called again, for the same packet, before this returns. The
    /// caller must make sure that this does not recurse, by its own state. Softirq or process
    /// context; does not sleep.
    pub(crate) fn pass_again(mut self, net: &Net, point: Point, network: Protocol) -> Taken {
        self.forget_tracking();
        if point == Point::Forward {
            return self.discard(DropReason::NETFILTER_DROP);
        }
        let skb = self.into_raw();
        // SAFETY: `into_raw` gave up the packet, so it may be given away. It is at a hook of
        // `point`: it has an incoming device for `LocalIn`, and a route for `LocalOut`. The
        // continuation functions match the hooks.
        unsafe {
            match point {
                Point::LocalOut => bindings::rust_ipvs_helper_skb_leave_again(
                    net.as_ptr(),
                    skb,
                    network.number(),
                    Some(send),
                ),
                _ => bindings::rust_ipvs_helper_skb_come_again(
                    net.as_ptr(),
                    skb,
                    network.number(),
                    Some(route_in),
                ),
            }
        }
        Taken::given_away()
    }
}

/// Routes a received packet, as the stack does after PRE_ROUTING. Returns the result of that.
///
/// # Safety
///
/// Must be called by netfilter as the continuation of PRE_ROUTING, with a packet that has an
/// incoming device and that the function owns.
unsafe extern "C" fn route_in(
    _net: *mut bindings::net,
    _sk: *mut bindings::sock,
    skb: *mut bindings::sk_buff,
) -> c_int {
    // SAFETY: By the contract of this function `skb` is valid and owned, and has an incoming
    // device.
    unsafe { bindings::rust_ipvs_helper_skb_route_in(skb) }
}

/// Sends a packet that has a route, as the stack does after LOCAL_OUT. Returns the result of that.
///
/// # Safety
///
/// Must be called by netfilter as the continuation of LOCAL_OUT, with a packet that has a route and
/// that the function owns.
unsafe extern "C" fn send(
    net: *mut bindings::net,
    sk: *mut bindings::sock,
    skb: *mut bindings::sk_buff,
) -> c_int {
    // SAFETY: By the contract of this function `skb` is valid and owned, and has a route.
    unsafe { bindings::rust_ipvs_helper_dst_output(net, sk, skb) }
}
