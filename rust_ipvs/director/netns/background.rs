// SPDX-License-Identifier: GPL-2.0

//! Background works of a namespace, with the part of [`NetnsIpvs`] that creates them.
//!
//! - `Expiry` removes expired connections; 4 times a second while there is a connection.
//! - `Resize` resizes the connection table; if queued.
//! - `ExpireNodest` removes connections to deleted destinations; if queued.
//! - `UpdateDefense` updates the defense level and drops connections; once a second while a defense
//!   is set.
//! - `EmptyTrash` drops deleted destinations; once a minute while there is one.
//! - `Evict` evicts entries of `lblc` and `lblcr`; once a minute while there is such a scheduler.
//! - `DrainWork` ends drains; 4 times a second while there is one.
//! - `TellOverload` tells of OVERLOAD flags that have changed; if queued.
//! - `defragment` enables the kernel's defragmentation of IPv6; once.
//!
//! The first three exist for each address family. No work waits for another. All but `Resize` run
//! for less than a millisecond at a time. None is queued in a namespace without services and
//! connections.
//!
//! # Locks
//!
//! No work takes the configuration mutex, [`NetnsIpvs::config`], except `defragment`, which runs
//! once, and `DrainWork` and `TellOverload`, whose events have an order with the changes. The last
//! two may wait for a large transaction. They take the following locks, one at a time and for a
//! short time. The order is
//!
//! - the mutex of the daemons' state, then `config`, then [`NetnsIpvs::defense_lock`],
//!   [`NetnsIpvs::trash`], or the mutex of a service or destination;
//! - inside of all of those the lock of a shard of a connection table, then that of a sync queue.
//!
//! # Teardown
//!
//! [`NetnsIpvs::stop`](crate::director::netns::pernet) drops the works, in any order and without a
//! lock. Each is disabled and waited for, so none runs after that, and queueing it has no effect.

use super::{
    defense::UpdateDefense,
    drain::DrainWork,
    expiry::{
        Expiry,
        MOST_PARTS, //
    },
    housekeeping::{
        self,
        EmptyTrash,
        Evict, //
    },
    nodest::ExpireNodest,
    overload::TellOverload,
    queues::Queues,
    resize::Resize,
    ConfigState,
    NetnsIpvs, //
};
use crate::{
    director::{
        conn::{
            AfQueues,
            InetFamily, //
        },
        service::{
            for_af,
            AfState, //
        },
    },
    kapi::{
        cpus,
        work::{
            PeriodicWork,
            Process,
            WorkHandle, //
        },
    },
    logic::{
        config::AddressFamily,
        sizing, //
    },
};
use kernel::{
    prelude::*,
    static_lock_class,
    sync::{
        Arc,
        LockClassKey, //
    },
};

/// Name and lockdep class of a work: each kind of work takes other locks.
type WorkClass = (&'static CStr, Pin<&'static LockClassKey>);

/// Works of a namespace while they are created.
struct Works<'a> {
    ipvs: &'a Arc<NetnsIpvs>,
    works: KVec<PeriodicWork>,
}

impl Works<'_> {
    /// Creates a work that calls `run` with the state of its namespace. `class` is for lockdep.
    fn add<R>(&mut self, (name, class): WorkClass, mut run: R) -> Result<WorkHandle>
    where
        R: FnMut(&NetnsIpvs, &Process) -> Option<u32> + Send + 'static,
    {
        let ipvs = self.ipvs.clone();
        let run = move |process: &Process| run(&ipvs, process);
        let work = PeriodicWork::new(name, class, run)?;
        let handle = work.handle();
        self.works.push(work, GFP_KERNEL)?;
        Ok(handle)
    }

    /// Creates the works of an address family.
    fn add_family<F: InetFamily>(
        &mut self,
        af: fn(&NetnsIpvs) -> &AfState<F>,
    ) -> Result<Arc<AfQueues>> {
        let parts = cpus::possible()
            .take(MOST_PARTS)
            .fold(0, |n: usize, _| n.saturating_add(1));
        let mut expiry = KVec::with_capacity(parts, GFP_KERNEL)?;
        for part in 0..parts {
            let mut work = Expiry::new(af, part, parts);
            let class = (c"ipvs_expire", static_lock_class!());
            let handle = self.add(class, move |ipvs, process| work.run(ipvs, process))?;
            expiry.push(handle, GFP_KERNEL)?;
        }
        let mut resize = Resize::new(af);
        let mut nodest = ExpireNodest::new(af);
        let class = (c"ipvs_resize", static_lock_class!());
        let resize = self.add(class, move |ipvs, process| resize.run(ipvs, process))?;
        let class = (c"ipvs_expire_nodest", static_lock_class!());
        let expire_nodest = self.add(class, move |ipvs, process| nodest.run(ipvs, process))?;
        let queues = AfQueues {
            expiry,
            resize,
            expire_nodest,
        };
        Ok(Arc::new(queues, GFP_KERNEL)?)
    }
}

impl NetnsIpvs {
    /// Creates the works, if they do not exist yet.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also after the start of the teardown.
    fn background(self: &Arc<Self>, config: &mut ConfigState) -> Result<&Queues> {
        if !config.open {
            return Err(ENOMEM);
        }
        if config.works.is_empty() {
            let mut works = Works {
                ipvs: self,
                works: KVec::new(),
            };
            let (mut defense, mut trash) = (UpdateDefense::new(), EmptyTrash::default());
            let mut evict = Evict::default();
            let (mut drain, mut overload) = (DrainWork::default(), TellOverload::default());
            let v4 = works.add_family(|ipvs| &ipvs.v4)?;
            let v6 = works.add_family(|ipvs| &ipvs.v6)?;
            let class = (c"ipvs_defense", static_lock_class!());
            let defense = works.add(class, move |ipvs, process| defense.run(ipvs, process))?;
            let class = (c"ipvs_trash", static_lock_class!());
            let trash = works.add(class, move |ipvs, process| trash.run(ipvs, process))?;
            let class = (c"ipvs_evict", static_lock_class!());
            let evict = works.add(class, move |ipvs, process| evict.run(ipvs, process))?;
            let class = (c"ipvs_defragment", static_lock_class!());
            let defragment = works.add(class, housekeeping::defragment)?;
            let class = (c"ipvs_drain", static_lock_class!());
            let drain = works.add(class, move |ipvs, process| drain.run(ipvs, process))?;
            let class = (c"ipvs_overload", static_lock_class!());
            let overload = works.add(class, move |ipvs, process| overload.run(ipvs, process))?;
            let queues = Queues {
                defense,
                trash,
                evict,
                drain,
                defragment,
            };
            config.works = works.works;
            self.v4.queues.populate(v4);
            self.v6.queues.populate(v6);
            self.queues.populate(queues);
            self.counting.overloads.set_work(overload);
        }
        self.queues.as_ref().ok_or(ENOMEM)
    }

    /// Creates the connection table of a family and its works, if they do not exist yet.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also after the start of the teardown.
    pub(crate) fn open_family(
        self: &Arc<Self>,
        config: &mut ConfigState,
        family: AddressFamily,
    ) -> Result {
        let queues = self.background(config)?;
        let lfactor = sizing::of_connections(self.settings.conn_lfactor.load());
        for_af!(self, family, af => af.open(lfactor))?;
        if self.fragments.is_to_arrange() {
            queues.defragment.queue(0);
        }
        Ok(())
    }
}
