// SPDX-License-Identifier: GPL-2.0

//! Services, destinations and connections in messages of the family.

use crate::{
    control::netlink::put_statistics64,
    kapi::genetlink::GenlMessage,
    logic::{
        config::{
            DestinationView,
            Ip,
            ServiceId,
            ServiceKey,
            ServiceView, //
        },
        drain::DrainView,
        own_options::OwnOptions,
        ripvs::{
            self,
            uapi::{
                conn_attr,
                dest_attr,
                drain_attr,
                service_attr, //
            },
            SelectedConnection,
        },
    },
};
use kernel::prelude::*;

/// Returns the bytes of an address; their number tells its family.
fn bytes(addr: &Ip) -> &[u8] {
    match addr {
        Ip::V4(bytes) => bytes,
        Ip::V6(bytes) => bytes,
    }
}

/// Adds the attributes of a connection.
pub(super) fn put_connection(message: &mut GenlMessage<'_>, of: &SelectedConnection<'_>) -> Result {
    message.put_u16(conn_attr::AF, of.client.0.family().number())?;
    message.put_u16(conn_attr::PROTOCOL, of.protocol.into())?;
    message.put_bytes(conn_attr::CLIENT_ADDR, bytes(&of.client.0))?;
    message.put_be16(conn_attr::CLIENT_PORT, of.client.1)?;
    if let Some((addr, port)) = &of.vip {
        message.put_bytes(conn_attr::VIP_ADDR, bytes(addr))?;
        message.put_be16(conn_attr::VIP_PORT, *port)?;
    }
    message.put_bytes(conn_attr::SERVER_ADDR, bytes(&of.server.0))?;
    message.put_be16(conn_attr::SERVER_PORT, of.server.1)?;
    if let Some(mark) = of.mark {
        message.put_u32(conn_attr::FWMARK, mark)?;
    }
    message.put_u32(conn_attr::FWD_METHOD, of.method.0.into())?;
    message.put_u8(conn_attr::STATE, of.state)?;
    message.put_string(conn_attr::STATE_NAME, of.state_name.as_bytes())?;
    message.put_u32(conn_attr::EXPIRES, of.expires)?;
    message.put_u32(conn_attr::IDLE, of.idle)?;
    message.put_u32(conn_attr::FLAGS, of.flags)?;
    if let Some((name, data)) = of.engine {
        message.put_string(conn_attr::PE_NAME, name.as_bytes())?;
        message.put_bytes(conn_attr::PE_DATA, data)?;
    }
    Ok(())
}

/// Adds the attributes that name a service.
pub(super) fn put_service_id(message: &mut GenlMessage<'_>, id: &ServiceId) -> Result {
    message.put_u16(service_attr::AF, id.family.number())?;
    match &id.key {
        ServiceKey::Mark(mark) => message.put_u32(service_attr::FWMARK, *mark),
        ServiceKey::Address {
            protocol,
            addr,
            port,
        } => {
            message.put_u16(service_attr::PROTOCOL, *protocol)?;
            message.put_bytes(service_attr::ADDR, bytes(addr))?;
            message.put_be16(service_attr::PORT, *port)
        }
    }
}

/// Adds the attributes of a service, with statistics if they are wanted.
pub(super) fn put_service(
    message: &mut GenlMessage<'_>,
    view: &ServiceView,
    has_statistics: bool,
) -> Result {
    put_service_id(message, &view.id)?;
    message.put_string(service_attr::SCHED_NAME, view.scheduler.as_bytes())?;
    if let Some(engine) = &view.engine {
        message.put_string(service_attr::PE_NAME, engine.as_bytes())?;
    }
    message.put_u32(service_attr::FLAGS, view.flags)?;
    message.put_u32(service_attr::TIMEOUT, view.timeout)?;
    message.put_u32(service_attr::NETMASK, view.netmask)?;
    put_own(message, &view.own)?;
    if has_statistics {
        put_statistics64(message, service_attr::STATS, &view.statistics)?;
    }
    Ok(())
}

/// Adds the options that a service has in place of the namespace's.
fn put_own(message: &mut GenlMessage<'_>, own: &OwnOptions) -> Result {
    for (number, timeout) in [
        (service_attr::TIMEOUT_TCP, own.timeout_tcp),
        (service_attr::TIMEOUT_TCP_FIN, own.timeout_tcp_fin),
        (service_attr::TIMEOUT_UDP, own.timeout_udp),
    ] {
        if let Some(timeout) = timeout {
            message.put_u32(number, timeout.get())?;
        }
    }
    for (number, value) in [
        (service_attr::CONNTRACK, own.conntrack.map(u8::from)),
        (service_attr::EXPIRE_NODEST, own.expire_nodest.map(u8::from)),
        (
            service_attr::EXPIRE_QUIESCENT,
            own.expire_quiescent.map(u8::from),
        ),
        (service_attr::FAST_PATH, own.fast_path),
    ] {
        if let Some(value) = value {
            message.put_u8(number, value)?;
        }
    }
    Ok(())
}

/// Adds the attributes of a destination, with statistics if they are wanted.
pub(super) fn put_dest(
    message: &mut GenlMessage<'_>,
    view: &DestinationView,
    has_statistics: bool,
) -> Result {
    let spec = &view.spec;
    message.put_bytes(dest_attr::ADDR, bytes(&spec.id.addr))?;
    message.put_be16(dest_attr::PORT, spec.id.port)?;
    message.put_u32(dest_attr::FWD_METHOD, spec.method.0.into())?;
    // The weight is never negative.
    message.put_u32(dest_attr::WEIGHT, spec.weight as u32)?;
    message.put_u32(dest_attr::U_THRESH, spec.upper)?;
    message.put_u32(dest_attr::L_THRESH, spec.lower)?;
    message.put_u8(dest_attr::TUN_TYPE, spec.tunnel.kind)?;
    message.put_be16(dest_attr::TUN_PORT, spec.tunnel.port)?;
    message.put_u16(dest_attr::TUN_FLAGS, spec.tunnel.flags)?;
    message.put_u32(dest_attr::ACTIVE_CONNS, view.active)?;
    message.put_u32(dest_attr::INACT_CONNS, view.inactive)?;
    message.put_u32(dest_attr::PERSIST_CONNS, view.persistent)?;
    if let Some(drain) = &view.drain {
        message.nested(dest_attr::DRAIN, |nest| put_drain(nest, drain))?;
    }
    if has_statistics {
        put_statistics64(message, dest_attr::STATS, &view.statistics)?;
    }
    Ok(())
}

fn put_drain(nest: &mut GenlMessage<'_>, drain: &DrainView) -> Result {
    nest.put_u32(drain_attr::FLAGS, drain.spec.flags)?;
    nest.put_u32(drain_attr::DEADLINE, drain.spec.deadline)?;
    if let Some(left) = drain.left {
        nest.put_u32(drain_attr::LEFT, left)?;
    }
    nest.put_u32(drain_attr::STATE, ripvs::drain_state(drain.phase))?;
    nest.put_u32(drain_attr::ENDED, drain.ended)?;
    nest.put_u32(drain_attr::RESET, drain.reset)
}
