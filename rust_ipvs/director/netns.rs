// SPDX-License-Identifier: GPL-2.0

//! [`NetnsIpvs`]: the state of IPVS in one network namespace (C: `struct netns_ipvs`).

mod background;
mod defense;
pub(crate) mod defrag;
mod devices;
mod drop_rate;
mod expiry;
mod housekeeping;
mod nodest;
mod pernet;
mod queues;
mod resize;
mod sysctl;

pub(crate) use self::sysctl::Settings;

use self::{
    defrag::Fragments,
    drop_rate::{
        DefenseLock,
        Defenses, //
    },
    queues::Queues, //
};
use crate::{
    director::{
        conn::{
            Connection,
            InetFamily,
            Timeouts, //
        },
        dest::{
            stats,
            ConfigHeld,
            RsTable,
            Trash, //
        },
        service::{
            AfState,
            HasAfState, //
        },
        sync::Daemons, //
    },
    kapi::{
        conntrack::{
            related,
            Tracking, //
        },
        net::{
            Lease,
            Net,
            WeakNet, //
        },
        netfilter::{
            Hooks,
            Point,
            Protocol, //
        },
        rcu,
        siphash::HalfSipKey,
        skbuff::Packet,
        slab::Slab,
        table::{
            MAX_BITS,
            MIN_BITS, //
        },
        work::PeriodicWork, //
    },
    logic::family::{
        V4,
        V6, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc,
        Mutex,
        SetOnce, //
    },
};

/// State that all namespaces share: where connections and counters are allocated, and how many
/// buckets a table of connections may have.
pub(crate) struct Caches {
    pub(crate) v4: Arc<Slab<Connection<V4>>>,
    pub(crate) v6: Arc<Slab<Connection<V6>>>,
    pub(crate) counters: Arc<stats::Pool>,
    /// As a power of two.
    pub(crate) most_bits: u32,
    /// The port of services whose connections by NAT the FTP helper looks at.
    pub(crate) helper_port: Option<u16>,
}

impl Caches {
    /// Creates the caches; they show in /proc/slabinfo.
    ///
    /// `conn_tab_bits` bounds the tables (C-29, C-32); 0 leaves them without a bound but that of
    /// their kind. `ftp_port` is that of FTP's control connections (F-3), 0 where no helper is
    /// wanted. There is none either where the kernel tracks no connections, which keeps their
    /// sequence numbers right.
    pub(crate) fn new(conn_tab_bits: u32, ftp_port: u16) -> Result<Self> {
        let most_bits = match conn_tab_bits {
            0 => MAX_BITS,
            bits => bits.clamp(MIN_BITS, MAX_BITS),
        };
        Ok(Self {
            most_bits,
            helper_port: (ftp_port != 0 && related::IS_THERE).then_some(ftp_port),
            v4: Arc::new(Slab::new(c"rust_ipvs_conn")?, GFP_KERNEL)?,
            v6: Arc::new(Slab::new(c"rust_ipvs_conn6")?, GFP_KERNEL)?,
            counters: stats::Pool::new()?,
        })
    }
}

impl Drop for Caches {
    fn drop(&mut self) {
        // What directors queued for freeing runs code of this module and frees into these. The last
        // director is gone, so nothing more is queued. When the files of namespaces go that is not
        // so: packets may queue faster than anybody can wait.
        rcu::drain();
    }
}

/// Configuration of a namespace; protected by the mutex around it.
pub(crate) struct ConfigState {
    pub(crate) held: ConfigHeld,
    /// Cleared when the namespace goes, after which nothing may be added.
    pub(crate) open: bool,
    pub(crate) hooks_v4: Option<Hooks<NetnsIpvs>>,
    pub(crate) hooks_v6: Option<Hooks<NetnsIpvs>>,
    /// Tracking of connections of IPv4, and of IPv6, while a service has the FTP helper's port.
    pub(crate) tracking: [Option<Tracking>; 2],
    /// Set if the hooks handle replies only (H-8).
    pub(crate) reply_only: bool,
    /// Background works; there from the first service or daemon on.
    pub(super) works: KVec<PeriodicWork>,
    /// The serial number of the service added last.
    pub(crate) serial: u64,
}

/// The state of IPVS in a network namespace (C: `struct netns_ipvs`).
#[pin_data]
pub(crate) struct NetnsIpvs {
    #[pin]
    pub(crate) settings: Settings,
    pub(crate) timeouts: Timeouts,
    pub(crate) defenses: Defenses,
    pub(crate) v4: AfState<V4>,
    pub(crate) v6: AfState<V6>,
    /// Real servers of both families (C: `rs_table`).
    pub(crate) rs_table: RsTable,
    pub(crate) counting: stats::Counting,
    /// Queues what is done in the background; empty before the first service or daemon.
    pub(crate) queues: SetOnce<Queues>,
    /// Number of deletions of destinations whose connections are to end.
    pub(crate) nodest: Atomic<u32>,
    pub(crate) fragments: Fragments,
    /// Hashes the hashes of connections of which others see a part: whoever saw those of the tables
    /// themselves could solve for their keys (see [`logic::hash`](crate::logic::hash)).
    pub(crate) outward: HalfSipKey,
    pub(crate) weak_net: Arc<WeakNet>,
    #[pin]
    pub(crate) daemons: Daemons<NetnsIpvs>,
    /// The configuration mutex, and what it protects. The other two are taken inside of it, or
    /// without it.
    #[pin]
    pub(crate) config: Mutex<ConfigState>,
    /// Destinations that were deleted.
    #[pin]
    pub(crate) trash: Mutex<Trash>,
    /// Held while the level of the defenses is updated.
    #[pin]
    pub(super) defense_lock: Mutex<DefenseLock>,
}

impl NetnsIpvs {
    /// Returns what `sysctl` set.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the state of an address family.
    #[inline(always)]
    pub(crate) fn af_state<F: HasAfState>(&self) -> &AfState<F> {
        F::af_state(&self.v4, &self.v6)
    }

    /// Puts fragments together: the whole packet, or `None` where there are pieces to come (H-19,
    /// G-30).
    #[cold]
    #[inline(never)]
    pub(crate) fn gather_frags<F: InetFamily>(
        &self,
        net: &Net,
        point: Point,
        packet: Packet,
    ) -> Option<Packet> {
        if F::PROTOCOL == Protocol::Ipv6 && self.fragments.is_first() {
            if let Some(queues) = self.queues.as_ref() {
                queues.defragment.queue(0);
            }
        }
        packet.defragment(net, F::PROTOCOL, point)
    }

    /// The namespace, which is there until the state is told to stop.
    pub(crate) fn weak_net(&self) -> Option<&WeakNet> {
        Some(&self.weak_net)
    }

    /// Takes a lease of the namespace.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the state was told to stop.
    pub(crate) fn lease(&self) -> Result<Lease> {
        self.weak_net.lease().ok_or(ENODEV)
    }
}
