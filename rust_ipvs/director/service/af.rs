// SPDX-License-Identifier: GPL-2.0

//! State of one address family in a namespace: its services and its connections.

use super::Service;
use crate::{
    director::{
        conn::{
            AfQueues,
            Connection,
            Connections,
            InetFamily,
            NoCport, //
        },
        dest::{
            ConfigHeld,
            Counting,
            Destination,
            ReplyFilter, //
        },
    },
    kapi::{
        net::Net,
        once::Word,
        rcu::{
            Rcu,
            RcuBox,
            RcuCell, //
        },
        shared::RcuArc,
        slab::Slab,
        time, //
    },
    logic::{
        config::{
            DestinationId,
            DestinationSpec,
            ForwardMethod,
            ServiceId,
            ServiceKey,
            TunnelSpec, //
        },
        family::{
            Endpoint,
            V4,
            V6, //
        },
        ftp::{
            FTP_DATA_PORT,
            FTP_PORT, //
        },
        packet::TCP,
        sizing, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        Arc,
        SetOnce, //
    },
};

/// The bounds of a service table's size, as powers of two (V-7).
const SERVICE_BITS: (u32, u32) = (4, 20);

/// How many services are looked at in one read-side critical section.
const PAGE: usize = 1024;

/// A bucket of services; replaced as a whole whenever one comes or goes.
type Bucket<F> = RcuCell<KVec<RcuArc<Service<F>>>>;

/// The services of a family by their keys. The number of buckets is a power of two.
///
/// A bucket's number are the high bits of the hashes in it, and each bucket is in the order of
/// hashes. So is the whole, whatever its size: who lists services finds the place again also when
/// the size has changed.
struct Services<F: InetFamily> {
    buckets: KVVec<Bucket<F>>,
    /// By how much a hash is shifted to give the number of its bucket.
    shift: u32,
}

/// The place of a service in the order of all of a family: its hash, and how many of the same hash
/// come before it.
pub(crate) type ServicePos = (u32, u32);

/// State of one address family in a namespace.
///
/// Whoever changes its services shows [`ConfigHeld`]: there is one of them at a time.
pub(crate) struct AfState<F: InetFamily> {
    /// Made with the first service of the family, and kept (C-5).
    pub(crate) connections: SetOnce<Connections<F>>,
    /// Until when entries without a client's port may be in the table of connections.
    pub(crate) no_cport: NoCport,
    /// The works that see to the connections; there before those are.
    pub(crate) queues: SetOnce<Arc<AfQueues>>,
    services: RcuCell<Services<F>>,
    /// Filter of the sources of replies; read by forwarded packets.
    pub(crate) reply_filter: ReplyFilter,
    pub(crate) slab: Arc<Slab<Connection<F>>>,
    /// The most buckets that a connection table may have, as a power of two.
    most_bits: u32,
    /// The port of services whose connections by NAT a helper looks at.
    pub(crate) helper_port: Option<u16>,
    /// Destination of connections to wherever their packets are addressed; nobody reads its
    /// counters. Created when it is first needed.
    pub(crate) bypass_dest: SetOnce<RcuArc<Destination>>,
    marked: Word<u32>,
    plain: Word<u32>,
    ftp: Word<u32>,
    any_port: Word<u32>,
    /// Services of the helper's port.
    app_services: Word<u32>,
    /// Services with a persistence engine, whose destinations may begin connections (V-3).
    engines: Word<u32>,
}

/// Evaluates an expression with the state of one address family.
macro_rules! for_af {
    ($ipvs:expr, $family:expr, $af:ident => $work:expr) => {
        match $family {
            $crate::logic::config::AddressFamily::V4 => {
                let $af = &$ipvs.v4;
                $work
            }
            $crate::logic::config::AddressFamily::V6 => {
                let $af = &$ipvs.v6;
                $work
            }
        }
    };
}
pub(crate) use for_af;

