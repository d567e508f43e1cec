// SPDX-License-Identifier: GPL-2.0

//! [`RsTable`]: hash table of real servers (C: `rs_table`), for NAT and for tunnels (V-8).
//!
//! Look-ups are rare: for a packet without a connection, or an ICMP error about a tunnel. They find
//! the newest destination first, as in C. The number of buckets grows with the destinations, and
//! does not shrink.
//!
//! Writers prove with [`ConfigHeld`] that they hold the configuration mutex.

use super::{
    config_lock::ConfigHeld,
    rcu_hash::{
        address_hash,
        HashEntry,
        RcuHash,
        NO_SLOT, //
    },
    Destination, //
};
use crate::{
    kapi::{
        once::Word,
        rcu::Rcu,
        shared::{
            RcuArc,
            RcuRef, //
        },
    },
    logic::{
        config::{
            AddressFamily,
            DestinationSpec,
            Encapsulation,
            ForwardMethod,
            Ip,
            ServiceKey, //
        },
        family::{
            Endpoint,
            Family, //
        },
    },
};
use kernel::prelude::*;

/// Minimum number of buckets, once there is a destination; a power of two.
const BUCKETS: usize = 64;
/// Factor by which the number of buckets grows when there is one destination per bucket.
const GROWTH: usize = 4;

/// Key of a destination in the table: address and port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RsKey {
    addr: Ip,
    port: u16,
}

impl RsKey {
    /// Returns the key of a destination; `None` if its forwarding method has no entry in the table.
    pub(crate) fn of(spec: &DestinationSpec) -> Option<Self> {
        let port = match spec.method {
            ForwardMethod::MASQ => spec.id.port,
            ForwardMethod::TUNNEL => match spec.tunnel.encapsulation() {
                Encapsulation::Gue { port, .. } => port,
                _ => 0,
            },
            _ => return None,
        };
        Some(Self {
            addr: spec.id.addr,
            port,
        })
    }

    /// Returns the hash.
    fn hash(self) -> u32 {
        match self.addr {
            Ip::V4(addr) => address_hash(&addr, self.port, 0),
            Ip::V6(addr) => address_hash(&addr, self.port, 0),
        }
    }
}

impl HashEntry for Destination {
    fn hash(&self) -> Option<u32> {
        RsKey::of(&self.spec()).map(RsKey::hash)
    }

    fn slot(&self) -> &Word<u32> {
        &self.rs_slot
    }
}

/// Hash table of real servers.
pub(crate) struct RsTable {
    hash: RcuHash<Destination>,
    /// Numbers of destinations with an IPv4, and with an IPv6 address, of services of the other
    /// family. Written under the configuration mutex.
    mixed_v4: Word<u32>,
    mixed_v6: Word<u32>,
}

impl RsTable {
    /// Creates an empty table.
    pub(crate) fn new() -> Self {
        Self {
            hash: RcuHash::new(),
            mixed_v4: Word::new(0),
            mixed_v6: Word::new(0),
        }
    }

    /// Returns the word that counts a destination of another family than its service, which is
    /// reached through a tunnel; `None` for the others.
    fn mixed(&self, destination: &Destination) -> Option<&Word<u32>> {
        let family = destination.id.addr.family();
        (family != destination.service.family).then(|| self.mixed_of(family))
    }

    fn mixed_of(&self, family: AddressFamily) -> &Word<u32> {
        match family {
            AddressFamily::V4 => &self.mixed_v4,
            AddressFamily::V6 => &self.mixed_v6,
        }
    }

    /// Returns whether a service of the other family has a destination of `family`, through a
    /// tunnel.
    pub(crate) fn has_mixed(&self, family: AddressFamily) -> bool {
        self.mixed_of(family).load() != 0
    }

    /// Inserts a destination, if its forwarding method has an entry.
    pub(crate) fn insert(
        &self,
        held: &mut ConfigHeld,
        destination: &RcuArc<Destination>,
    ) -> Result {
        if RsKey::of(&destination.spec()).is_some() {
            self.grow(held)?;
            self.hash.insert(held, destination)?;
            if let Some(count) = self.mixed(destination) {
                count.store(count.load().saturating_add(1));
            }
        }
        Ok(())
    }

    /// Removes a destination, if it is in the table.
    pub(crate) fn remove(&self, held: &mut ConfigHeld, destination: &RcuArc<Destination>) {
        let is_there = destination.rs_slot.load() != NO_SLOT;
        self.hash.remove(held, destination);
        if let Some(count) = self.mixed(destination).filter(|_| is_there) {
            count.store(count.load().saturating_sub(1));
        }
    }

