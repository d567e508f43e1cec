// SPDX-License-Identifier: GPL-2.0

//! Events: changes of the configuration, as listeners are told.

use super::answer;
use crate::{
    kapi::genetlink::GenlMessage,
    logic::{
        config::{
            AdminTimeouts,
            DestinationView,
            ServiceId,
            ServiceView, //
        },
        ripvs::{
            uapi::{
                event,
                msg_attr,
                timeouts_attr, //
            },
            ConfigEvent, //
        },
    },
};
use kernel::prelude::*;

/// Returns the number of an event.
fn number(change: &ConfigEvent<'_>) -> u32 {
    match change {
        ConfigEvent::NewService(_) => event::NEW_SERVICE,
        ConfigEvent::SetService(_) => event::SET_SERVICE,
        ConfigEvent::DelService(_) => event::DEL_SERVICE,
        ConfigEvent::NewDest(..) => event::NEW_DEST,
        ConfigEvent::SetDest(..) => event::SET_DEST,
        ConfigEvent::DelDest(..) => event::DEL_DEST,
        ConfigEvent::Flush => event::FLUSH,
        ConfigEvent::Drain(..) => event::DRAIN,
        ConfigEvent::Drained(..) => event::DRAINED,
        ConfigEvent::Undrain(..) => event::UNDRAIN,
        ConfigEvent::Overload(_, _, true) => event::OVERLOAD,
        ConfigEvent::Overload(_, _, false) => event::OVERLOAD_END,
        ConfigEvent::Timeouts(_) => event::TIMEOUTS,
        ConfigEvent::Daemon(_, true) => event::START_DAEMON,
        ConfigEvent::Daemon(_, false) => event::STOP_DAEMON,
    }
}

/// Returns the process that made a change: the one that runs, or 0 for what a work tells.
fn pid(change: &ConfigEvent<'_>) -> u32 {
    match change {
        ConfigEvent::Drained(..) | ConfigEvent::Overload(..) => 0,
        // Never negative.
        _ => kernel::current!().group_leader().pid() as u32,
    }
}

/// Adds the attributes of an event. Process context: the process that made the change is the one
/// that runs.
pub(super) fn put(
    message: &mut GenlMessage<'_>,
    generation: u64,
    change: ConfigEvent<'_>,
) -> Result {
    message.put_u32(msg_attr::EVENT, number(&change))?;
    message.put_u64_aligned(msg_attr::GENERATION, generation, msg_attr::PAD)?;
    message.put_u32(msg_attr::PID, pid(&change))?;
    match change {
        ConfigEvent::NewService(view) | ConfigEvent::SetService(view) => put_service(message, view),
        ConfigEvent::DelService(id) => put_id(message, id),
        ConfigEvent::NewDest(id, view)
        | ConfigEvent::SetDest(id, view)
        | ConfigEvent::DelDest(id, view)
        | ConfigEvent::Drain(id, view)
        | ConfigEvent::Drained(id, view)
        | ConfigEvent::Undrain(id, view)
        | ConfigEvent::Overload(id, view, _) => {
            put_id(message, id)?;
            put_dest(message, view)
        }
        ConfigEvent::Flush => Ok(()),
        ConfigEvent::Timeouts(timeouts) => put_timeouts(message, &timeouts),
        ConfigEvent::Daemon(role, _) => message.put_u32(msg_attr::DAEMON, role.state()),
    }
}

fn put_id(message: &mut GenlMessage<'_>, id: &ServiceId) -> Result {
    message.nested(msg_attr::SERVICE, |nest| answer::put_service_id(nest, id))
}

fn put_service(message: &mut GenlMessage<'_>, view: &ServiceView) -> Result {
    message.nested(msg_attr::SERVICE, |nest| {
        answer::put_service(nest, view, false)
    })
}

fn put_dest(message: &mut GenlMessage<'_>, view: &DestinationView) -> Result {
    message.nested(msg_attr::DEST, |nest| answer::put_dest(nest, view, false))
}

fn put_timeouts(message: &mut GenlMessage<'_>, timeouts: &AdminTimeouts) -> Result {
    message.nested(msg_attr::TIMEOUTS, |nest| {
        nest.put_u32(timeouts_attr::TCP, timeouts.tcp)?;
        nest.put_u32(timeouts_attr::TCP_FIN, timeouts.tcp_fin)?;
        nest.put_u32(timeouts_attr::UDP, timeouts.udp)
    })
}