/// Spreads service keys, which only an administrator chooses. The high bits are spread best.
fn mix(words: impl Iterator<Item = u32>) -> u32 {
    words.fold(0x9e37_79b9, |sum: u32, word| {
        (sum.rotate_left(13) ^ word).wrapping_mul(0x85eb_ca6b)
    })
}

fn address_hash<F: InetFamily>(protocol: u16, at: &Endpoint<F>) -> u32 {
    let words = at.addr.as_ref().chunks(4).map(|word| {
        word.iter()
            .fold(0u32, |sum, byte| (sum << 8) | u32::from(*byte))
    });
    let last = u32::from(at.port) | (u32::from(protocol) << 16);
    mix(Iterator::chain(words, [last]))
}

/// The hash of a service's own key.
fn key_hash<F: InetFamily>(key: &ServiceKey) -> u32 {
    match *key {
        ServiceKey::Mark(mark) => mix([mark].into_iter()),
        ServiceKey::Address {
            protocol,
            addr,
            port,
        } => {
            let addr = F::from_ip(addr).unwrap_or(F::UNSPECIFIED);
            address_hash::<F>(protocol, &Endpoint { addr, port })
        }
    }
}

/// The number of a hash's bucket; `shift` is less than the number of bits.
#[inline(always)]
fn number(hash: u32, shift: u32) -> usize {
    (hash >> (shift & 31)) as usize
}

/// The first place of a hash that is not before `place`.
fn place_after(place: ServicePos, hash: u32) -> ServicePos {
    if place.0 == hash {
        place
    } else {
        (hash, 0)
    }
}

impl<F: InetFamily> AfState<F> {
    pub(crate) fn new(
        slab: Arc<Slab<Connection<F>>>,
        most_bits: u32,
        helper_port: Option<u16>,
    ) -> Self {
        Self {
            connections: SetOnce::new(),
            no_cport: NoCport::new(),
            queues: SetOnce::new(),
            services: RcuCell::empty(),
            reply_filter: ReplyFilter::new(),
            slab,
            most_bits,
            helper_port,
            bypass_dest: SetOnce::new(),
            marked: Word::new(0),
            plain: Word::new(0),
            ftp: Word::new(0),
            any_port: Word::new(0),
            app_services: Word::new(0),
            engines: Word::new(0),
        }
    }

    /// Makes the connection table, if it is not there yet (C-5). Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` if the works that see to it were not made before.
    pub(crate) fn open(&self, lfactor: i32) -> Result {
        if self.connections.as_ref().is_some() {
            return Ok(());
        }
        let queues = self.queues.as_ref().ok_or(EINVAL)?;
        let connections = Connections::new(queues.clone(), lfactor, self.most_bits)?;
        self.connections.populate(connections);
        Ok(())
    }

    /// Creates the bypass destination, if it is not there yet. Process context.
    pub(crate) fn open_bypass_dest(&self, counting: &Counting) -> Result {
        if self.bypass_dest.as_ref().is_some() {
            return Ok(());
        }
        let service = ServiceId {
            family: F::FAMILY,
            key: ServiceKey::Mark(0),
        };
        let bypass_dest = DestinationSpec {
            id: DestinationId {
                addr: F::ip(F::UNSPECIFIED),
                port: 0,
            },
            method: ForwardMethod::BYPASS,
            weight: 1,
            upper: 0,
            lower: 0,
            tunnel: TunnelSpec::default(),
        };
        self.bypass_dest.populate(Destination::new(
            counting,
            &service,
            Destination::NO_SERVICE,
            &bypass_dest,
        )?);
        Ok(())
    }

