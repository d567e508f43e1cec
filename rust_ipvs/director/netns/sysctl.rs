// SPDX-License-Identifier: GPL-2.0

//! Settings under /proc/sys/net/ipv4/vs (behaviour.rst 12.2).
//!
//! Each is an atomic word that packets load when they need it. A change applies to the next packet.

use crate::{
    director::{
        service::Expirations,
        sync::SyncSettings, //
    },
    kapi::{
        cpus::CpuList,
        net::Net,
        once::Word, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Maximum of `conn_max`.
pub(crate) const MAX_CONNECTIONS: i32 = 1 << 30;

/// Settings of a namespace. Those without a remark are switches: any value but 0 is on.
#[pin_data]
pub(crate) struct Settings {
    /// Maximum number of connections of both families (C-23).
    pub(crate) conn_max: Word<i32>,
    /// Maximum of `conn_max` for an administrator of the namespace only (Y-1).
    conn_max_limit: Word<i32>,
    /// Load factor of the connection tables (C-31).
    pub(crate) conn_lfactor: Word<i32>,
    /// Load factor of the service tables (V-7).
    pub(crate) svc_lfactor: Word<i32>,
    /// Any TCP segment may begin a connection (S-1).
    pub(crate) sloppy_tcp: Word<i32>,
    /// Templates of a destination with weight 0 are invalid (P-7, P-20).
    pub(crate) expire_quiescent_template: Word<i32>,
    /// Any SCTP chunk may begin a connection (S-2).
    pub(crate) sloppy_sctp: Word<i32>,
    /// Free-page threshold below which mode 1 defenses are active (`amemthresh`, Y-2).
    pub(crate) amemthresh: Word<i32>,
    /// Drop rate in mode 3 of `drop_packet`: one of so many packets that would begin a connection.
    pub(crate) am_droprate: Word<i32>,
    /// Mode of the defense that drops connections (C-26): 0 off, 1 automatic and inactive, 2
    /// automatic and active, 3 always active.
    pub(crate) drop_entry: Word<i32>,
    /// Mode of the defense that drops packets (S-6).
    pub(crate) drop_packet: Word<i32>,
    /// Mode of the defense that shortens the timeouts of half-open TCP connections (T-5).
    pub(crate) secure_tcp: Word<i32>,
    /// Packets of a firewall mark service without an available destination go to their own
    /// destination address (S-15).
    pub(crate) cache_bypass: Word<i32>,
    /// The next packet of a connection to a deleted destination ends the connection (S-22, S-23).
    pub(crate) expire_nodest_conn: Word<i32>,
    /// Conditions under which a connection with a reused client port is scheduled anew; bit 1 adds
    /// FIN_WAIT (S-18, S-20).
    pub(crate) conn_reuse_mode: Word<i32>,
    /// Statistics are updated (E-8).
    pub(crate) run_estimation: Word<i32>,
    /// Nice value of estimation threads. Stored only, as there are no such threads (E-9).
    pub(crate) est_nice: Word<i32>,
    /// CPUs for estimation; an empty list stops estimation (E-9).
    #[pin]
    pub(crate) est_cpulist: CpuList,
    /// Replies are routed again after the rewrite of the source to the VIP.
    pub(crate) snat_reroute: Word<i32>,
    /// Tunnels do path MTU discovery.
    pub(crate) pmtu_disc: Word<i32>,
    /// A real server behind NAT gets an ICMP error for a packet without a connection (H-22).
    pub(crate) nat_icmp_send: Word<i32>,
    /// ICMP errors without a connection begin one (S-28).
    pub(crate) schedule_icmp: Word<i32>,
    /// Packets of protocols that are not balanced are not looked at by later hooks (H-11).
    pub(crate) ignore_tunneled: Word<i32>,
    /// New connections use conntrack (N-1).
    pub(crate) conntrack: Word<i32>,
    /// Established connections are taken at the ingress of devices: 0 never, 1 if no hook of
    /// others would be passed by, 2 always.
    pub(crate) fast_path: Word<i32>,
    /// Settings of the sync daemons.
    pub(crate) sync: SyncSettings,
    /// Expiration times of lblc and lblcr (D-20), shared with each of their tables.
    pub(crate) expirations: Arc<Expirations>,
}

impl Settings {
    /// Creates the defaults, with `fast_path`, and with `most`, the present limit of connections in
    /// the initial namespace (Y-1).
    pub(crate) fn new(
        net: &Net,
        most: Option<i32>,
        expirations: Arc<Expirations>,
        fast_path: i32,
    ) -> impl PinInit<Self> {
        let most = most.unwrap_or(MAX_CONNECTIONS);
        let (connections, services) = if net.is_initial() { (-4, -3) } else { (-2, -2) };
        pin_init!(Self {
            conn_max: Word::new(most),
            conn_max_limit: Word::new(most),
            conn_lfactor: Word::new(connections),
            svc_lfactor: Word::new(services),
            sloppy_tcp: Word::new(0),
            expire_quiescent_template: Word::new(0),
            sloppy_sctp: Word::new(0),
            amemthresh: Word::new(1024),
            am_droprate: Word::new(10),
            drop_entry: Word::new(0),
            drop_packet: Word::new(0),
            secure_tcp: Word::new(0),
            cache_bypass: Word::new(0),
            expire_nodest_conn: Word::new(0),
            conn_reuse_mode: Word::new(1),
            run_estimation: Word::new(1),
            est_nice: Word::new(0),
            est_cpulist <- CpuList::new(),
            snat_reroute: Word::new(1),
            pmtu_disc: Word::new(1),
            nat_icmp_send: Word::new(0),
            schedule_icmp: Word::new(0),
            ignore_tunneled: Word::new(0),
            conntrack: Word::new(0),
            fast_path: Word::new(fast_path),
            sync: SyncSettings::new(),
            expirations,
        })
    }

    /// Returns whether new connections use conntrack (N-1).
    #[inline(always)]
    pub(crate) fn is_tracked(&self) -> bool {
        self.conntrack.load() != 0
    }

    /// Returns whether the estimation is stopped (E-8).
    pub(crate) fn is_frozen(&self) -> bool {
        self.run_estimation.load() == 0 || self.est_cpulist.is_empty()
    }

    /// Sets the maximum number of connections; returns `None` if it is out of range (Y-1).
    ///
    /// An administrator of the host also sets the limit for the namespace's own administrators. Of
    /// two concurrent writes either may remain, as with any other setting.
    pub(crate) fn set_conn_max(&self, value: i32, by_host: bool) -> Option<()> {
        let most = if by_host {
            MAX_CONNECTIONS
        } else {
            self.conn_max_limit.load()
        };
        if !(0..=most).contains(&value) {
            return None;
        }
        if by_host {
            self.conn_max_limit.store(value);
        }
        self.conn_max.store(value);
        Some(())
    }
}
