// SPDX-License-Identifier: GPL-2.0

//! Carries out a transaction. Nothing here allocates memory or fails.
//!
//! Additions come before deletions, so that a packet finds a service or a real server that it
//! would have found before, or will find after. Each service changes in one step.

use super::prepare::{
    Deleted,
    FamilyTransaction,
    NextService,
    ServiceChange,
    Transaction, //
};
use crate::{
    director::{
        conn::InetFamily,
        dest::{
            ConfigHeld,
            Destination,
            TrashNode, //
        },
        netns::{
            ConfigState,
            NetnsIpvs, //
        },
        service::AfState, //
    },
    kapi::{
        shared::RcuArc,
        time, //
    },
    logic::{
        own_options::OwnOptions,
        ripvs::ConfigEvent, //
    },
};
use kernel::prelude::*;

impl NetnsIpvs {
    /// Brings destinations to life that a service is to get. No packet finds them yet, except for
    /// those that have connections.
    fn admit<F: InetFamily>(
        &self,
        af: &AfState<F>,
        config: &mut ConfigState,
        change: &ServiceChange<F>,
    ) {
        let held = &mut config.held;
        let frozen = self.settings.is_frozen();
        for one in &change.added {
            af.reply_filter.add(one.spec.id.addr);
            if one.node.is_some() {
                one.destination
                    .revive(held, change.service.serial, &one.spec, &change.own.1);
            }
            one.destination.freeze(frozen);
            if let Some(drain) = &one.drain {
                one.destination.begin_drain(held, drain);
            }
            // There is room for it.
            self.rs_table.insert(held, &one.destination).ok();
        }
        for (_, spec) in &change.edited {
            af.reply_filter.add(spec.id.addr);
        }
    }

    /// Changes options and drains of destinations that stay. Does not sleep.
    fn edit_all<F: InetFamily>(&self, held: &mut ConfigHeld, change: &ServiceChange<F>) {
        for (destination, drain) in &change.drained {
            match drain {
                Some(drain) => destination.begin_drain(held, drain),
                None => destination.end_drain(held),
            }
        }
        for (destination, spec) in &change.edited {
            let edit = |held: &mut ConfigHeld| {
                destination.edit(held, spec);
                Ok(())
            };
            // There is room for it under its new key.
            self.rs_table.change(held, destination, spec, edit).ok();
        }
    }

    /// Moves removed destinations to the trash.
    fn discard(&self, held: &mut ConfigHeld, removed: KVVec<(TrashNode, RcuArc<Destination>)>) {
        if removed.is_empty() {
            return;
        }
        for (node, destination) in removed {
            self.put_into_trash(held, node, destination);
            time::give_way();
        }
        self.trash_filled();
    }

    /// Tells listeners of the changes of a service.
    fn announce_change<F: InetFamily>(&self, config: &mut ConfigState, change: &ServiceChange<F>) {
        let id = &change.service.id;
        let outline = change.service.outline();
        if change.is_new {
            self.announce(config, ConfigEvent::NewService(&outline));
        } else if change.is_set {
            self.announce(config, ConfigEvent::SetService(&outline));
        }
        for one in &change.added {
            let outline = one.destination.outline();
            self.announce(config, ConfigEvent::NewDest(id, &outline));
        }
        for (destination, _) in &change.edited {
            self.announce(config, ConfigEvent::SetDest(id, &destination.outline()));
        }
        let new = change.added.iter().filter(|one| one.drain.is_some());
        for destination in new.map(|one| &one.destination) {
            self.announce(config, ConfigEvent::Drain(id, &destination.outline()));
        }
        for (destination, drain) in &change.drained {
            let outline = destination.outline();
            self.announce(
                config,
                match drain {
                    Some(_) => ConfigEvent::Drain(id, &outline),
                    None => ConfigEvent::Undrain(id, &outline),
                },
            );
        }
        for (_, destination) in &change.removed {
            self.announce(config, ConfigEvent::DelDest(id, &destination.outline()));
        }
    }

    fn renew_service<F: InetFamily>(
        &self,
        af: &AfState<F>,
        config: &mut ConfigState,
        next: NextService<F>,
    ) {
        let NextService { renewal, change } = next;
        self.admit(af, config, &change);
        let service = &change.service;
        let edit = |held: &mut ConfigHeld| self.edit_all(held, &change);
        let come = change.added.iter().map(|one| &one.destination);
        let gone = change.removed.iter().map(|(_, destination)| destination);
        service.renew(&mut config.held, renewal, edit, come, gone);
        let (had, has) = &change.own;
        if had != has {
            service.set_own(&mut config.held, has);
        }
        if af.count_fast(&mut config.held, had, has) {
            self.fast_path.arrange();
        }
        if change.is_new {
            // There is room for it.
            af.add_reserved(&mut config.held, service).ok();
        }
        af.count_engine(&mut config.held, change.had_engine, change.has_engine);
        let specs = Iterator::chain(
            change.added.iter().map(|one| one.spec),
            change.edited.iter().map(|(_, spec)| *spec),
        );
        for spec in specs {
            self.track_for_helper(config, &service.id, spec.method);
        }
        let begun = change.drained.iter().filter(|(_, drain)| drain.is_some());
        let begun = begun.map(|(destination, _)| destination);
        let new = change.added.iter().filter(|one| one.drain.is_some());
        for destination in Iterator::chain(begun, new.map(|one| &one.destination)) {
            self.watch_drain(config, destination);
        }
        self.announce_change(config, &change);
        self.discard(&mut config.held, change.removed);
    }

    fn delete_service_of<F: InetFamily>(
        &self,
        af: &AfState<F>,
        config: &mut ConfigState,
        deleted: Deleted<F>,
    ) {
        let Deleted { service, removed } = deleted;
        self.announce(config, ConfigEvent::DelService(&service.id));
        let had = service.options();
        af.remove_reserved(&mut config.held, &service);
        af.count_engine(&mut config.held, had.engine.is_some(), false);
        if af.count_fast(&mut config.held, &had.own, &OwnOptions::NONE) {
            self.fast_path.arrange();
        }
        self.discard(&mut config.held, removed);
        service.clear();
    }
}

impl<F: InetFamily> FamilyTransaction<F> {
    fn commit(self, ipvs: &NetnsIpvs, af: &AfState<F>, config: &mut ConfigState) {
        for next in self.next {
            ipvs.renew_service(af, config, next);
            time::give_way();
        }
        for deleted in self.deleted {
            ipvs.delete_service_of(af, config, deleted);
            time::give_way();
        }
    }
}

impl Transaction {
    /// Makes the changes. Process context; calls `cond_resched()` between services.
    pub(super) fn commit(self, ipvs: &NetnsIpvs, config: &mut ConfigState) {
        let Self { v4, v6, has_lblc } = self;
        v4.commit(ipvs, &ipvs.v4, config);
        v6.commit(ipvs, &ipvs.v6, config);
        ipvs.release_tables(config);
        ipvs.queue_defense();
        if has_lblc {
            ipvs.evict_later();
        }
    }
}
