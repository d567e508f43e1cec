// SPDX-License-Identifier: GPL-2.0

//! Counts the packets that each network namespace receives, and logs the number when unloaded.
//!
//! The smallest complete module on rust_ipvs's abstractions: [`kapi::net`] stores a value per
//! namespace, [`kapi::netfilter`] registers hooks, and [`kapi::percpu`] counts without a lock.

#![deny(unsafe_code)]

// The abstractions are compiled into each module that uses them, and this one uses few.
#[allow(dead_code, unsafe_code, unused_imports, unused_macros)]
#[path = "../../rust_ipvs"]
mod abstractions {
    pub(crate) mod bindings;
    pub(crate) mod kapi;
}

use abstractions::{bindings, kapi};
use kapi::{
    net::{Namespaced, Namespaces, NamespacesGuard, Net, WeakNet},
    netfilter::{Hook, Hooks, Point, Protocol, Spec, State, Verdict},
    percpu::{PercpuCounters, Pool},
    rcu::Rcu,
    skbuff::Packet,
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

module! {
    type: PacketCounter,
    name: "rust_packet_counter",
    authors: ["The rust_ipvs developers"],
    description: "Counts packets for this host",
    license: "GPL",
}

static COUNTERS: Namespaces<Counter> = Namespaces::new();

/// Counter of a namespace.
#[pin_data]
struct Counter {
    initial: bool,
    packets: PercpuCounters<1>,
    /// Hooks that count here. They hold a reference to the counter, so `exit` drops them.
    #[pin]
    hooks: Mutex<Option<Hooks<Counter>>>,
}

impl Namespaced for Counter {
    type Shared = ();

    fn namespaces() -> &'static Namespaces<Self> {
        &COUNTERS
    }

    fn new(net: &Net, weak_net: &Arc<WeakNet>, (): &()) -> Result<Arc<Self>> {
        let packets = Pool::new()?.take()?;
        let counter = Arc::pin_init(
            pin_init!(Self {
                initial: net.is_initial(),
                packets,
                hooks <- new_mutex!(None),
            }),
            GFP_KERNEL,
        )?;
        // Before all other hooks, as packets that a firewall drops are received too.
        let hooks = [Protocol::Ipv4, Protocol::Ipv6]
            .map(|protocol| Spec::new::<Count>(protocol, Point::LocalIn, i32::MIN));
        let lease = weak_net.lease().ok_or(ENODEV)?;
        *counter.hooks.lock() = Some(Hooks::register(lease, counter.clone(), hooks)?);
        Ok(counter)
    }

    fn stop(this: &Arc<Self>) {
        let hooks = this.hooks.lock().take();
        drop(hooks);
        let [packets] = this.packets.sums();
        let place = if this.initial { "the initial" } else { "a" };
        pr_info!("{packets} packets received in {place} namespace\n");
    }
}

/// Hook that counts a packet and accepts it.
struct Count;

impl Hook for Count {
    type Owner = Counter;

    fn run<'g>(counter: &'g Counter, _: Rcu<'g>, _: &State<'g>, packet: Packet) -> Verdict {
        counter.packets.add::<0>(1);
        Verdict::Accept(packet)
    }
}

struct PacketCounter {
    _namespaces: NamespacesGuard<Counter>,
}

impl kernel::Module for PacketCounter {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _namespaces: COUNTERS.register(())?,
        })
    }
}
