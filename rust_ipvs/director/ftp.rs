// SPDX-License-Identifier: GPL-2.0

//! The FTP helper: reads control connections by NAT, and lets their data connections pass (SPEC section 9).
//!
//! Only packets of control connections come here. A data connection is announced to the table, and to connection tracking
//! where a server listens; what a server says of its address becomes the VIP's.

use super::{
    connection::Connection,
    context::Context,
    stack::Stack,
    tracking, //
};
use crate::{
    kapi::{
        conntrack,
        skbuff::Packet,
        table::Hold,
        time, //
    },
    logic::{
        checksum::SumState,
        config::ForwardMethod,
        family::Endpoint,
        ftp::{
            self,
            Announced,
            Command,
            Mode,
            Text, //
        },
        packet::TCP,
        payload::{
            self,
            Part, //
        },
        tcp, //
    },
};

/// A new connection to the helper's port. If it is one by NAT the helper looks at its packets, and tracking keeps it whatever is
/// set (F-1, F-4).
#[cold]
#[inline(never)]
pub(super) fn bound<F: Stack>(connection: Connection<F>) -> Connection<F> {
    match connection.method {
        ForwardMethod::MASQ if connection.protocol() == TCP => connection.helped().tracked(true),
        _ => connection,
    }
}

/// Looks at what a client sends (F-5, F-6).
#[cold]
#[inline(never)]
pub(super) fn request<F: Stack>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    packet: &mut Packet,
) {
    if connection.state() != tcp::ESTABLISHED || !packet.pull(packet.len() as usize) {
        return;
    }
    let Some((_, text)) = text(&context, packet) else {
        return;
    };
    match ftp::command::<F>(text) {
        Some(Command::Passive(mode)) => connection.set_mode(Some(mode)),
        Some(Command::Active(client)) => {
            connection.set_mode(None);
            let before = |at: &Endpoint<F>| Endpoint {
                addr: at.addr,
                port: at.port.wrapping_sub(1),
            };
            let ends = (client, before(&connection.virt), before(&connection.real));
            // Without memory the server's connection will not find its way, of which it tells the client.
            announce(&context, connection, ends);
        }
        None => {}
    }
}

/// Looks at what a server sends, whose sender is the VIP already (F-7, F-8); `false` where it cannot go on.
///
/// The server sends again what got lost, so how it answers stays as the client has asked for until the client asks
/// for something else.
#[cold]
#[inline(never)]
pub(super) fn reply<F: Stack>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    packet: &mut Packet,
) -> bool {
    let Some(mode) = connection.mode() else {
        return true;
    };
    if connection.state() != tcp::ESTABLISHED {
        return true;
    }
    if !packet.pull(packet.len() as usize) {
        return false;
    }
    let Some((start, text)) = text(&context, packet) else {
        return true;
    };
    let Some(announced) = ftp::answer::<F>(mode, text) else {
        return true;
    };
    // The server's own address, whatever it says: it may not know how it is reached, and cannot speak for others.
    let at = |addr: F::Addr| Endpoint {
        addr,
        port: announced.port,
    };
    let anybody = Endpoint {
        addr: connection.client.addr,
        port: 0,
    };
    let virt = at(connection.virt.addr);
    let ends = (anybody, virt, at(connection.real.addr));
    let may_go_on = announce(&context, connection, ends)
        && rewrite(&context, (mode, virt), start, announced, packet);
    if may_go_on {
        expect(&context, (anybody, virt), packet);
    }
    may_go_on
}

/// What a segment carries, and where that begins, in bytes from the IP header.
fn text<'p, F: Stack>(context: &Context<'_, F>, packet: &'p Packet) -> Option<(usize, &'p [u8])> {
    let bytes = packet.bytes();
    let start = payload::of_tcp(bytes, &context.header)?;
    Some((start, bytes.get(start..)?))
}

/// For how many jiffies a data connection waits that was announced.
fn patience<F: Stack>(context: &Context<'_, F>) -> u32 {
    context.director.timeouts.of(TCP, tcp::LISTEN)
}

