// SPDX-License-Identifier: GPL-2.0

//! FTP application helper for NAT: rewrites addresses in control connections and creates the
//! connections that they announce (behaviour.rst 9).
//!
//! Only packets of control connections come here. A data connection is announced to the table, and
//! to connection tracking where a server listens; what a server says of its address becomes the
//! VIP's.

mod app;
mod expect;
mod related;

use crate::{
    director::{
        conn::{
            Connection,
            InetFamily, //
        },
        packet::Context, //
    },
    kapi::skbuff::Packet,
    logic::{
        checksum::SumState,
        config::ForwardMethod,
        family::Endpoint,
        ftp::{
            self,
            Announced,
            FtpCommand,
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

/// A new connection to the helper's port. If it is one by NAT the helper looks at its packets, and
/// tracking keeps it whatever is set (F-1, F-4).
#[cold]
#[inline(never)]
pub(crate) fn bind<F: InetFamily>(connection: &mut Connection<F>) {
    if connection.method == ForwardMethod::MASQ && connection.protocol() == TCP {
        connection.set_app();
        connection.track(true);
    }
}

/// Looks at what a client sends (F-5, F-6); `false` if the packet cannot go on: the client sends it
/// again.
///
/// A client that names another address than its own has asked its server to call somebody else (RFC
/// 2577). That is not announced: it would take the place of what that other host announces, and
/// give its packets to the server of this one.
#[cold]
#[inline(never)]
pub(crate) fn request<F: InetFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    packet: &mut Packet,
) -> bool {
    if connection.state() != tcp::ESTABLISHED {
        return true;
    }
    if !packet.pull(packet.len() as usize) {
        return false;
    }
    let Some((_, text)) = text(&context, packet) else {
        return true;
    };
    match ftp::command::<F>(text) {
        Some(FtpCommand::Passive(mode)) => connection.set_mode(Some(mode)),
        Some(FtpCommand::Active(client)) => {
            connection.set_mode(None);
            if client.addr == connection.client.addr {
                let before = |at: &Endpoint<F>| Endpoint {
                    addr: at.addr,
                    port: at.port.wrapping_sub(1),
                };
                let ends = (client, before(&connection.virt), before(&connection.real));
                return expect::announce(&context, connection, ends, packet).is_some();
            }
        }
        None => {}
    }
    true
}

/// Looks at what a server sends, whose sender is the VIP already (F-7, F-8); `false` where it
/// cannot go on.
///
/// The server sends again what got lost, so how it answers stays as the client has asked for until
/// the client asks for something else.
#[cold]
#[inline(never)]
pub(crate) fn reply<F: InetFamily>(
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
    // The server's own address, whatever it says: it may not know how it is reached, and cannot
    // speak for others.
    let at = |addr: F::Addr| Endpoint {
        addr,
        port: announced.port,
    };
    let anybody = Endpoint {
        addr: connection.client.addr,
        port: 0,
    };
    let ends = (anybody, at(connection.virt.addr), at(connection.real.addr));
    let Some(virt) = expect::announce(&context, connection, ends, packet) else {
        return false;
    };
    let may_go_on = rewrite(&context, (mode, virt), start, announced, packet);
    if may_go_on {
        related::expect(&context, (anybody, virt), packet);
    }
    may_go_on
}

/// Returns what a segment carries, and where that begins, in bytes from the IP header.
fn text<'p, F: InetFamily>(
    context: &Context<'_, F>,
    packet: &'p Packet,
) -> Option<(usize, &'p [u8])> {
    let bytes = packet.bytes();
    let start = payload::of_tcp(bytes, &context.header)?;
    Some((start, bytes.get(start..)?))
}

/// Replaces what a server says of where it listens by where the client finds it; `false` where that
/// cannot be done.
fn rewrite<F: InetFamily>(
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
fn shift<F: InetFamily>(context: &Context<'_, F>, longer: i32, packet: &Packet) -> bool {
    let at = usize::from(context.header.l4).saturating_add(4);
    let sequence = packet.bytes().get(at..).and_then(<[u8]>::first_chunk);
    let (Some(sequence), Some((entry, way))) = (sequence, packet.entry()) else {
        return false;
    };
    entry.shift_sequence(way, u32::from_be_bytes(*sequence), longer)
}
