// SPDX-License-Identifier: GPL-2.0

//! [`NetnsIpvs`]: the state of IPVS in one network namespace (C: `struct netns_ipvs`), with its
//! settings and its background works.
//!
//! Main types: [`NetnsIpvs`]; [`ConfigState`], the part of it under the configuration mutex;
//! [`Settings`], the sysctls; [`Caches`], the allocators that all namespaces share. This folder may
//! use `conn`, `dest`, `service` and `sync` of the director's folders. Other folders add methods to
//! [`NetnsIpvs`] for their own subject.

mod background;
mod defense;
pub(crate) mod defrag;
mod devices;
mod drain;
mod drop_rate;
mod epoch;
mod expiry;
mod fast_path;
mod housekeeping;
mod nodest;
mod overload;
mod pernet;
mod queues;
mod resize;
mod sync_host;
mod sysctl;

pub(crate) use self::{
    epoch::{
        Epoch,
        Port,
        Stamped, //
    },
    sysctl::Settings, //
};

use self::{
    defrag::Fragments,
    drop_rate::{
        DefenseLock,
        Defenses, //
    },
    epoch::FastPath,
    queues::Queues, //
};
use crate::{
    director::{
        conn::{
            Connection,
            InetFamily,
            Timeouts, //
        },
        dest::reasons::ReasonCounters,
        dest::{
            stats,
            ConfigHeld,
            Destination,
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
        ingress::Ports,
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
        once::Word,
        rcu,
        routes::RouteNotifier,
        shared::RcuArc,
        siphash::HalfSipKey,
        skbuff::{
            Packet,
            Taken, //
        },
        slab::Slab,
        table::{
            MAX_BITS,
            MIN_BITS, //
        },
        work::PeriodicWork, //
    },
    logic::{
        family::{
            V4,
            V6, //
        },
        hash::HashKey,
        ripvs::ConfigEvent, //
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

/// State that all namespaces share: the allocators of connections and counters, and the module
/// parameters.
pub(crate) struct Caches {
    pub(crate) v4: Arc<Slab<Connection<V4>>>,
    pub(crate) v6: Arc<Slab<Connection<V6>>>,
    pub(crate) counters: Arc<stats::Pool>,
    /// Maximum number of buckets of a connection table, as a power of two.
    pub(crate) most_bits: u32,
    /// Port of the services of the FTP helper; `None` if there is no helper.
    pub(crate) helper_port: Option<u16>,
    /// First value of `fast_path` in each namespace.
    pub(crate) fast_path: i32,
    /// Tells listeners of a change.
    pub(crate) announce: Announce,
}

/// Function that tells listeners in a namespace of a change, and the generation after it. It is
/// called in process context under the configuration mutex, and may sleep. Without listeners it
/// should return at once.
pub(crate) type Announce = fn(&Net, u64, ConfigEvent<'_>);

impl Caches {
    /// Creates the caches; they show in /proc/slabinfo.
    ///
    /// `conn_tab_bits` bounds the connection tables (C-29, C-32); 0 stands for the largest size.
    /// `ftp_port` is the port of FTP's control connections (F-3), 0 for no helper. There is no
    /// helper in a kernel without conntrack either, whose seqadj extension it needs.
    pub(crate) fn new(
        conn_tab_bits: u32,
        ftp_port: u16,
        fast_path: i32,
        announce: Announce,
    ) -> Result<Self> {
        let most_bits = match conn_tab_bits {
            0 => MAX_BITS,
            bits => bits.clamp(MIN_BITS, MAX_BITS),
        };
        Ok(Self {
            most_bits,
            fast_path: fast_path.clamp(0, 2),
            announce,
            helper_port: (ftp_port != 0 && related::IS_THERE).then_some(ftp_port),
            v4: Arc::new(Slab::new(c"rust_ipvs_conn")?, GFP_KERNEL)?,
            v6: Arc::new(Slab::new(c"rust_ipvs_conn6")?, GFP_KERNEL)?,
            counters: stats::Pool::new()?,
        })
    }
}

impl Drop for Caches {
    fn drop(&mut self) {
        // RCU callbacks run code of this module and free into these caches. All namespaces have
        // been torn down, so no callback is queued any more. The teardown of a namespace cannot
        // wait for them, as packets of others may queue callbacks without end.
        rcu::drain();
    }
}

/// Configuration of a namespace, protected by the mutex around it.
pub(crate) struct ConfigState {
    pub(crate) held: ConfigHeld,
    /// Cleared by the teardown of the namespace; nothing may be added after that.
    pub(crate) open: bool,
    pub(crate) hooks_v4: Option<Hooks<NetnsIpvs>>,
    pub(crate) hooks_v6: Option<Hooks<NetnsIpvs>>,
    /// Enables conntrack for IPv4 and IPv6, while a service has the FTP helper's port.
    pub(crate) tracking: [Option<Tracking>; 2],
    /// True if the hooks handle replies only (H-8).
    pub(crate) reply_only: bool,
    /// Background works; created with the first service or daemon.
    pub(super) works: KVec<PeriodicWork>,
    /// Work that registers the hooks of the fast path; created with the first service.
    pub(crate) ports_work: Option<PeriodicWork>,
    /// Tells the fast path of routes that change.
    pub(crate) routes: Option<RouteNotifier<NetnsIpvs>>,
    /// Destinations that are drained and not done, in no order. May have others for a while.
    pub(crate) drains: KVVec<RcuArc<Destination>>,
    /// Serial number of the service added last.
    pub(crate) serial: u64,
}

/// State of IPVS in a network namespace (C: `struct netns_ipvs`).
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
    /// Packets that were dropped, refused or left untouched.
    pub(crate) reasons: ReasonCounters,
    /// Handles for queueing the background works; empty before the first service or daemon.
    pub(crate) queues: SetOnce<Queues>,
    /// Number of deletions of destinations whose connections are to end.
    pub(crate) nodest: Atomic<u32>,
    pub(crate) fragments: Fragments,
    pub(crate) fast_path: FastPath,
    /// Hooks of the fast path at devices.
    #[pin]
    pub(crate) ports: Ports<NetnsIpvs, Port>,
    /// Key for hashing the hashes of connections before a part of them is visible outside: from the
    /// hashes themselves the keys of the tables could be computed (see
    /// [`logic::hash`](crate::logic::hash)). A connection keeps the hash that is hashed with it,
    /// even if its table gets a new key.
    pub(crate) outward: HalfSipKey,
    /// Key for hashing endpoints before `outward`. Unlike those of connection tables it stays.
    pub(crate) outward_ports: HashKey,
    pub(crate) weak_net: Arc<WeakNet>,
    /// Number of changes of the configuration. Written under the configuration mutex.
    pub(crate) generation: Word<u64>,
    announce: Announce,
    #[pin]
    pub(crate) daemons: Daemons<NetnsIpvs>,
    /// Configuration, with its mutex. The other two mutexes are taken under it, or alone.
    #[pin]
    pub(crate) config: Mutex<ConfigState>,
    /// Deleted destinations.
    #[pin]
    pub(crate) trash: Mutex<Trash>,
    /// Serialises updates of the defense level.
    #[pin]
    pub(super) defense_lock: Mutex<DefenseLock>,
}

impl NetnsIpvs {
    /// Returns the settings (sysctls).
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the state of an address family.
    #[inline(always)]
    pub(crate) fn af_state<F: HasAfState>(&self) -> &AfState<F> {
        F::af_state(&self.v4, &self.v6)
    }

    /// Adds a fragment to its packet (C: `ip_vs_gather_frags()`). Returns the reassembled packet,
    /// or the proof that the fragment was kept or dropped if fragments are missing (H-19, G-30).
    #[cold]
    #[inline(never)]
    pub(crate) fn gather_frags<F: InetFamily>(
        &self,
        net: &Net,
        point: Point,
        packet: Packet,
    ) -> Result<Packet, Taken> {
        if F::PROTOCOL == Protocol::Ipv6 && self.fragments.is_first() {
            if let Some(queues) = self.queues.as_ref() {
                queues.defragment.queue(0);
            }
        }
        packet.defragment(net, F::PROTOCOL, point)
    }

    /// Takes note of a change of the configuration.
    pub(crate) fn note_change(&self, _: &mut ConfigState) {
        self.generation
            .store(self.generation.load().wrapping_add(1));
    }

    /// Tells listeners of a change that was noted. The teardown of the namespace tells nobody.
    pub(crate) fn announce(&self, config: &mut ConfigState, event: ConfigEvent<'_>) {
        if let (true, Ok(lease)) = (config.open, self.lease()) {
            (self.announce)(&lease, self.generation.load(), event);
        }
    }

    /// Takes note of a change, and tells listeners.
    pub(crate) fn record(&self, config: &mut ConfigState, event: ConfigEvent<'_>) {
        self.note_change(config);
        self.announce(config, event);
    }

    /// Returns whether the hooks handle replies only (H-8).
    pub(crate) fn handles_replies_only(&self) -> bool {
        self.daemons.is_backup() && self.settings.sync.backup_only.load() != 0
    }

    /// Returns the network namespace; `None` after the start of the teardown.
    pub(crate) fn weak_net(&self) -> Option<&WeakNet> {
        Some(&self.weak_net)
    }

    /// Takes a lease of the network namespace.
    ///
    /// # Errors
    ///
    /// `ENODEV` after the start of the teardown.
    pub(crate) fn lease(&self) -> Result<Lease> {
        self.weak_net.lease().ok_or(ENODEV)
    }
}