/// Has a data connection in the table that the control connection has announced; `false` where there is no room for it.
fn announce<F: Stack>(
    context: &Context<'_, F>,
    control: &Connection<F>,
    (client, virt, real): (Endpoint<F>, Endpoint<F>, Endpoint<F>),
) -> bool {
    let (rcu, connections) = (context.rcu, context.connections);
    let table = &connections.table;
    let timeout = patience(context);
    let hash = F::hash(&connections.key, &client, &virt, TCP);
    let is_same = |other: &Connection<F>| other.is_of(TCP, &client, &virt);
    let found = table.find(rcu, hash, |other, direction| {
        direction == 0 && is_same(other)
    });
    if let Some((known, _)) = found {
        let of_this = known
            .control(rcu)
            .is_some_and(|other| core::ptr::eq(other, control));
        if of_this && known.real == real {
            known.listen(timeout);
            table.refile(known);
            return true;
        }
        // The client has announced the same to another server, or before: what it says now holds.
        tracking::remove(Some(context.net), connections, rcu, known);
    }
    if !context.has_room() {
        return false;
    }
    let Some(hold) = Hold::on(control) else {
        return false;
    };
    let destination = control.destination.clone();
    let data = context
        .plane
        .slab
        .alloc(|| Connection::announced((client, virt, real), destination, hold, timeout));
    let Ok(data) = data else {
        return false;
    };
    data.count();
    let reply_hash = F::hash(&connections.key, &client, &real, TCP);
    let entered = table.insert(rcu, data, (hash, Some(reply_hash)), is_same);
    context.connections.came();
    entered.is_ok()
}

/// Replaces what a server says of where it listens by where the client finds it; `false` where that cannot be done.
fn rewrite<F: Stack>(
    context: &Context<'_, F>,
    (mode, virt): (Mode, Endpoint<F>),
    start: usize,
    announced: Announced,
    packet: &mut Packet,
) -> bool {
    let new = Text::new(mode, F::ip(virt.addr), virt.port);
    let new = new.as_bytes();
    let (from, to) = announced.place;
    let part = Part {
        packet: packet.len() as usize,
        start: start.saturating_add(from),
        end: start.saturating_add(to),
    };
    let old = packet.bytes().get(part.start..part.end);
    if old == Some(new) {
        return true;
    }
    let longer = (new.len() as i32).wrapping_sub(old.map_or(0, <[u8]>::len) as i32);
    if longer != 0 && !shift(context, longer, packet) {
        return false;
    }
    let sum = SumState::of(packet.sum_is_partial());
    let extra = usize::try_from(longer).unwrap_or(0);
    let Some(bytes) = packet.writable_with_room(extra) else {
        return false;
    };
    let replaced = payload::replace(bytes, &context.header, part, new, sum);
    packet.sum_changed();
    replaced.is_some_and(|length| packet.set_len(length))
}

/// Has connection tracking make up for a segment that is to be so much longer.
fn shift<F: Stack>(context: &Context<'_, F>, longer: i32, packet: &Packet) -> bool {
    let at = usize::from(context.header.l4).saturating_add(4);
    let sequence = packet.bytes().get(at..).and_then(<[u8]>::first_chunk);
    let (Some(sequence), Some((entry, way))) = (sequence, packet.entry()) else {
        return false;
    };
    entry.shift_sequence(way, u32::from_be_bytes(*sequence), longer)
}

/// Tells connection tracking of a data connection that a client is to begin, so that rules know it as related (N-8).
fn expect<F: Stack>(
    context: &Context<'_, F>,
    (client, virt): (Endpoint<F>, Endpoint<F>),
    packet: &Packet,
) {
    if let Some((entry, _)) = packet.entry() {
        let first = conntrack::Tuple {
            network: F::PROTOCOL,
            transport: TCP,
            src: tracking::end(&client),
            dst: tracking::end(&virt),
        };
        // Where there are too many, it is not known as related; nothing else depends on that.
        let _ = entry.expect(&first, patience(context) / time::HZ);
    }
}
