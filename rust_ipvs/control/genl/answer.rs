// SPDX-License-Identifier: GPL-2.0

//! Services and destinations in netlink messages (G-8, G-10, G-11).

use crate::{
    control::netlink::put_statistics64,
    kapi::genetlink::GenlMessage,
    logic::{
        config::{
            DestinationView,
            Ip,
            ServiceKey,
            ServiceView,
            Statistics, //
        },
        uapi::{
            dest_attr,
            stats_attr,
            svc_attr, //
        },
    },
};
use kernel::prelude::*;

/// Adds an address as an attribute of 16 bytes, for either family.
fn put_addr(message: &mut GenlMessage<'_>, attribute: u16, addr: &Ip) -> Result {
    match addr {
        Ip::V4([a, b, c, d]) => message.put_bytes(
            attribute,
            &[*a, *b, *c, *d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        Ip::V6(bytes) => message.put_bytes(attribute, bytes),
    }
}

/// Adds the attributes of a service: identity, configuration, statistics (G-8).
pub(super) fn put_service(message: &mut GenlMessage<'_>, view: &ServiceView) -> Result {
    message.put_u16(svc_attr::AF, view.id.family.number())?;
    match &view.id.key {
        ServiceKey::Mark(mark) => message.put_u32(svc_attr::FWMARK, *mark)?,
        ServiceKey::Address {
            protocol,
            addr,
            port,
        } => {
            message.put_u16(svc_attr::PROTOCOL, *protocol)?;
            put_addr(message, svc_attr::ADDR, addr)?;
            message.put_be16(svc_attr::PORT, *port)?;
        }
    }
    message.put_string(svc_attr::SCHED_NAME, view.scheduler.as_bytes())?;
    if let Some(engine) = &view.engine {
        message.put_string(svc_attr::PE_NAME, engine.as_bytes())?;
    }
    let [f0, f1, f2, f3] = view.flags.to_ne_bytes();
    message.put_bytes(
        svc_attr::FLAGS,
        &[f0, f1, f2, f3, u8::MAX, u8::MAX, u8::MAX, u8::MAX],
    )?;
    message.put_u32(svc_attr::TIMEOUT, view.timeout)?;
    message.put_u32(svc_attr::NETMASK, view.netmask)?;
    put_statistics(message, svc_attr::STATS, &view.statistics)?;
    put_statistics64(message, svc_attr::STATS64, &view.statistics)
}

/// Adds the attributes of a destination: identity, configuration, counts, statistics (G-10).
pub(super) fn put_destination(message: &mut GenlMessage<'_>, view: &DestinationView) -> Result {
    let spec = &view.spec;
    put_addr(message, dest_attr::ADDR, &spec.id.addr)?;
    message.put_be16(dest_attr::PORT, spec.id.port)?;
    message.put_u32(dest_attr::FWD_METHOD, spec.method.0.into())?;
    // The weight is never negative.
    message.put_u32(dest_attr::WEIGHT, spec.weight as u32)?;
    message.put_u8(dest_attr::TUN_TYPE, spec.tunnel.kind)?;
    message.put_be16(dest_attr::TUN_PORT, spec.tunnel.port)?;
    message.put_u16(dest_attr::TUN_FLAGS, spec.tunnel.flags)?;
    message.put_u32(dest_attr::U_THRESH, spec.upper)?;
    message.put_u32(dest_attr::L_THRESH, spec.lower)?;
    message.put_u32(dest_attr::ACTIVE_CONNS, view.active)?;
    message.put_u32(dest_attr::INACT_CONNS, view.inactive)?;
    message.put_u32(dest_attr::PERSIST_CONNS, view.persistent)?;
    message.put_u16(dest_attr::ADDR_FAMILY, spec.id.addr.family().number())?;
    put_statistics(message, dest_attr::STATS, &view.statistics)?;
    put_statistics64(message, dest_attr::STATS64, &view.statistics)
}

/// Adds statistics with 32-bit values, except for the byte counters. They wrap (E-11).
fn put_statistics(message: &mut GenlMessage<'_>, attribute: u16, of: &Statistics) -> Result {
    let (counters, rates) = (&of.counters, &of.rates);
    message.nested(attribute, |nest| {
        nest.put_u32(stats_attr::CONNS, counters.conns as u32)?;
        nest.put_u32(stats_attr::INPKTS, counters.in_packets as u32)?;
        nest.put_u32(stats_attr::OUTPKTS, counters.out_packets as u32)?;
        nest.put_u64_aligned(stats_attr::INBYTES, counters.in_bytes, stats_attr::PAD)?;
        nest.put_u64_aligned(stats_attr::OUTBYTES, counters.out_bytes, stats_attr::PAD)?;
        nest.put_u32(stats_attr::CPS, rates.conns as u32)?;
        nest.put_u32(stats_attr::INPPS, rates.in_packets as u32)?;
        nest.put_u32(stats_attr::OUTPPS, rates.out_packets as u32)?;
        nest.put_u32(stats_attr::INBPS, rates.in_bytes as u32)?;
        nest.put_u32(stats_attr::OUTBPS, rates.out_bytes as u32)
    })
}
