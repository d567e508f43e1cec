// SPDX-License-Identifier: GPL-2.0

//! Real servers by their addresses: those that NAT translates, and those that tunnels lead to (V-8).
//!
//! Packets look a server up only when something is out of the ordinary: a packet of a connection
//! that nobody knows, or an error about a tunnel. A bucket is a list that changes in place; taking a destination out
//! needs no memory. The table grows with them, and stays as large.
//!
//! Those who change it hold the director's mutex.

use super::destination::Destination;
use crate::{
    kapi::{
        once::Word,
        rcu::{
            self,
            Prepared,
            Rcu,
            RcuCell, //
        },
        roster::Roster,
        shared::{
            RcuArc,
            Seen, //
        },
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
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The fewest buckets that there are, once there is a destination; a power of two.
const BUCKETS: usize = 64;
/// By how much their number grows when there is a destination for each.
const GROWTH: usize = 4;
/// How many slots a bucket has at first.
const ROOM: usize = 2;

/// A list of destinations, some of whose slots may be empty.
type Bucket = RcuCell<Roster<Destination>>;

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

    /// Spread over all numbers.
    fn hash(self) -> usize {
        let add = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        let port = self.port.to_be_bytes();
        let sum = match self.addr {
            Ip::V4(addr) => Iterator::chain(addr.iter(), &port).fold(0x811c_9dc5, add),
            Ip::V6(addr) => Iterator::chain(addr.iter(), &port).fold(0x811c_9dc5, add),
        };
        (sum ^ (sum >> 16)) as usize
    }
}

/// Buckets, as many as a power of two.
struct Buckets(KVVec<Bucket>);

impl Buckets {
    fn new(size: usize) -> Result<Self> {
        let mut buckets = KVVec::with_capacity(size, GFP_KERNEL)?;
        for _ in 0..size {
            buckets.push(RcuCell::empty(), GFP_KERNEL)?;
        }
        Ok(Self(buckets))
    }

    /// The bucket of a place.
    fn of(&self, at: Place) -> Option<&Bucket> {
        self.0.get(at.hash() & self.0.len().saturating_sub(1))
    }

    /// Puts a destination in its place. Process context.
    fn insert(&self, at: Place, destination: RcuArc<Destination>) -> Result {
        let bucket = self.of(at).ok_or(EINVAL)?;
        let has_room = |roster: &Roster<Destination>| (roster.used() as usize) < roster.room();
        if rcu::read(|rcu| bucket.get(rcu).is_some_and(has_room)) {
            let pushed = rcu::read(|rcu| bucket.get(rcu)?.push(destination));
            return pushed.map(drop).ok_or(ENOMEM);
        }
        // Those that are there move, together, to one with room.
        let count = rcu::read(|rcu| present(rcu, bucket).count());
        let larger = Roster::new(count.saturating_mul(2).max(ROOM))?;
        let mut larger = Prepared::new(larger, GFP_KERNEL)?;
        let roster = larger.value_mut();
        rcu::read(|rcu| {
            for kept in present(rcu, bucket).filter_map(Seen::keep) {
                roster.push(kept);
            }
        });
        roster.push(destination).ok_or(ENOMEM)?;
        bucket.replace(Some(larger));
        Ok(())
    }
}

/// The destinations in a bucket.
fn present<'g>(rcu: Rcu<'g>, bucket: &'g Bucket) -> impl Iterator<Item = Seen<'g, Destination>> {
    let in_roster = move |roster: &'g Roster<Destination>| {
        (0..roster.used()).filter_map(move |slot| roster.get(rcu, slot))
    };
    bucket.get(rcu).into_iter().flat_map(in_roster)
}

/// The table.
pub(super) struct Servers {
    /// None before the first destination.
    buckets: RcuCell<Arc<Buckets>>,
    /// How many destinations there are.
    count: Word<usize>,
}

impl Servers {
    /// A table without servers.
    pub(super) fn new() -> Self {
        Self {
            buckets: RcuCell::empty(),
            count: Word::new(0),
        }
    }

    /// Puts a destination in its place.
    pub(super) fn insert(&self, at: Place, destination: &RcuArc<Destination>) -> Result {
        let buckets = rcu::read(|rcu| self.buckets.get(rcu).cloned());
        let count = self.count.load();
        let buckets = match buckets {
            Some(buckets) if count < buckets.0.len() => buckets,
            few => self.grow(few, count)?,
        };
        buckets.insert(at, destination.clone())?;
        self.count.store(count.saturating_add(1));
        Ok(())
    }

    /// Moves what is there to a larger table.
    fn grow(&self, old: Option<Arc<Buckets>>, count: usize) -> Result<Arc<Buckets>> {
        let size = old.as_ref().map_or(0, |old| old.0.len());
        let new = Arc::new(
            Buckets::new(size.saturating_mul(GROWTH).max(BUCKETS))?,
            GFP_KERNEL,
        )?;
        let mut kept = KVVec::with_capacity(count, GFP_KERNEL)?;
        rcu::read(|rcu| {
            let buckets = old.iter().flat_map(|old| old.0.iter());
            for destination in buckets.flat_map(|bucket| present(rcu, bucket)) {
                if let Some(destination) = destination.keep() {
                    kept.push_within_capacity(destination).ok();
                }
            }
        });
        for destination in kept {
            if let Some(at) = Place::of(&destination.spec()) {
                new.insert(at, destination)?;
            }
        }
        let published = Prepared::new(new.clone(), GFP_KERNEL)?;
        self.buckets.replace(Some(published));
        Ok(new)
    }

    /// Takes a destination out of its place, where it is there.
    pub(super) fn remove(&self, at: Place, destination: &RcuArc<Destination>) {
        rcu::read(|rcu| {
            let roster = self.buckets.get(rcu)?.of(at)?.get(rcu)?;
            let is_it = |slot: &u32| roster.get(rcu, *slot).is_some_and(|d| d.is(destination));
            let slot = (0..roster.used()).find(is_it)?;
            self.count.store(self.count.load().saturating_sub(1));
            roster.take(slot)
        });
    }

    /// The first destination of a place that is as `is` says.
    fn find<'g>(
        &'g self,
        rcu: Rcu<'g>,
        at: Place,
        is: impl Fn(&DestinationSpec, &Destination) -> bool,
    ) -> Option<Seen<'g, Destination>> {
        let bucket = self.buckets.get(rcu)?.of(at)?;
        present(rcu, bucket).find(|found| {
            let spec = found.spec();
            Place::of(&spec) == Some(at) && is(&spec, found)
        })
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
    ) -> Option<Seen<'g, Destination>> {
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