    /// Calls `change`, which changes the options of a destination to `new`, and moves it to the
    /// bucket of its new key. On an error both stay as they are.
    pub(crate) fn change(
        &self,
        held: &mut ConfigHeld,
        destination: &RcuArc<Destination>,
        new: &DestinationSpec,
        change: impl FnOnce(&mut ConfigHeld) -> Result,
    ) -> Result {
        let (old, new) = (RsKey::of(&destination.spec()), RsKey::of(new));
        if new == old {
            return change(held);
        }
        if new.is_some() {
            self.grow(held)?;
        }
        self.hash
            .change(held, destination, new.map(RsKey::hash), change)
    }

    /// Makes room for these keys, so that [`insert`](Self::insert) and [`change`](Self::change)
    /// cannot fail before [`release`](Self::release).
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the caller has to release what was reserved.
    pub(crate) fn reserve(&self, held: &mut ConfigHeld, keys: &[RsKey]) -> Result {
        let mut hashes = KVVec::with_capacity(keys.len(), GFP_KERNEL)?;
        for key in keys {
            hashes.push(key.hash(), GFP_KERNEL)?;
        }
        self.grow_by(held, keys.len())?;
        self.hash.reserve(held, &hashes)
    }

    /// Ends a reservation.
    pub(crate) fn release(&self, held: &mut ConfigHeld) {
        self.hash.release(held);
    }

    /// Adds buckets, if there are too few for one more destination.
    fn grow(&self, held: &mut ConfigHeld) -> Result {
        self.grow_by(held, 1)
    }

    /// Adds buckets, if there are too few for `more` destinations.
    fn grow_by(&self, held: &mut ConfigHeld, more: usize) -> Result {
        let size = self.hash.size();
        let count = self.hash.count().saturating_add(more);
        if count <= size {
            return Ok(());
        }
        let mut wanted = size.max(BUCKETS);
        while wanted < count {
            wanted = wanted.saturating_mul(GROWTH);
        }
        self.hash.resize(held, wanted)
    }

    /// Returns the newest destination with a key for which `is` is true (V-8).
    fn find<'g>(
        &'g self,
        rcu: Rcu<'g>,
        at: RsKey,
        is: impl Fn(&DestinationSpec, &Destination) -> bool,
    ) -> Option<RcuRef<'g, Destination>> {
        self.hash.find(rcu, at.hash(), |found| {
            let spec = found.spec();
            RsKey::of(&spec) == Some(at) && is(&spec, &found)
        })
    }

    /// Returns whether an endpoint is that of a real server behind NAT for a protocol (H-22).
    pub(crate) fn has_real_server<F: Family>(
        &self,
        rcu: Rcu<'_>,
        protocol: u8,
        from: &Endpoint<F>,
    ) -> bool {
        self.find_real_server(rcu, protocol, from, |_| true)
            .is_some()
    }

    /// Returns the real server behind NAT with an endpoint and a protocol (H-21, H-22): the one
    /// added last for which `is` is true.
    pub(crate) fn find_real_server<'g, F: Family>(
        &'g self,
        rcu: Rcu<'g>,
        protocol: u8,
        from: &Endpoint<F>,
        is: impl Fn(&Destination) -> bool,
    ) -> Option<RcuRef<'g, Destination>> {
        let at = RsKey {
            addr: F::ip(from.addr),
            port: from.port,
        };
        self.find(rcu, at, |spec, destination| {
            let serves = match destination.service.key {
                ServiceKey::Mark(_) => true,
                ServiceKey::Address { protocol: own, .. } => own == u16::from(protocol),
            };
            spec.method == ForwardMethod::MASQ && serves && is(destination)
        })
    }

    /// Returns whether a tunnel leads to an address, and to a port if it is a UDP tunnel (I-5).
    pub(crate) fn has_tunnel(
        &self,
        rcu: Rcu<'_>,
        addr: Ip,
        port: u16,
        is: impl Fn(&Encapsulation) -> bool,
    ) -> bool {
        let leads = |spec: &DestinationSpec, _: &Destination| {
            spec.method == ForwardMethod::TUNNEL && is(&spec.tunnel.encapsulation())
        };
        self.find(rcu, RsKey { addr, port }, leads).is_some()
    }
}
