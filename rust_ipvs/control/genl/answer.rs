// SPDX-License-Identifier: GPL-2.0

//! How services and destinations look in messages (G-8, G-10, G-11).

use super::numbers::{
    destination,
    service,
    stats, //
};
use crate::{
    kapi::genetlink::Message,
    logic::config::{
        AddressFamily,
        DestinationView,
        Ip,
        ServiceKey,
        ServiceView,
        Statistics, //
    },
};
use kernel::prelude::*;

/// A family's number in user space.
fn number(family: AddressFamily) -> u16 {
    match family {
        AddressFamily::V4 => 2,
        AddressFamily::V6 => 10,
    }
}

/// Adds an address, always in 16 bytes.
fn put_addr(message: &mut Message<'_>, attribute: u16, addr: &Ip) -> Result {
    match addr {
        Ip::V4([a, b, c, d]) => message.put_bytes(
            attribute,
            &[*a, *b, *c, *d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        Ip::V6(bytes) => message.put_bytes(attribute, bytes),
    }
}

/// Adds what identifies a service and what it is told to do, and what it did (G-8).
pub(super) fn put_service(message: &mut Message<'_>, view: &ServiceView) -> Result {
    message.put_u16(service::FAMILY, number(view.id.family))?;
    match &view.id.key {
        ServiceKey::Mark(mark) => message.put_u32(service::MARK, *mark)?,
        ServiceKey::Address {
            protocol,
            addr,
            port,
        } => {
            message.put_u16(service::PROTOCOL, *protocol)?;
            put_addr(message, service::ADDR, addr)?;
            message.put_be16(service::PORT, *port)?;
        }
    }
    message.put_string(service::SCHEDULER, view.scheduler.as_bytes())?;
    if let Some(engine) = &view.engine {
        message.put_string(service::ENGINE, engine.as_bytes())?;
    }
    let [f0, f1, f2, f3] = view.flags.to_ne_bytes();
    message.put_bytes(
        service::FLAGS,
        &[f0, f1, f2, f3, u8::MAX, u8::MAX, u8::MAX, u8::MAX],
    )?;
    message.put_u32(service::TIMEOUT, view.timeout)?;
    message.put_u32(service::NETMASK, view.netmask)?;
    put_statistics(message, service::STATS, &view.statistics)?;
    put_statistics64(message, service::STATS64, &view.statistics)
}

/// Adds what identifies a destination and what it is told to do, and what it did (G-10).
pub(super) fn put_destination(message: &mut Message<'_>, view: &DestinationView) -> Result {
    let spec = &view.spec;
    let family = match spec.id.addr {
        Ip::V4(_) => AddressFamily::V4,
        Ip::V6(_) => AddressFamily::V6,
    };
    put_addr(message, destination::ADDR, &spec.id.addr)?;
    message.put_be16(destination::PORT, spec.id.port)?;
    message.put_u32(destination::METHOD, spec.method.0.into())?;
    // Never negative; a number is a number.
    message.put_u32(destination::WEIGHT, spec.weight as u32)?;
    message.put_u8(destination::TUNNEL_KIND, spec.tunnel.kind)?;
    message.put_be16(destination::TUNNEL_PORT, spec.tunnel.port)?;
    message.put_u16(destination::TUNNEL_FLAGS, spec.tunnel.flags)?;
    message.put_u32(destination::UPPER, spec.upper)?;
    message.put_u32(destination::LOWER, spec.lower)?;
    message.put_u32(destination::ACTIVE, view.active)?;
    message.put_u32(destination::INACTIVE, view.inactive)?;
    message.put_u32(destination::PERSISTENT, view.persistent)?;
    message.put_u16(destination::FAMILY, number(family))?;
    put_statistics(message, destination::STATS, &view.statistics)?;
    put_statistics64(message, destination::STATS64, &view.statistics)
}

/// Adds statistics in their first form, in which all but bytes have 32 bits and wrap (E-11).
fn put_statistics(message: &mut Message<'_>, attribute: u16, of: &Statistics) -> Result {
    let (counters, rates) = (&of.counters, &of.rates);
    message.nested(attribute, |nest| {
        nest.put_u32(stats::CONNS, counters.conns as u32)?;
        nest.put_u32(stats::IN_PACKETS, counters.in_packets as u32)?;
        nest.put_u32(stats::OUT_PACKETS, counters.out_packets as u32)?;
        nest.put_u64_aligned(stats::IN_BYTES, counters.in_bytes, stats::PAD)?;
        nest.put_u64_aligned(stats::OUT_BYTES, counters.out_bytes, stats::PAD)?;
        nest.put_u32(stats::CONN_RATE, rates.conns as u32)?;
        nest.put_u32(stats::IN_PACKET_RATE, rates.in_packets as u32)?;
        nest.put_u32(stats::OUT_PACKET_RATE, rates.out_packets as u32)?;
        nest.put_u32(stats::IN_BYTE_RATE, rates.in_bytes as u32)?;
        nest.put_u32(stats::OUT_BYTE_RATE, rates.out_bytes as u32)
    })
}

/// Adds statistics in their second form, in which all have 64 bits.
fn put_statistics64(message: &mut Message<'_>, attribute: u16, of: &Statistics) -> Result {
    let (counters, rates) = (&of.counters, &of.rates);
    message.nested(attribute, |nest| {
        for (attribute, value) in [
            (stats::CONNS, counters.conns),
            (stats::IN_PACKETS, counters.in_packets),
            (stats::OUT_PACKETS, counters.out_packets),
            (stats::IN_BYTES, counters.in_bytes),
            (stats::OUT_BYTES, counters.out_bytes),
            (stats::CONN_RATE, rates.conns),
            (stats::IN_PACKET_RATE, rates.in_packets),
            (stats::OUT_PACKET_RATE, rates.out_packets),
            (stats::IN_BYTE_RATE, rates.in_bytes),
            (stats::OUT_BYTE_RATE, rates.out_bytes),
        ] {
            nest.put_u64_aligned(attribute, value, stats::PAD)?;
        }
        Ok(())
    })
}
