// SPDX-License-Identifier: GPL-2.0

//! Real servers by their addresses: those that NAT translates, and those that tunnels lead to (V-8).
//!
//! Packets look a server up only when something is out of the ordinary: a packet of a connection
//! that nobody knows, or an error about a tunnel. So the table is of a fixed size. A bucket is a list
//! of slots, each of which holds a destination or nothing; taking one out needs no memory.
//!
//! Those who change it hold the director's mutex.

use super::destination::Destination;
use crate::{
    kapi::{
        rcu::{
            self,
            Prepared,
            Rcu,
            RcuCell, //
        },
        shared::RcuArc,
    },
    logic::{
        config::{
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

/// How many buckets there are; a power of two.
const BUCKETS: usize = 128;

/// A place for a destination.
type Slot = RcuCell<RcuArc<Destination>>;

/// The key of a destination in the table: an address and a port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    addr: Ip,
    port: u16,
}

impl Place {
    /// The place of a destination; `None` for those that are not in the table.
    pub(super) fn of(spec: &DestinationSpec) -> Option<Self> {
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

    /// The number of its bucket.
    fn bucket(self) -> usize {
        let add = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        let port = self.port.to_be_bytes();
        let sum = match self.addr {
            Ip::V4(addr) => Iterator::chain(addr.iter(), &port).fold(0x811c_9dc5, add),
            Ip::V6(addr) => Iterator::chain(addr.iter(), &port).fold(0x811c_9dc5, add),
        };
        (sum ^ (sum >> 16)) as usize & (BUCKETS - 1)
    }
}

/// The table.
pub(super) struct Servers {
    buckets: [RcuCell<KVec<Slot>>; BUCKETS],
}

impl Servers {
    /// A table without servers.
    pub(super) fn new() -> Self {
        Self {
            buckets: [const { RcuCell::empty() }; BUCKETS],
        }
    }

    /// Calls `visit` for what is in the slots of a place's bucket, until it returns `false`.
    fn each<'g>(
        &'g self,
        rcu: Rcu<'g>,
        at: Place,
        mut visit: impl FnMut(&'g Slot, Option<&'g RcuArc<Destination>>) -> bool,
    ) {
        let bucket = self.buckets.get(at.bucket());
        let slots = bucket.and_then(|bucket| bucket.get(rcu));
        for slot in slots.into_iter().flat_map(|slots| slots.iter()) {
            if !visit(slot, slot.get(rcu)) {
                return;
            }
        }
    }

    /// Puts a destination in its place.
    pub(super) fn insert(&self, at: Place, destination: &RcuArc<Destination>) -> Result {
        let mut new = Some(Prepared::new(destination.clone(), GFP_KERNEL)?);
        let mut count = 0usize;
        rcu::read(|rcu| {
            self.each(rcu, at, |slot, found| {
                count = count.saturating_add(1);
                if found.is_none() {
                    slot.replace(new.take());
                }
                new.is_some()
            })
        });
        match new {
            Some(new) => self.grow(at, count, new),
            None => Ok(()),
        }
    }

    /// Makes a bucket that is full twice as long, with one destination more.
    fn grow(&self, at: Place, count: usize, new: Prepared<RcuArc<Destination>>) -> Result {
        let mut kept = KVec::with_capacity(count, GFP_KERNEL)?;
        rcu::read(|rcu| {
            self.each(rcu, at, |_, found| match found {
                Some(destination) => kept.push_within_capacity(destination.clone()).is_ok(),
                None => true,
            })
        });
        let length = count.saturating_mul(2).max(2);
        let mut slots = KVec::with_capacity(length, GFP_KERNEL)?;
        slots.push(RcuCell::new(new), GFP_KERNEL)?;
        for destination in kept {
            let slot = RcuCell::new(Prepared::new(destination, GFP_KERNEL)?);
            slots.push(slot, GFP_KERNEL)?;
        }
        while slots.push_within_capacity(RcuCell::empty()).is_ok() {}
        let slots = Prepared::new(slots, GFP_KERNEL)?;
        if let Some(bucket) = self.buckets.get(at.bucket()) {
            bucket.replace(Some(slots));
        }
        Ok(())
    }

    /// Takes a destination out of its place, where it is there.
    pub(super) fn remove(&self, at: Place, destination: &RcuArc<Destination>) {
        rcu::read(|rcu| {
            self.each(rcu, at, |slot, found| {
                let is_it = found.is_some_and(|found| found.same(destination));
                if is_it {
                    slot.replace(None);
                }
                !is_it
            })
        });
    }

    /// The first destination of a place that is as `is` says.
    fn find<'g>(
        &'g self,
        rcu: Rcu<'g>,
        at: Place,
        is: impl Fn(&DestinationSpec, &Destination) -> bool,
    ) -> Option<&'g RcuArc<Destination>> {
        let mut first = None;
        self.each(rcu, at, |_, found| {
            first = found.filter(|found| {
                let spec = found.spec();
                Place::of(&spec) == Some(at) && is(&spec, found)
            });
            first.is_none()
        });
        first
    }

    /// Whether packets of a protocol from an endpoint are those of a server behind NAT (H-22).
    pub(super) fn has_real_server<F: Family>(
        &self,
        rcu: Rcu<'_>,
        protocol: u8,
        from: &Endpoint<F>,
    ) -> bool {
        self.real_server(rcu, protocol, from).is_some()
    }

    /// The server behind NAT that packets of a protocol from an endpoint come from (H-21, H-22).
    pub(super) fn real_server<'g, F: Family>(
        &'g self,
        rcu: Rcu<'g>,
        protocol: u8,
        from: &Endpoint<F>,
    ) -> Option<&'g RcuArc<Destination>> {
        let at = Place {
            addr: F::ip(from.addr),
            port: from.port,
        };
        self.find(rcu, at, |spec, destination| {
            let serves = match destination.service.key {
                ServiceKey::Mark(_) => true,
                ServiceKey::Address { protocol: own, .. } => own == u16::from(protocol),
            };
            spec.method == ForwardMethod::MASQ && serves
        })
    }

    /// Whether a tunnel leads to an address, and to a port where it is one of UDP (I-5).
    pub(super) fn has_tunnel(
        &self,
        rcu: Rcu<'_>,
        addr: Ip,
        port: u16,
        is: impl Fn(&Encapsulation) -> bool,
    ) -> bool {
        let leads = |spec: &DestinationSpec, _: &Destination| {
            spec.method == ForwardMethod::TUNNEL && is(&spec.tunnel.encapsulation())
        };
        self.find(rcu, Place { addr, port }, leads).is_some()
    }
}
