// SPDX-License-Identifier: GPL-2.0

//! Reset TCP connections, the part of [`Connection`] that ends one whose ends are told by RST.
//!
//! An RST is accepted if it has the number that its receiver expects (RFC 5961, section 3), and a
//! connection keeps no numbers. But each segment has both: its own, which the other end expects,
//! and the acknowledged one, which its sender expects. So a reset connection stays for some
//! seconds, in CLOSE, and the next segment of either end resets both.
//!
//! An idle connection has no next segment. So each end is sent one that it has to answer: an ACK
//! out of its window (RFC 9293, section 3.10.7.4). The answer comes this way, and is that segment.
//! By other methods than NAT the answers of a server do not, and the client's alone has to do.

use super::{
    family::InetFamily,
    table::ConnTable,
    timeouts::Timeouts,
    Connection, //
};
use crate::{
    kapi::{
        net::Net,
        random,
        tcp::Segment, //
    },
    logic::{
        config::ForwardMethod,
        family::Endpoint,
        packet::TCP,
        tcp, //
    },
};

impl<F: InetFamily> Connection<F> {
    /// Returns whether a TCP segment is not merely followed: the connection is bound to an
    /// application helper, or was reset.
    #[inline(always)]
    pub(crate) fn is_special(&self) -> bool {
        self.status.load().is_special()
    }

    /// Returns whether the connection was reset.
    pub(crate) fn is_reset(&self) -> bool {
        self.status.load().is_reset()
    }

    /// Returns whether there is an end to tell by RST: a TCP connection that neither both ends have
    /// closed nor no packet has begun.
    pub(crate) fn has_ends_to_tell(&self) -> bool {
        const OVER: [u8; 4] = [tcp::NONE, tcp::TIME_WAIT, tcp::CLOSE, tcp::LISTEN];
        let is_over = OVER.contains(&self.state());
        self.protocol() == TCP && !self.is_template() && !is_over && !self.is_unhashed()
    }

    /// Resets the connection, and asks its ends for a segment. Returns `false` if it was reset
    /// before, or has ended. Any context.
    pub(crate) fn reset(&self, net: &Net, connections: &ConnTable<F>, timeouts: &Timeouts) -> bool {
        let Some(account) = self.status.reset() else {
            return false;
        };
        self.account(account);
        self.touch();
        // After the state: a segment that is on its way settles the timeout by it, too.
        let own = timeouts.of(TCP, tcp::CLOSE);
        if self.settle_timeout(own, |state| timeouts.of(TCP, state)) {
            connections.rearm(self);
        }
        self.probe(net, &self.vip, &self.client);
        if self.method == ForwardMethod::MASQ {
            self.probe(net, &self.client, &self.dest);
        }
        true
    }

    /// Sends a segment that the end `to` answers by one with its numbers, as it is out of the
    /// window; or, by a chance of the window's part of all numbers, does not.
    fn probe(&self, net: &Net, from: &Endpoint<F>, to: &Endpoint<F>) {
        let [number] = random::words();
        let segment = Segment {
            ports: (from.port, to.port),
            seq: number as u32,
            ack: Some((number >> 32) as u32),
            is_rst: false,
        };
        F::send_segment(net, segment, from.addr, to.addr);
    }
}
