// SPDX-License-Identifier: GPL-2.0

//! TCP segments that no socket sends: resets, and segments that are to be answered.
//!
//! C header: [`include/net/tcp.h`](srctree/include/net/tcp.h). `nf_send_reset()` of the reject
//! target answers a packet; these are sent to an address.
//!
//! A segment leaves through the LOCAL_OUT hooks, marked as handled by a load balancer, and as
//! untracked. Its source need not be an address of this host.
//!
//! Any context; nothing sleeps.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{net::Net, tcp::Segment};
//! # fn example(net: &Net) {
//! let reset = Segment { ports: (80, 50000), seq: 1, ack: None, is_rst: true };
//! reset.send_v4(net, [192, 0, 2, 1], [198, 51, 100, 1]);
//! # }
//! ```

use super::{
    inet::{
        in6,
        Protocol, //
    },
    net::Net,
    skbuff::Packet, //
};
use crate::bindings;

/// A TCP segment without options and payload.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    /// Ports of source and destination, in host order.
    pub(crate) ports: (u16, u16),
    /// Sequence number.
    pub(crate) seq: u32,
    /// Acknowledgment number; `None` without the ACK flag.
    pub(crate) ack: Option<u32>,
    /// The RST flag.
    pub(crate) is_rst: bool,
}

impl Segment {
    /// Sends the segment by IPv4, from an address to another. Without a route or memory it is not
    /// sent.
    pub(crate) fn send_v4(self, net: &Net, from: [u8; 4], to: [u8; 4]) {
        let (sport, dport) = self.ports;
        // SAFETY: By the type invariant of `Net` the namespace is live. The rest are values.
        unsafe {
            bindings::rust_ipvs_helper_tcp_send_v4(
                net.as_ptr(),
                u32::from_ne_bytes(from),
                u32::from_ne_bytes(to),
                sport.to_be(),
                dport.to_be(),
                self.seq,
                self.ack.unwrap_or(0),
                self.ack.is_some(),
                self.is_rst,
            )
        }
    }

    /// Sends the segment by IPv6, as [`Self::send_v4`] does.
    pub(crate) fn send_v6(self, net: &Net, from: [u8; 16], to: [u8; 16]) {
        let (sport, dport) = self.ports;
        let (from, to) = (in6(from), in6(to));
        // SAFETY: By the type invariant of `Net` the namespace is live. The addresses are on this
        // stack and are read during the call only.
        unsafe {
            bindings::rust_ipvs_helper_tcp_send_v6(
                net.as_ptr(),
                &from,
                &to,
                sport.to_be(),
                dport.to_be(),
                self.seq,
                self.ack.unwrap_or(0),
                self.ack.is_some(),
                self.is_rst,
            )
        }
    }
}

impl Packet {
    /// Turns a TCP segment into an RST with its numbers, addresses and options, and without its
    /// payload. `l4` is the offset of the transport header. Returns `false`, and changes nothing
    /// but the buffer, if the packet is truncated or memory is exhausted.
    pub(crate) fn turn_to_rst(&mut self, protocol: Protocol, l4: u16) -> bool {
        let (skb, l4) = (self.as_ptr(), u32::from(l4));
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid; no
        // reference to bytes can be held across `&mut self`. The network header is one of
        // `protocol`, as the hook implies by which the packet came. The helper checks lengths.
        unsafe { bindings::rust_ipvs_helper_tcp_make_rst(skb, l4, protocol.number()) }
    }
}
