// SPDX-License-Identifier: GPL-2.0

//! Configuration, the part of [`NetnsIpvs`] that changes services and destinations
//! (behaviour.rst 2, 11).
//!
//! Process context. Changes are made under the configuration mutex. A request either succeeds or
//! leaves everything unchanged.

use crate::{
    director::{
        conn::InetFamily,
        dest::{
            ConfigHeld,
            Destination,
            RsTable, //
            TrashNode,
        },
        netns::{
            ConfigState,
            NetnsIpvs, //
        },
        service::{
            for_af,
            AfState,
            Expirations,
            Service,
            SvcOptions, //
        },
    },
    kapi::{
        net::Net,
        shared::RcuArc,
        time, //
    },
    logic::{
        config::{
            AddressFamily,
            AdminTimeouts,
            ConfigError,
            DestinationId,
            DestinationSpec,
            EngineName,
            Errno,
            ForwardMethod,
            Ip,
            ServiceId,
            ServiceSpec,
            TunnelChange, //
        },
        engine::Engine,
        own_options::OwnOptions,
        request,
        ripvs::ConfigEvent,
        sched::Scheduler, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Maps any error to that for lack of memory, where no other can occur.
pub(super) fn memory<T>(result: Result<T>) -> Result<T, ConfigError> {
    result.map_err(|_| ConfigError::NO_MEMORY)
}

impl<F: InetFamily> AfState<F> {
    /// Adds a service (G-18). The caller has registered the hooks.
    fn add_service(
        &self,
        config: &mut ConfigState,
        spec: &ServiceSpec,
        serial: u64,
        options: SvcOptions,
        (lfactor, frozen): (i32, bool),
        expirations: Arc<Expirations>,
    ) -> Result {
        let service = Service::new(spec.id, serial, options, expirations)?;
        service.freeze(&mut config.held, frozen);
        self.add(&mut config.held, service, lfactor)?;
        self.count_engine(&mut config.held, false, options.engine.is_some());
        Ok(())
    }

    /// Deletes a service and moves its destinations to the trash.
    fn delete_service(
        &self,
        ipvs: &NetnsIpvs,
        config: &mut ConfigState,
        service: &RcuArc<Service<F>>,
    ) -> Result {
        let destinations = service.destinations()?;
        let mut nodes = KVVec::with_capacity(destinations.len(), GFP_KERNEL)?;
        for _ in 0..destinations.len() {
            nodes.push(TrashNode::new()?, GFP_KERNEL)?;
        }
        self.remove(&mut config.held, service, ipvs.settings.svc_lfactor.load());
        let had = service.options();
        self.count_engine(&mut config.held, had.engine.is_some(), false);
        if self.count_fast(&mut config.held, &had.own, &OwnOptions::NONE) {
            ipvs.fast_path.arrange();
        }
        for (destination, node) in destinations.into_iter().zip(nodes) {
            ipvs.move_to_trash(&mut config.held, node, destination);
        }
        service.clear();
        Ok(())
    }
}

/// Adds a destination to the table of real servers and to its service. On an error it is in
/// neither.
fn insert_dest<F: InetFamily>(
    held: &mut ConfigHeld,
    rs_table: &RsTable,
    service: &Service<F>,
    destination: RcuArc<Destination>,
) -> Result {
    rs_table.insert(held, &destination)?;
    let known = destination.clone();
    let result = service.add(held, destination);
    if result.is_err() {
        rs_table.remove(held, &known);
    }
    result
}

/// Returns the scheduler of a specification; `none` is a service without one (V-18).
fn scheduler(spec: &ServiceSpec) -> Result<Option<Scheduler>, ConfigError> {
    let name = spec.scheduler.as_bytes();
    if name == b"none" {
        return Ok(None);
    }
    match Scheduler::by_name(name) {
        Some(scheduler) => Ok(Some(scheduler)),
        None => Err(ConfigError::new(Errno::NoEntry, c"no such scheduler")),
    }
}

/// Checks the options of a new service, in the order of C IPVS (G-18).
pub(super) fn check_options(spec: &ServiceSpec) -> Result<Option<Scheduler>, ConfigError> {
    let scheduler = scheduler(spec)?;
    let known = |name: EngineName| Engine::by_name(name.as_bytes()).is_some();
    if !spec.engine.is_none_or(known) {
        return Err(ConfigError::new(
            Errno::NoEntry,
            c"no such persistence engine",
        ));
    }
    request::check_netmask(spec)?;
    if !spec.own.fits(time::HZ) {
        return Err(ConfigError::new(
            Errno::Invalid,
            c"a timeout of the service is too long",
        ));
    }
    Ok(scheduler)
}

/// Checks that a scheduler can handle the number of destinations (D-16).
pub(super) fn check_count(
    scheduler: Option<Scheduler>,
    destinations: usize,
) -> Result<(), ConfigError> {
    match scheduler {
        Some(scheduler) if destinations > scheduler.needs().most => Err(ConfigError::new(
            Errno::Invalid,
            c"the scheduler's table has no room for so many destinations",
        )),
        _ => Ok(()),
    }
}

/// Checks that a destination's address is unicast or local.
pub(super) fn check_address(net: &Net, id: &DestinationId) -> Result<(), ConfigError> {
    let usable = match id.addr {
        Ip::V4(addr) => net.is_usable_v4(addr),
        Ip::V6(addr) => net.is_usable_v6(addr),
    };
    usable.then_some(()).ok_or(ConfigError::new(
        Errno::Invalid,
        c"the destination's address is neither unicast nor local",
    ))
}

/// Checks that a destination of the other family uses a tunnel, and that no sync daemon runs
/// (V-10).
pub(super) fn check_families(
    ipvs: &NetnsIpvs,
    id: &ServiceId,
    spec: &DestinationSpec,
) -> Result<(), ConfigError> {
    let family = spec.id.addr.family();
    if family == id.family {
        return Ok(());
    }
    if ipvs.daemons.is_any() {
        return Err(ConfigError::new(
            Errno::Invalid,
            c"a destination of another address family cannot be synchronised: a daemon runs",
        ));
    }
    if spec.method == ForwardMethod::TUNNEL {
        return Ok(());
    }
    Err(ConfigError::new(
        Errno::Invalid,
        c"a destination of another address family needs the tunnel method",
    ))
}

impl NetnsIpvs {
    /// Adds a service.
    pub(crate) fn add_service(self: &Arc<Self>, spec: &ServiceSpec) -> Result<(), ConfigError> {
        let mut config = self.config.lock();
        if !config.open {
            return Err(ConfigError::CLOSED);
        }
        let id = &spec.id;
        if for_af!(self, id.family, af => af.get(id).is_ok()) {
            return Err(ConfigError::SERVICE_EXISTS);
        }
        let options = SvcOptions::of(spec, check_options(spec)?, 0);
        let result = self.prepare(&mut config, id.family).and_then(|()| {
            let lfactor = self.settings.svc_lfactor.load();
            let expirations = self.settings.expirations.clone();
            config.serial = config.serial.wrapping_add(1);
            let serial = config.serial;
            let numbers = (lfactor, self.settings.is_frozen());
            for_af!(self, id.family, af => {
                af.add_service(&mut config, spec, serial, options, numbers, expirations)
            })
        });
        if result.is_ok() {
            for_af!(self, id.family, af => {
                if let Ok(service) = af.get(id) {
                    self.record(&mut config, ConfigEvent::NewService(&service.outline()));
                }
            });
        }
        self.queue_defense();
        if options.needs().lblc {
            self.evict_later();
        }
        let unused = self.unneeded_hooks(&mut config, id.family);
        drop(config);
        drop(unused);
        memory(result)
    }

    /// Sets `backup_only` (H-8).
    pub(crate) fn set_backup_only(&self, value: i32) -> Result {
        self.settings.sync.backup_only.store(value);
        self.fit_hooks()
    }

    /// Sets the load factor of the service tables (V-7).
    pub(crate) fn set_svc_lfactor(&self, value: i32) -> Result {
        let mut config = self.config.lock();
        self.settings.svc_lfactor.store(value);
        self.v4.fit_services(&mut config.held, value, true)?;
        self.v6.fit_services(&mut config.held, value, true)
    }

    /// Changes the options of a service (V-17).
    pub(crate) fn edit_service(&self, spec: &ServiceSpec) -> Result<(), ConfigError> {
        let mut config = self.config.lock();
        for_af!(self, spec.id.family, af => {
            let service = af.get(&spec.id)?;
            let scheduler = check_options(spec)?;
            check_count(scheduler, service.count())?;
            let before = service.options();
            let spec = ServiceSpec { own: before.own, ..*spec };
            let options = SvcOptions::of(&spec, scheduler, before.flags);
            memory(service.set_options(&mut config.held, options))?;
            af.count_engine(&mut config.held, before.engine.is_some(), options.engine.is_some());
            if options.needs().lblc {
                self.evict_later();
            }
            self.record(&mut config, ConfigEvent::SetService(&service.outline()));
            Ok(())
        })
    }

    /// Deletes a service. Its connections stay, without an available destination (V-19).
    pub(crate) fn delete_service(&self, id: &ServiceId) -> Result<(), ConfigError> {
        let mut config = self.config.lock();
        let result = for_af!(self, id.family, af => {
            let service = af.get(id)?;
            memory(af.delete_service(self, &mut config, &service))
        });
        if result.is_ok() {
            self.record(&mut config, ConfigEvent::DelService(id));
        }
        let unused_v4 = self.unneeded_hooks(&mut config, AddressFamily::V4);
        let unused_v6 = self.unneeded_hooks(&mut config, AddressFamily::V6);
        let tracking = self.unneeded_tracking(&mut config, id.family);
        drop(config);
        drop((unused_v4, unused_v6, tracking));
        result
    }

    /// Deletes all services (L-11).
    ///
    /// # Errors
    ///
    /// Out of memory: some services are left, and the caller may flush again.
    pub(crate) fn flush(&self) -> Result<(), ConfigError> {
        let mut config = self.config.lock();
        let mut done = Ok(());
        for family in [AddressFamily::V4, AddressFamily::V6] {
            for_af!(self, family, af => {
                let mut left = usize::MAX;
                while (1..left).contains(&af.count()) {
                    left = af.count();
                    let deleted = af.each_paged((0, 0), |_, service| {
                        af.delete_service(self, &mut config, service).ok();
                        true
                    });
                    deleted.ok();
                }
                if af.count() != 0 {
                    done = Err(ConfigError::NO_MEMORY);
                }
            });
        }
        self.record(&mut config, ConfigEvent::Flush);
        let unused_v4 = self.unneeded_hooks(&mut config, AddressFamily::V4);
        let unused_v6 = self.unneeded_hooks(&mut config, AddressFamily::V6);
        let tracking_v4 = self.unneeded_tracking(&mut config, AddressFamily::V4);
        let tracking_v6 = self.unneeded_tracking(&mut config, AddressFamily::V6);
        drop(config);
        drop((unused_v4, unused_v6, tracking_v4, tracking_v6));
        done
    }

    /// Deletes all services and the trash, in the teardown of the namespace.
    pub(crate) fn flush_for_good(&self) {
        // Without memory, the rest is freed with the namespace's state.
        self.flush().ok();
        self.end_connections();
        self.trash.lock().clear();
        // The state is freed after the namespace's devices, which wait for the routes.
        self.forget_routes();
    }

    /// Adds a destination (G-17).
    pub(crate) fn add_destination(
        self: &Arc<Self>,
        net: &Net,
        id: &ServiceId,
        spec: &DestinationSpec,
    ) -> Result<(), ConfigError> {
        let mut config = self.config.lock();
        for_af!(self, id.family, af => {
            let service = af.get(id)?;
            check_families(self, id, spec)?;
            af.reply_filter.add(spec.id.addr);
            if service.destination(&spec.id).is_some() {
                return Err(ConfigError::DESTINATION_EXISTS);
            }
            let family = spec.id.addr.family();
            self.track_for_helper(&mut config, id, spec.method);
            let own = service.options().own;
            let revived = self.trash.lock().revive(id, &spec.id);
            if let Some((node, destination)) = revived {
                if let Err(error) = self.prepare_dest(&mut config, id.family, family) {
                    self.move_to_trash(&mut config.held, node, destination);
                    return memory(Err(error));
                }
                destination.revive(&mut config.held, service.serial, spec, &own);
                destination.freeze(self.settings.is_frozen());
                let known = destination.clone();
                let result = insert_dest(&mut config.held, &self.rs_table, &service, known);
                match result {
                    Ok(()) => {
                        let outline = destination.outline();
                        self.record(&mut config, ConfigEvent::NewDest(id, &outline));
                    }
                    // The destination from the trash was not added, so it goes back.
                    Err(_) => self.move_to_trash(&mut config.held, node, destination),
                }
                return memory(result);
            }
            check_address(net, &spec.id)?;
            memory(self.prepare_dest(&mut config, id.family, family))?;
            let new = Destination::new(&self.counting, id, service.serial, spec, &own);
            let destination = memory(new)?;
            destination.freeze(self.settings.is_frozen());
            let outline = destination.outline();
            let result = insert_dest(&mut config.held, &self.rs_table, &service, destination);
            memory(result)?;
            self.record(&mut config, ConfigEvent::NewDest(id, &outline));
            Ok(())
        })
    }

    /// Changes a destination (V-14). `spec` has no tunnel options; `tunnel` has those to change.
    pub(crate) fn edit_destination(
        &self,
        id: &ServiceId,
        mut spec: DestinationSpec,
        tunnel: TunnelChange,
    ) -> Result<(), ConfigError> {
        let mut config = self.config.lock();
        for_af!(self, id.family, af => {
            let service = af.get(id)?;
            check_families(self, id, &spec)?;
            let destination = service.destination(&spec.id).ok_or(ConfigError::NO_DESTINATION)?;
            self.track_for_helper(&mut config, id, spec.method);
            spec.tunnel = tunnel.of(destination.tunnel())?;
            let edit = |held: &mut ConfigHeld| service.edit(held, &destination, &spec);
            memory(self.rs_table.change(&mut config.held, &destination, &spec, edit))?;
            self.record(&mut config, ConfigEvent::SetDest(id, &destination.outline()));
            Ok(())
        })
    }

    /// Deletes a destination (V-11).
    pub(crate) fn delete_destination(
        &self,
        id: &ServiceId,
        destination: &DestinationId,
    ) -> Result<(), ConfigError> {
        let mut config = self.config.lock();
        for_af!(self, id.family, af => {
            let service = af.get(id)?;
            let destination = service.destination(destination).ok_or(ConfigError::NO_DESTINATION)?;
            let node = memory(TrashNode::new())?;
            memory(service.remove(&mut config.held, &destination))?;
            let outline = destination.outline();
            let family = destination.id.addr.family();
            self.move_to_trash(&mut config.held, node, destination);
            self.record(&mut config, ConfigEvent::DelDest(id, &outline));
            let unused = self.unneeded_hooks(&mut config, family);
            drop(config);
            drop(unused);
            Ok(())
        })
    }

    /// Moves a destination that was removed from its service to the trash (V-11).
    fn move_to_trash(
        &self,
        held: &mut ConfigHeld,
        node: TrashNode,
        destination: RcuArc<Destination>,
    ) {
        self.put_into_trash(held, node, destination);
        self.trash_filled();
    }

    /// Moves a destination to the trash as [`move_to_trash`](Self::move_to_trash) does;
    /// [`trash_filled`](Self::trash_filled) must follow, once for many.
    pub(super) fn put_into_trash(
        &self,
        held: &mut ConfigHeld,
        node: TrashNode,
        destination: RcuArc<Destination>,
    ) {
        destination.set_available(held, false);
        destination.end_drain(held);
        self.rs_table.remove(held, &destination);
        self.expire_nodest(&destination);
        self.trash.lock().insert(node, destination);
    }

    /// Queues the work that empties the trash.
    pub(super) fn trash_filled(&self) {
        self.empty_trash_later();
    }

    /// Returns the timeouts that `IPVS_CMD_SET_CONFIG` can set.
    pub(crate) fn timeouts(&self) -> AdminTimeouts {
        self.timeouts.view()
    }

    /// Sets timeouts, in seconds. Absent and zero values leave the present ones (G-14).
    pub(crate) fn set_timeouts(&self, tcp: Option<u32>, tcp_fin: Option<u32>, udp: Option<u32>) {
        let mut config = self.config.lock();
        self.timeouts.set(&mut config.held, tcp, tcp_fin, udp);
        self.record(&mut config, ConfigEvent::Timeouts(self.timeouts.view()));
    }
}
