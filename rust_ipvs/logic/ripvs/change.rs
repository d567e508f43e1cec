// SPDX-License-Identifier: GPL-2.0

//! [`ConfigChange`]: one of the changes that are made together.

use super::{
    super::{
        config::{
            AddressFamily,
            ConfigError,
            DestinationId,
            DestinationSpec,
            EngineName,
            ForwardMethod,
            SchedulerName,
            ServiceId,
            ServiceSpec,
            TunnelChange,
            TunnelSpec, //
        },
        drain::DrainSpec,
        nlattr::Attributes,
        request, //
    },
    drain,
    fields::{
        each,
        invalid,
        set,
        u8,
        DestFields,
        SvcFields, //
    },
    own::OwnEdit,
    uapi::{
        change_attr,
        change_op,
        msg_attr, //
    },
};

/// Options of a service to change; the others stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServiceEdit {
    /// Scheduler.
    pub(crate) scheduler: Option<SchedulerName>,
    /// Persistence engine; an empty name is none.
    pub(crate) engine: Option<EngineName>,
    /// All flags.
    pub(crate) flags: Option<u32>,
    /// Persistence timeout in seconds.
    pub(crate) timeout: Option<u32>,
    /// As in [`ServiceSpec`].
    pub(crate) netmask: Option<u32>,
    /// Options in place of the namespace's.
    pub(crate) own: OwnEdit,
}

impl ServiceEdit {
    /// Returns the options that a nest has.
    pub(super) fn given(service: &SvcFields) -> Self {
        Self {
            scheduler: service.scheduler,
            engine: service.engine,
            flags: service.flags,
            timeout: service.timeout,
            netmask: service.netmask,
            own: service.own,
        }
    }

    /// Returns the service after the change.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the netmask is none of the service's family.
    pub(crate) fn of(self, now: ServiceSpec) -> Result<ServiceSpec, ConfigError> {
        let spec = ServiceSpec {
            id: now.id,
            scheduler: self.scheduler.unwrap_or(now.scheduler),
            engine: match self.engine {
                Some(name) => Some(name).filter(|name| !name.as_bytes().is_empty()),
                None => now.engine,
            },
            flags: self.flags.unwrap_or(now.flags),
            flags_mask: u32::MAX,
            timeout: self.timeout.unwrap_or(now.timeout),
            netmask: self.netmask.unwrap_or(now.netmask),
            own: self.own.of(now.own),
        };
        request::check_netmask(&spec)?;
        Ok(spec)
    }
}

/// Options of a destination to change; the others stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DestEdit {
    /// Forward method.
    pub(crate) method: Option<ForwardMethod>,
    /// Weight.
    pub(crate) weight: Option<u32>,
    /// Upper threshold.
    pub(crate) upper: Option<u32>,
    /// Lower threshold.
    pub(crate) lower: Option<u32>,
    /// Tunnel.
    pub(crate) tunnel: TunnelChange,
}

impl DestEdit {
    /// Returns the destination after the change.
    ///
    /// # Errors
    ///
    /// Those of [`request::check_destination`], and of [`TunnelChange::of`].
    pub(crate) fn of(self, now: DestinationSpec) -> Result<DestinationSpec, ConfigError> {
        let spec = DestinationSpec {
            id: now.id,
            method: self.method.unwrap_or(now.method),
            // Above INT_MAX it is negative, which the check refuses.
            weight: self.weight.map_or(now.weight, |weight| weight as i32),
            upper: self.upper.unwrap_or(now.upper),
            lower: self.lower.unwrap_or(now.lower),
            tunnel: self.tunnel.of(now.tunnel)?,
        };
        request::check_destination(&spec)?;
        Ok(spec)
    }
}

/// A change of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConfigChange {
    /// Adds a service.
    NewService(ServiceSpec),
    /// Changes options of a service.
    SetService(ServiceId, ServiceEdit),
    /// Deletes a service with its destinations.
    DelService(ServiceId),
    /// Adds a destination.
    NewDest(ServiceId, DestinationSpec),
    /// Changes options of a destination.
    SetDest(ServiceId, DestinationId, DestEdit),
    /// Deletes a destination.
    DelDest(ServiceId, DestinationId),
    /// Deletes all services.
    Flush,
    /// Lets a destination take no new connections.
    DrainDest(ServiceId, DestinationId, DrainSpec),
    /// Lets a drained destination take new connections again.
    UndrainDest(ServiceId, DestinationId),
}

/// Returns the nests of the changes in a message, in their order.
pub(crate) fn changes(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    Attributes::new(message)
        .filter(|(number, _)| *number == msg_attr::CHANGE)
        .map(|(_, nest)| nest)
}