    /// Finds the service that a packet belongs to (V-2).
    pub(crate) fn service<'g>(
        &'g self,
        rcu: Rcu<'g>,
        net: &Net,
        mark: u32,
        protocol: u8,
        at: &Endpoint<F>,
    ) -> Option<&'g Service<F>> {
        if mark != 0 && self.marked.load() != 0 {
            let key = ServiceKey::Mark(mark);
            if let Some(service) = self.find(rcu, mix([mark].into_iter()), |s| s.id.key == key) {
                return Some(service);
            }
        }
        if self.plain.load() == 0 {
            return None;
        }
        let by_port = |port: u16| {
            let at = Endpoint::<F> {
                addr: at.addr,
                port,
            };
            let hash = address_hash::<F>(protocol.into(), &at);
            self.find(rcu, hash, |s| s.is_at(protocol, &at))
        };
        if let Some(service) = by_port(at.port) {
            return Some(service);
        }
        let may_be_data =
            || at.port == FTP_DATA_PORT || u32::from(at.port) >= net.unprivileged_port_start();
        if protocol == TCP && self.ftp.load() != 0 && may_be_data() {
            if let Some(service) = by_port(FTP_PORT) {
                return Some(service);
            }
        }
        if self.any_port.load() != 0 {
            return by_port(0);
        }
        None
    }

    fn find<'g>(
        &'g self,
        rcu: Rcu<'g>,
        hash: u32,
        is: impl Fn(&Service<F>) -> bool,
    ) -> Option<&'g Service<F>> {
        Some(&**self.find_shared(rcu, hash, is)?)
    }

    fn find_shared<'g>(
        &'g self,
        rcu: Rcu<'g>,
        hash: u32,
        is: impl Fn(&Service<F>) -> bool,
    ) -> Option<&'g RcuArc<Service<F>>> {
        let services = self.services.get(rcu)?;
        let bucket = services.bucket(hash)?.get(rcu)?;
        bucket.iter().find(|service| is(service))
    }

    /// Finds a service by its own key.
    pub(crate) fn by_id<'g>(
        &'g self,
        rcu: Rcu<'g>,
        id: &ServiceId,
    ) -> Option<&'g RcuArc<Service<F>>> {
        self.find_shared(rcu, key_hash::<F>(&id.key), |s| s.id == *id)
    }

    /// Returns how many services there are.
    pub(crate) fn count(&self) -> usize {
        (self.marked.load() as usize).saturating_add(self.plain.load() as usize)
    }

    /// Calls `visit` for each service from a place on, in the order of places, until it returns
    /// `false`.
    pub(crate) fn each<'g>(
        &'g self,
        rcu: Rcu<'g>,
        from: ServicePos,
        mut visit: impl FnMut(ServicePos, &'g RcuArc<Service<F>>) -> bool,
    ) {
        let Some(services) = self.services.get(rcu) else {
            return;
        };
        let first = services.number(from.0);
        let mut place = (0, 0);
        for bucket in services.buckets.iter().skip(first) {
            for service in bucket.get(rcu).into_iter().flat_map(|list| list.iter()) {
                place = place_after(place, key_hash::<F>(&service.id.key));
                if place >= from && !visit(place, service) {
                    return;
                }
                place.1 = place.1.saturating_add(1);
            }
        }
    }

    /// Returns how many services are in each bucket, from one on.
    pub(crate) fn lengths<'g>(
        &'g self,
        rcu: Rcu<'g>,
        from: usize,
    ) -> impl Iterator<Item = usize> + 'g {
        let services = self.services.get(rcu);
        let buckets = services.and_then(|services| services.buckets.get(from..));
        let buckets = buckets.unwrap_or(&[]).iter();
        buckets.map(move |bucket| bucket.get(rcu).map_or(0, |list| list.len()))
    }

    /// All services in their order, each with a reference, and one more where it belongs. Process
    /// context, with `cond_resched()` in between; the caller keeps others from changing them.
    fn all(&self, more: Option<RcuArc<Service<F>>>) -> Result<KVVec<RcuArc<Service<F>>>> {
        let room = self.count().saturating_add(1);
        let mut list = KVVec::with_capacity(room, GFP_KERNEL)?;
        let mut more = more.map(|service| (key_hash::<F>(&service.id.key), service));
        let mut from = Some((0, 0));
        while let Some(place) = from.take() {
            let mut left = PAGE;
            crate::kapi::rcu::read(|rcu| {
                self.each(rcu, place, |place, service| {
                    if left == 0 {
                        from = Some(place);
                        return false;
                    }
                    left = left.saturating_sub(1);
                    if let Some((_, more)) = more.take_if(|(own, _)| *own < place.0) {
                        list.push_within_capacity(more).ok();
                    }
                    list.push_within_capacity(service.clone()).is_ok()
                })
            });
            time::give_way();
        }
        if let Some((_, more)) = more {
            list.push(more, GFP_KERNEL)?;
        }
        Ok(list)
    }

    /// Puts a service in the table. The caller made sure that it is new.
    pub(crate) fn add(
        &self,
        _: &mut ConfigHeld,
        service: RcuArc<Service<F>>,
        lfactor: i32,
    ) -> Result {
        let key = service.id.key;
        if let Some(size) = self.wanted_size(1, lfactor, false) {
            let all = self.all(Some(service))?;
            self.services.replace_large(Some(Services::of(all, size)?));
        } else {
            let hash = key_hash::<F>(&key);
            self.change_bucket(hash, |list, copy| {
                let before = list.partition_point(|other| key_hash::<F>(&other.id.key) <= hash);
                let (before, after) = list.split_at_checked(before).unwrap_or((list, &[]));
                for list in [before, core::slice::from_ref(&service), after] {
                    for other in list {
                        copy.push_within_capacity(other.clone()).ok();
                    }
                }
            })?;
        }
        self.reply_filter.add_service(&key);
        self.count_gates(&key, true);
        Ok(())
    }

    /// Takes a service out of the table.
    pub(crate) fn remove(
        &self,
        held: &mut ConfigHeld,
        service: &RcuArc<Service<F>>,
        lfactor: i32,
    ) -> Result {
        let key = service.id.key;
        self.change_bucket(key_hash::<F>(&key), |list, copy| {
            for other in list.iter().filter(|other| !other.same(service)) {
                copy.push_within_capacity(other.clone()).ok();
            }
        })?;
        self.count_gates(&key, false);
        // Without memory it stays as large as it is.
        self.fit_services(held, lfactor, false).ok();
        Ok(())
    }

    /// Gives the table of services the size that they ask for (V-7).
    pub(crate) fn fit_services(&self, _: &mut ConfigHeld, lfactor: i32, changed: bool) -> Result {
        if self.count() == 0 {
            self.services.replace_large(None);
        } else if let Some(size) = self.wanted_size(0, lfactor, changed) {
            self.services
                .replace_large(Some(Services::of(self.all(None)?, size)?));
        }
        Ok(())
    }

    /// Returns how many buckets the table of services should have with so many more of them, where
    /// it has another number.
    fn wanted_size(&self, more: usize, lfactor: i32, changed: bool) -> Option<usize> {
        let services = self.count().saturating_add(more);
        let size =
            crate::kapi::rcu::read(|rcu| self.services.get(rcu).map_or(0, |now| now.buckets.len()));
        let bits = size.checked_ilog2().unwrap_or(0);
        let (least, most) = SERVICE_BITS;
        let wanted = sizing::wanted_bits(services, lfactor, bits, least, most, changed);
        let wanted = 1usize << wanted;
        (wanted != size).then_some(wanted)
    }

    /// Publishes a changed copy of a bucket, which has room for one more service.
    fn change_bucket(
        &self,
        hash: u32,
        change: impl FnOnce(&[RcuArc<Service<F>>], &mut KVec<RcuArc<Service<F>>>),
    ) -> Result {
        let len = crate::kapi::rcu::read(|rcu| {
            let bucket = self.services.get(rcu)?.bucket(hash)?;
            Some(bucket.get(rcu).map_or(0, |list| list.len()))
        });
        let room = len.ok_or(EINVAL)?.saturating_add(1);
        let mut copy = RcuBox::new(KVec::with_capacity(room, GFP_KERNEL)?, GFP_KERNEL)?;
        crate::kapi::rcu::read(|rcu| {
            let bucket = self.services.get(rcu)?.bucket(hash)?;
            change(bucket.get(rcu).map_or(&[], |list| list), copy.value_mut());
            bucket.replace(Some(copy));
            Some(())
        })
        .ok_or(EINVAL)
    }

    /// Returns whether a service has a persistence engine.
    #[inline(always)]
    pub(crate) fn has_engines(&self) -> bool {
        self.engines.load() != 0
    }

    /// Returns if there is a service of the helper's port.
    pub(crate) fn has_app_service(&self) -> bool {
        self.app_services.load() != 0
    }

    /// Counts a service that gets or loses its persistence engine.
    pub(crate) fn count_engine(&self, _: &mut ConfigHeld, before: bool, now: bool) {
        let others = self.engines.load().saturating_sub(before.into());
        self.engines.store(others.saturating_add(now.into()));
    }

    fn count_gates(&self, key: &ServiceKey, more: bool) {
        let step = |word: &Word<u32>| {
            let now = word.load();
            word.store(if more {
                now.saturating_add(1)
            } else {
                now.saturating_sub(1)
            });
        };
        match *key {
            ServiceKey::Mark(_) => step(&self.marked),
            ServiceKey::Address { port, .. } => {
                step(&self.plain);
                if port == FTP_PORT {
                    step(&self.ftp);
                }
                if port == 0 {
                    step(&self.any_port);
                }
                if Some(port) == self.helper_port {
                    step(&self.app_services);
                }
            }
        }
    }
}

