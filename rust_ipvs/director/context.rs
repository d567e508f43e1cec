// SPDX-License-Identifier: GPL-2.0

//! What those who handle a packet are told of it.

use super::{
    namespace::Director,
    plane::{
        Connections,
        Plane, //
    },
    stack::Stack,
};
use crate::{
    kapi::{
        net::Net,
        netfilter::Point,
        rcu::Rcu, //
    },
    logic::{
        family::Endpoint,
        packet::{
            Header,
            Transport,
            TCP, //
        },
    },
};

/// What is known of a packet where it is handled.
///
/// Functions that are inlined where packets pass borrow it, so that the compiler keeps what they need in
/// registers; others take a copy, so that only who calls them pays for one.
#[derive(Clone, Copy)]
pub(super) struct Context<'g, F: Stack> {
    pub(super) director: &'g Director,
    pub(super) plane: &'g Plane<F>,
    pub(super) rcu: Rcu<'g>,
    pub(super) net: &'g Net,
    pub(super) point: Point,
    pub(super) header: Header<F>,
    pub(super) transport: Transport,
    pub(super) connections: &'g Connections<F>,
    /// Whether the packet is an ICMP error, and header and ports those of what it quotes, read backwards:
    /// what the client would have sent (S-28).
    pub(super) is_backwards: bool,
}

impl<F: Stack> Context<'_, F> {
    /// The sender.
    #[inline(always)]
    pub(super) fn src(&self) -> Endpoint<F> {
        Endpoint {
            addr: self.header.src,
            port: self.transport.src_port,
        }
    }

    /// The addressee.
    #[inline(always)]
    pub(super) fn dst(&self) -> Endpoint<F> {
        Endpoint {
            addr: self.header.dst,
            port: self.transport.dst_port,
        }
    }

    /// Whether the namespace may have one more entry (C-23, S-13).
    pub(super) fn has_room(&self) -> bool {
        self.director.has_room()
    }

    /// How many bytes from the IP header on are read or written: the fixed transport header.
    #[inline(always)]
    pub(super) fn headers(&self) -> usize {
        let transport = if self.header.protocol == TCP { 20 } else { 8 };
        usize::from(self.header.l4).saturating_add(transport)
    }
}