/// Parses a change.
///
/// # Errors
///
/// `EINVAL` if an attribute is unknown, missing, given twice or invalid; `EAFNOSUPPORT` for an
/// unknown address family; `ERANGE` for a weight or a threshold.
pub(crate) fn change(nest: &[u8]) -> Result<ConfigChange, ConfigError> {
    let (mut op, mut service, mut dest) = (None, None, None);
    each(nest, |number, payload| match number {
        change_attr::OP => set(
            &mut op,
            u8(payload),
            c"the kind of a change does not have 1 byte",
        ),
        change_attr::SERVICE => set(&mut service, Some(payload), c""),
        change_attr::DEST => set(&mut dest, Some(payload), c""),
        _ => Err(invalid(c"a change has no such attribute")),
    })?;
    let op = op.ok_or(invalid(c"a change has no kind"))?;
    if op == change_op::FLUSH {
        return match (service, dest) {
            (None, None) => Ok(ConfigChange::Flush),
            _ => Err(invalid(c"a flush is of all services")),
        };
    }
    let service = SvcFields::read(service.ok_or(invalid(c"a change names no service"))?)?;
    let id = service.id()?;
    let edit = ServiceEdit::given(&service);
    match (op, dest) {
        (change_op::NEW_SERVICE, None) => Ok(ConfigChange::NewService(new_service(id, edit)?)),
        (change_op::SET_SERVICE, None) => Ok(ConfigChange::SetService(id, edit)),
        _ if edit != ServiceEdit::default() => {
            Err(invalid(c"this change is none of the service's options"))
        }
        (change_op::DEL_SERVICE, None) => Ok(ConfigChange::DelService(id)),
        (change_op::NEW_SERVICE | change_op::SET_SERVICE | change_op::DEL_SERVICE, Some(_)) => {
            Err(invalid(c"a change of a service has no destination"))
        }
        (_, Some(nest)) => of_destination(op, id, &DestFields::read(nest)?),
        (change_op::NEW_DEST..=change_op::DEL_DEST, None)
        | (change_op::DRAIN_DEST | change_op::UNDRAIN_DEST, None) => {
            Err(invalid(c"a change of a destination names none"))
        }
        _ => Err(invalid(c"there is no such kind of change")),
    }
}

/// Returns a new service with the options that are given.
fn new_service(id: ServiceId, given: ServiceEdit) -> Result<ServiceSpec, ConfigError> {
    given.of(ServiceSpec {
        id,
        scheduler: given
            .scheduler
            .ok_or(invalid(c"the service has no scheduler's name"))?,
        engine: None,
        flags: 0,
        flags_mask: u32::MAX,
        timeout: 0,
        netmask: match id.family {
            AddressFamily::V4 => u32::MAX,
            AddressFamily::V6 => 128,
        },
        own: given.own.of_new()?,
    })
}

/// Returns a change of a destination of the service `id`.
fn of_destination(
    op: u8,
    id: ServiceId,
    fields: &DestFields<'_>,
) -> Result<ConfigChange, ConfigError> {
    let destination = fields.id()?;
    let edit = DestEdit {
        // Less than 4.
        method: fields.method.map(ForwardMethod::of_bits),
        weight: fields.weight,
        upper: fields.upper,
        lower: fields.lower,
        tunnel: TunnelChange {
            kind: fields.tunnel_kind,
            port: fields.tunnel_port,
            flags: fields.tunnel_flags,
        },
    };
    if fields.drain.is_some() && op != change_op::DRAIN_DEST {
        return Err(invalid(c"only a drain has options of a drain"));
    }
    match op {
        change_op::NEW_DEST => {
            let new = DestinationSpec {
                id: destination,
                method: ForwardMethod::MASQ,
                weight: 1,
                upper: 0,
                lower: 0,
                tunnel: TunnelSpec::default(),
            };
            Ok(ConfigChange::NewDest(id, edit.of(new)?))
        }
        change_op::SET_DEST => Ok(ConfigChange::SetDest(id, destination, edit)),
        change_op::DEL_DEST if edit == DestEdit::default() => {
            Ok(ConfigChange::DelDest(id, destination))
        }
        change_op::DEL_DEST => Err(invalid(c"a deletion has no options")),
        change_op::DRAIN_DEST | change_op::UNDRAIN_DEST if edit != DestEdit::default() => {
            Err(invalid(c"a drain changes no other options"))
        }
        change_op::DRAIN_DEST => {
            let spec = fields.drain.map_or(Ok(DrainSpec::default()), drain::read)?;
            Ok(ConfigChange::DrainDest(id, destination, spec))
        }
        change_op::UNDRAIN_DEST => Ok(ConfigChange::UndrainDest(id, destination)),
        _ => Err(invalid(c"there is no such kind of change")),
    }
}