impl<F: InetFamily> Services<F> {
    /// A table of `size` buckets, a power of two, with `all`, which are in their order, in it.
    fn of(all: KVVec<RcuArc<Service<F>>>, size: usize) -> Result<RcuBox<Self>> {
        let mut lists = KVVec::with_capacity(size, GFP_KERNEL)?;
        for _ in 0..size {
            lists.push(KVec::new(), GFP_KERNEL)?;
        }
        let shift = u32::BITS.saturating_sub(size.trailing_zeros());
        for service in all {
            let hash = key_hash::<F>(&service.id.key);
            let list: Option<&mut KVec<_>> = lists.get_mut(number(hash, shift));
            list.ok_or(EINVAL)?.push(service, GFP_KERNEL)?;
        }
        let mut buckets = KVVec::with_capacity(size, GFP_KERNEL)?;
        for list in lists {
            let bucket = if list.is_empty() {
                RcuCell::empty()
            } else {
                RcuCell::new(RcuBox::new(list, GFP_KERNEL)?)
            };
            buckets.push(bucket, GFP_KERNEL)?;
        }
        Ok(RcuBox::new(Self { buckets, shift }, GFP_KERNEL)?)
    }

    /// The number of a hash's bucket.
    #[inline(always)]
    fn number(&self, hash: u32) -> usize {
        number(hash, self.shift)
    }

    #[inline(always)]
    fn bucket(&self, hash: u32) -> Option<&Bucket<F>> {
        self.buckets.get(self.number(hash))
    }
}

/// An address family, with which of the two states of a namespace is its own.
pub(crate) trait HasAfState: InetFamily {
    /// Returns the state of this family.
    fn af_state<'a>(v4: &'a AfState<V4>, v6: &'a AfState<V6>) -> &'a AfState<Self>;
}

impl HasAfState for V4 {
    #[inline(always)]
    fn af_state<'a>(v4: &'a AfState<V4>, _: &'a AfState<V6>) -> &'a AfState<Self> {
        v4
    }
}

impl HasAfState for V6 {
    #[inline(always)]
    fn af_state<'a>(_: &'a AfState<V4>, v6: &'a AfState<V6>) -> &'a AfState<Self> {
        v6
    }
}
