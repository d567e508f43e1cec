// SPDX-License-Identifier: GPL-2.0

//! What an administrator sets under /proc/sys/net/ipv4/vs, and packets obey (SPEC 12.2).
//!
//! Each is one word that packets read when they need it; a change holds from the next packet on.

use crate::kapi::{
    net::Net,
    once::Word, //
};

/// The most connections that can be asked for.
pub(crate) const MAX_CONNECTIONS: i32 = 1 << 30;

/// The settings of a namespace. Those without a remark are switches: anything but 0 is on.
pub(crate) struct Settings {
    /// How many connections there may be, of both families (C-23).
    pub(crate) conn_max: Word<i32>,
    /// Load factor of the connection tables (C-31).
    pub(crate) conn_lfactor: Word<i32>,
    /// Load factor of the service tables (V-7).
    pub(crate) svc_lfactor: Word<i32>,
    /// A connection may begin with any TCP segment (S-1).
    pub(crate) sloppy_tcp: Word<i32>,
    /// Connections to a destination that is gone end with their next packet (S-22, S-23).
    pub(crate) expire_nodest_conn: Word<i32>,
    /// When a client's port that is used again may go elsewhere; bit 1 adds FIN_WAIT (S-18, S-20).
    pub(crate) conn_reuse_mode: Word<i32>,
    /// Replies are routed again by the VIP.
    pub(crate) snat_reroute: Word<i32>,
    /// Tunnels pass on what their path takes.
    pub(crate) pmtu_disc: Word<i32>,
    /// Packets of protocols that are not balanced are not looked at again (H-11).
    pub(crate) ignore_tunneled: Word<i32>,
}

impl Settings {
    /// The defaults of a namespace.
    pub(super) fn new(net: &Net) -> Self {
        let (connections, services) = if net.is_initial() { (-4, -3) } else { (-2, -2) };
        Self {
            conn_max: Word::new(MAX_CONNECTIONS),
            conn_lfactor: Word::new(connections),
            svc_lfactor: Word::new(services),
            sloppy_tcp: Word::new(0),
            expire_nodest_conn: Word::new(0),
            conn_reuse_mode: Word::new(1),
            snat_reroute: Word::new(1),
            pmtu_disc: Word::new(1),
            ignore_tunneled: Word::new(0),
        }
    }
}
